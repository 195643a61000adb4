//! After a failed write: how sealing is taken up again, without a restart.
//!
//! sled keeps the first error of a write and answers every later one with it, but goes on reading.
//! So the store stays open for readers until the disk takes writes again; only then is it closed
//! and opened anew, by the ordinary recovery, which finds out what became of the last block.
//!
//! Invariants:
//! - What was in hand is answered before anything is tried, and what comes meanwhile at once: its
//!   outcome is unknown or it was not looked at, and submitting the same again is safe.
//! - There is never more than one store open, and it is taken up only after a whole recovery.
//! - It gives up only on what can't pass by itself.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;

use super::Health;
use super::writer::{Place, Writer};
use crate::store::{self, Committer, RESUME_FREE_BYTES, Store, StoreError};

/// How long it waits before it tries the disk for the second time, in milliseconds; then twice as
/// long each time, up to [`MAX_PAUSE_MS`].
const MIN_PAUSE_MS: u64 = 100;
/// The longest it waits between two tries.
const MAX_PAUSE_MS: u64 = 5_000;
/// How often it looks for requests to answer while it waits, in milliseconds.
const REFUSING_INTERVAL_MS: u64 = 10;
/// How long readers may take to end before the log says that they are waited for, in milliseconds.
const READERS_PATIENCE_MS: u64 = 5_000;
/// How often in a row opening must find the store damaged before that is believed: a read that
/// failed can look like damage.
const MAX_DAMAGED_OPENINGS: u32 = 3;

impl Writer {
    /// Waits until the disk takes writes again and opens the store anew; `None` when every handle
    /// is gone, before or after it had to be given up.
    pub(super) fn resume(
        &mut self,
        mut committer: Committer,
        error: &StoreError,
    ) -> Option<Committer> {
        committer.failed(error);
        if !error.can_pass() {
            return self.give_up(error);
        }
        let mut tries = Tries::default();
        let reopened = if matches!(error, StoreError::Full { .. }) {
            // Nothing of the block was written.
            while let Err(error) = store::check_free(&self.place.directory, RESUME_FREE_BYTES) {
                self.pause(&mut tries, &error)?;
            }
            committer
        } else {
            while let Err(error) =
                store::try_writing(&self.place.directory).and_then(|()| committer.settle())
            {
                self.pause(&mut tries, &error)?;
            }
            self.close(committer);
            self.reopen(&mut tries)?
        };
        self.take_up(&reopened);
        let (height, tries) = (reopened.store().head().height(), tries.count);
        tracing::info!(height, tries, health = %*self.health.borrow(), "the disk takes writes again");
        Some(reopened)
    }

    /// Closes the store once nobody reads from it any more.
    pub(super) fn close(&mut self, mut committer: Committer) {
        self.store.store(None);
        let patience = Duration::from_millis(READERS_PATIENCE_MS);
        while let Err(read) = committer.close(patience) {
            committer = *read;
            if !self.refuse_waiting() {
                // The process ends, or whoever opened the ledger lets go of it: readers may end
                // when they like.
                return;
            }
            tracing::warn!("waiting for readers to end before the store is opened anew");
        }
    }

    fn reopen(&mut self, tries: &mut Tries) -> Option<Committer> {
        let open = |place: &Place| Store::open(&place.directory, place.chain.clone());
        let mut opened = open(&self.place);
        let mut damaged = 0;
        loop {
            let error = match opened {
                Ok((_, committer)) => return Some(committer),
                Err(error) => error,
            };
            damaged = if error.can_pass() { 0 } else { damaged + 1 };
            if damaged == MAX_DAMAGED_OPENINGS {
                return self.give_up(&error);
            }
            self.pause(tries, &error)?;
            opened = store::try_writing(&self.place.directory).and_then(|()| open(&self.place));
        }
    }

    /// Refuses everything until every handle is gone.
    fn give_up(&mut self, error: &StoreError) -> Option<Committer> {
        tracing::error!(%error, "this doesn't pass by itself: the operator is needed");
        self.halt(Health::Failed);
        while let Some(request) = self.requests.receiver.blocking_recv() {
            self.refuse(request);
        }
        None
    }

    /// Waits before the next try; `None` when every handle is gone.
    fn pause(&mut self, tries: &mut Tries, error: &StoreError) -> Option<()> {
        self.halt(Health::Recovering(error.in_general()));
        let deadline = Instant::now() + tries.next_pause(error);
        while Instant::now() < deadline {
            if !self.refuse_waiting() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(REFUSING_INTERVAL_MS));
        }
        Some(())
    }

    /// Refuses what waits; `false` when every handle is gone.
    fn refuse_waiting(&mut self) -> bool {
        loop {
            match self.requests.receiver.try_recv() {
                Ok(request) => self.refuse(request),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }
}

/// The tries so far.
#[derive(Default)]
struct Tries {
    count: u32,
    /// What the last one came to. The same thing is logged once.
    last: String,
}

impl Tries {
    /// How long to wait after a try that came to `error`.
    fn next_pause(&mut self, error: &StoreError) -> Duration {
        let text = error.to_string();
        if text != self.last {
            tracing::warn!(%error, "the disk doesn't take writes; it is tried again and again");
            self.last = text;
        }
        let pause = MIN_PAUSE_MS.saturating_mul(2u64.saturating_pow(self.count));
        self.count = self.count.saturating_add(1);
        Duration::from_millis(pause.min(MAX_PAUSE_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut tries = Tries::default();
        let pauses: Vec<u128> =
            (0..80).map(|_| tries.next_pause(&StoreError::Panicked).as_millis()).collect();
        assert_eq!(pauses[..7], [100, 200, 400, 800, 1600, 3200, 5000]);
        assert!(pauses[7..].iter().all(|pause| *pause == 5000));
    }
}

//! Blocks go to the ledger in order, and its answers come back in order.
//!
//! Invariants:
//! - After a block was refused nothing more of its round reaches the ledger.
//! - Each block is answered once, in the order in which they came. Of a round one refusal is told; what
//!   comes after it is skipped.
//! - Only what was handed over is in memory as entries, which is several times its bytes.

use std::panic::resume_unwind;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::ledger::{self, AppendError, Appending, Ledger};
use crate::protocol::block::Block;
use crate::protocol::codec::NotCanonical;
use crate::protocol::time::Timestamp;

/// How far a block's time may lie ahead of this machine's clock, in milliseconds. What is further
/// ahead waits: a clock defers a block, it never makes it invalid.
pub const MAX_CLOCK_AHEAD_MS: u64 = 60_000;

/// A block for the ledger.
#[derive(Debug)]
pub(super) struct Handed<P> {
    pub peer: P,
    pub round: u64,
    pub height: u64,
    /// It is being decoded.
    pub block: JoinHandle<Result<Block, NotCanonical>>,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Answered<P> {
    pub peer: P,
    pub round: u64,
    pub height: u64,
    pub result: Result<(), NotAppended>,
}

/// Why a block isn't on the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotAppended {
    /// The ledger didn't take it.
    Refused(AppendError),
    /// It is of a time that this machine's clock hasn't reached.
    Ahead { time: Timestamp, now: Timestamp },
    /// Its bytes are no block.
    Garbled(NotCanonical),
    /// One before it wasn't taken.
    Skipped,
}

/// Decodes a block elsewhere: its entries are hashed on the way.
pub(super) fn decode(bytes: Vec<u8>) -> JoinHandle<Result<Block, NotCanonical>> {
    tokio::task::spawn_blocking(move || Block::decode(&bytes))
}

/// Hands blocks to the ledger until nobody sends any more.
pub(super) async fn append_in_order<P: Copy>(
    ledger: Ledger,
    mut blocks: mpsc::Receiver<Handed<P>>,
    answers: mpsc::Sender<Answered<P>>,
) {
    let mut in_hand = FuturesOrdered::new();
    // The latest rounds of which a block was refused, and of which that was answered.
    let (mut refused, mut answered_for) = (None, None);
    loop {
        tokio::select! {
            biased;
            Some(answered) = in_hand.next(), if !in_hand.is_empty() => {
                let mut answered: Answered<P> = answered;
                if answered.result.is_err() {
                    let round = Some(answered.round);
                    // What was in hand already is refused with it, for whatever reason.
                    if answered_for >= round {
                        answered.result = Err(NotAppended::Skipped);
                    }
                    (refused, answered_for) = (refused.max(round), answered_for.max(round));
                }
                if answers.send(answered).await.is_err() {
                    return;
                }
            }
            handed = blocks.recv() => {
                let Some(Handed { peer, round, height, block }) = handed else { return };
                let given = if refused >= Some(round) {
                    Err(NotAppended::Skipped)
                } else {
                    give(&ledger, block).await
                };
                if given.is_err() {
                    refused = refused.max(Some(round));
                }
                in_hand.push_back(async move {
                    let result = match given {
                        Ok(appending) => appending.outcome().await.map_err(NotAppended::Refused),
                        Err(error) => Err(error),
                    };
                    Answered { peer, round, height, result }
                });
            }
        }
    }
}

/// Gives a block to the ledger.
async fn give(
    ledger: &Ledger,
    block: JoinHandle<Result<Block, NotCanonical>>,
) -> Result<Appending, NotAppended> {
    let decoded = block.await.unwrap_or_else(|error| resume_unwind(error.into_panic()));
    let block = decoded.map_err(NotAppended::Garbled)?;
    let (time, now) = (block.header.time, ledger::now());
    if is_ahead(time, now) {
        return Err(NotAppended::Ahead { time, now });
    }
    ledger.hand_over(block).await.map_err(NotAppended::Refused)
}

fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.as_millis().saturating_sub(now.as_millis()) > MAX_CLOCK_AHEAD_MS
}

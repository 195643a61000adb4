//! Blocks go to the ledger in order, and its answers come back in order.
//!
//! Invariants:
//! - After a block was refused nothing more of its round reaches the ledger.
//! - Each block is answered once, in the order in which they came.

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::sync::mpsc;

use crate::ledger::{self, AppendError, Ledger};
use crate::protocol::block::Block;
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
    pub block: Block,
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
    /// One before it wasn't taken.
    Skipped,
}

/// Hands blocks to the ledger until nobody sends any more.
pub(super) async fn append_in_order<P: Copy>(
    ledger: Ledger,
    mut blocks: mpsc::Receiver<Handed<P>>,
    answers: mpsc::Sender<Answered<P>>,
) {
    let mut in_hand = FuturesOrdered::new();
    let mut refused = None;
    loop {
        tokio::select! {
            biased;
            Some(answered) = in_hand.next(), if !in_hand.is_empty() => {
                let answered: Answered<P> = answered;
                if answered.result.is_err() {
                    refused = refused.max(Some(answered.round));
                }
                if answers.send(answered).await.is_err() {
                    return;
                }
            }
            handed = blocks.recv() => {
                let Some(Handed { peer, round, height, block }) = handed else { return };
                let now = ledger::now();
                let given = if refused >= Some(round) {
                    Err(NotAppended::Skipped)
                } else if is_ahead(block.header.time, now) {
                    refused = Some(round);
                    Err(NotAppended::Ahead { time: block.header.time, now })
                } else {
                    ledger.hand_over(block).await.map_err(NotAppended::Refused)
                };
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

fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.as_millis().saturating_sub(now.as_millis()) > MAX_CLOCK_AHEAD_MS
}

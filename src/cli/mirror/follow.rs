//! Following a published log until somebody says stop.

use std::time::Duration;

use super::{Arguments, MirrorError, Round, report};
use crate::cli::output;
use crate::cli::tiles::PublishedLog;
use crate::ledger::Ledger;
use crate::node::serve::StopSignals;

/// The pause between two looks, in seconds: as long as a node lets its checkpoint be kept.
const PAUSE_SECONDS: u64 = 2;
/// The longest pause while nothing comes, in seconds; it doubles each time up to this.
const MAX_PAUSE_SECONDS: u64 = 60;

impl Arguments {
    /// Appends whatever is published, until stopped. Where nothing comes it looks again later;
    /// where something wrong comes, that ends it.
    pub(super) async fn follow(&self, ledger: &Ledger, log: &PublishedLog) -> anyhow::Result<()> {
        let mut signals = StopSignals::new()?;
        let mut pause_seconds = PAUSE_SECONDS;
        let mut is_first = true;
        loop {
            let round = tokio::select! {
                round = self.round(ledger, log) => round,
                () = signals.recv() => return Ok(()),
            };
            match round {
                Ok(round) => {
                    pause_seconds = PAUSE_SECONDS;
                    if round.appended > 0 || is_first {
                        self.say(ledger, log, &round)?;
                    }
                    is_first = false;
                }
                Err(error) if is_silence(&error) => {
                    tracing::warn!("nothing comes from {log}: {error:#}; looking again");
                    pause_seconds = pause_seconds.saturating_mul(2).min(MAX_PAUSE_SECONDS);
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(pause_seconds)) => {}
                () = signals.recv() => return Ok(()),
            }
        }
    }

    fn say(&self, ledger: &Ledger, log: &PublishedLog, round: &Round) -> anyhow::Result<()> {
        if self.json {
            return output::line(report(ledger, log, round));
        }
        let counted = output::counted(round.appended, "block", "blocks");
        output::line(format_args!(
            "{counted} more: height {}, log size {}, root {}",
            output::count(round.head.height()),
            output::count(round.head.size()),
            round.head.tip.tree.root()
        ))
    }
}

fn is_silence(error: &anyhow::Error) -> bool {
    error.downcast_ref::<MirrorError>().is_some_and(MirrorError::is_silence)
}

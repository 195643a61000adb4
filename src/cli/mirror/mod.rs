//! `counterfoil mirror`: a full replica from a published log.
//!
//! | file | what |
//! |---|---|
//! | `catch_up.rs` | appending what is missing |
//! | `blocks.rs` | blocks, put together from leaves and signatures |
//! | `follow.rs` | again and again |
//! | `error.rs` | why it can't go on |

mod blocks;
mod catch_up;
mod error;
mod follow;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use self::catch_up::catch_up;
use self::error::MirrorError;
use super::tiles::{PublishedLog, publish};
use super::{Exit, Outcome, output, progress};
use crate::ledger::{Health, Ledger};
use crate::node::files::{self, FileError};
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::spec::MAX_SPEC_BYTES;
use crate::protocol::verify::Chain;
use crate::store::Head;

/// Make a full replica of a ledger from what is published of it, or bring one up to date
///
/// PLACE is a node's URL, a web server's with the files that `counterfoil export --tiles` writes,
/// or a directory with them. Every block is verified as if it came from a stranger: links, roots,
/// signature and rules; nothing is believed but the chain spec. It can be stopped at any time, and
/// goes on where it was when it is run again. At the end the replica tells the same history as the
/// checkpoint that is published there; if the two contradict each other, both are named. This is
/// also the way back when a store was rolled back: fetch what is missing, and the node seals again.
/// A directory that was empty doesn't seal until you `counterfoil adopt` it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil mirror https://ledger.example --dir replica --spec chain-spec.toml\n  \
    counterfoil mirror https://ledger.example --dir replica\n  \
    counterfoil mirror /mnt/published --dir replica\n  \
    counterfoil mirror https://ledger.example --dir replica --follow --tiles /var/www/ledger"
)]
pub struct Arguments {
    /// Where it is published: a URL or a directory
    #[arg(value_name = "PLACE")]
    place: String,
    /// The data directory, made if need be
    #[arg(long)]
    dir: PathBuf,
    /// The chain spec, from a place that you trust; needed the first time
    #[arg(long, value_name = "FILE")]
    spec: Option<PathBuf>,
    /// Go on until stopped, with Ctrl-C or SIGTERM: look for more every few seconds
    #[arg(long)]
    follow: bool,
    /// Publish what was verified as files in this directory, for a web server
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// Print JSON; with --follow one object a line
    #[arg(long)]
    json: bool,
}

/// What a round came to.
struct Round {
    appended: u64,
    published: Checkpoint,
    head: Arc<Head>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let log = PublishedLog::at(&self.place)?;
        let chain = self.chain()?;
        let (ledger, writer) = Ledger::open(&self.dir, chain, None)?;
        let was_new = ledger.head().height() == 0;
        let runtime = tokio::runtime::Runtime::new()?;
        let ended = runtime.block_on(async {
            if self.follow {
                self.follow(&ledger, &log).await
            } else {
                self.once(&ledger, &log).await
            }
        });
        let (height, health) = (ledger.head().height(), ledger.health());
        // What it was doing may hold the ledger.
        drop(runtime);
        drop(ledger);
        writer.join();
        ended.with_context(|| log.to_string()).with_context(|| {
            format!("stopped after height {}; what was appended stays", output::count(height))
        })?;
        if was_new && height > 0 && !self.json {
            output::line("this directory serves and verifies; `counterfoil adopt` makes it seal")?;
        }
        match health {
            Health::Standing(standing) => bail!("{standing}"),
            _ => Ok(Exit::Fine),
        }
    }

    /// The chain of the data directory, which is made if need be.
    fn chain(&self) -> anyhow::Result<Arc<Chain>> {
        match &self.spec {
            Some(path) => {
                // Before anything is written.
                files::read_spec(path)?;
                let text = files::read_text(path, MAX_SPEC_BYTES)?;
                Ok(files::initialise(&self.dir, &text)?)
            }
            None => match files::chain_of(&self.dir) {
                Err(FileError::NotInitialised(dir)) => Err(output::Misuse(format!(
                    "{} is no data directory yet; say with --spec which chain it is to mirror",
                    dir.display()
                ))
                .into()),
                chain => Ok(chain?),
            },
        }
    }

    async fn once(&self, ledger: &Ledger, log: &PublishedLog) -> anyhow::Result<()> {
        let round = self.round(ledger, log).await?;
        if self.json {
            return output::json(&report(ledger, log, &round));
        }
        let Round { appended, published, head } = &round;
        let counted = output::counted(*appended, "block", "blocks");
        output::line(format_args!("verified and appended {counted} from {log}"))?;
        let (size, root) = (head.size(), head.tip.tree.root());
        output::line(format_args!(
            "height {}, log size {}, root {root}",
            output::count(head.height()),
            output::count(size)
        ))?;
        if published.size < size {
            return output::line(format_args!(
                "what is published there is older, of {} leaves, and begins this ledger: nothing to do",
                output::count(published.size)
            ));
        }
        output::line("the checkpoint that is published there says the same")
    }

    /// Appends what is published and missing here, and publishes it if that is asked for.
    async fn round(&self, ledger: &Ledger, log: &PublishedLog) -> Result<Round, anyhow::Error> {
        let mut appended = 0;
        let published = catch_up(ledger, log, &mut appended).await?;
        if let Some(directory) = &self.tiles {
            publish_ledger(ledger, directory).await?;
        }
        Ok(Round { appended, published, head: ledger.head() })
    }
}

fn report(ledger: &Ledger, log: &PublishedLog, round: &Round) -> serde_json::Value {
    let Round { appended, published, head } = round;
    json!({
        "chain_id": ledger.chain().id(), "place": log.to_string(), "appended": appended,
        "height": head.height(), "size": head.size(), "root": head.tip.tree.root(),
        "published": {"size": published.size, "root": published.root},
    })
}

/// Writes what `directory` lacks of the ledger's log.
async fn publish_ledger(ledger: &Ledger, directory: &Path) -> anyhow::Result<()> {
    let (view, directory) = (ledger.view()?, directory.to_owned());
    if view.head().height() == 0 {
        return Ok(());
    }
    let bar = progress::bar(0, "tiles");
    let shown = bar.clone();
    let work = move || {
        publish(&view, &directory, |tiles, total| {
            shown.set_length(total);
            shown.set_position(tiles);
        })
    };
    tokio::task::spawn_blocking(work).await??;
    bar.finish_and_clear();
    Ok(())
}

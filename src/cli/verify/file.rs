//! Verifying an exported file.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::replay::{self, Replay};
use super::{NotProven, ProvenLedger};
use crate::cli::progress;
use crate::ledger::archive::{self, ArchiveError};
use crate::protocol::verify::Chain;
use crate::store::Ahead;

pub fn verify(path: &Path, chain: &Arc<Chain>) -> anyhow::Result<ProvenLedger> {
    let file = File::open(path).with_context(|| format!("can't open {}", path.display()))?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let bar = progress::bytes(bytes, "verify");
    let input = BufReader::new(bar.wrap_read(file));
    let mut replay = Replay::new(chain.clone());
    let at = |replay: &Replay, error: ArchiveError| {
        NotProven::at_block(replay.next_height(), format!("{}: {error}", path.display()))
    };
    let blocks = archive::open(input, chain.id()).map_err(|error| at(&replay, error))?;
    for block in Ahead::new(blocks)? {
        replay.block(block.map_err(|error| at(&replay, error))?)?;
    }
    bar.finish_and_clear();
    let mut checked = vec![
        "signatures: the authority's, on the checkpoint of every block",
        "file: complete, nothing after its end",
    ];
    checked.extend(replay::CHECKED);
    let not_proven = vec![
        "that the ledger ends where the file does: an older export is as true; compare size and root",
        replay::NO_WITNESSES,
    ];
    Ok(replay.proven(checked, not_proven))
}

//! Verifying a receipt, without any network.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::NotProven;
use crate::cli::output;
use crate::node::files;
use crate::protocol::hash::{ChainId, EntryId, TreeHash};
use crate::protocol::receipt::{MAX_RECEIPT_BYTES, Receipt};
use crate::protocol::text::EntryText;
use crate::protocol::time::Timestamp;
use crate::protocol::verify::Chain;

/// What a receipt proves.
#[derive(Serialize)]
pub struct ProvenReceipt {
    chain_id: ChainId,
    id: EntryId,
    /// The log index of the entry.
    index: u64,
    /// The height of its block.
    height: u64,
    /// When it was recorded, by the authority's clock.
    recorded: Timestamp,
    /// The checkpoint that the authority signed.
    size: u64,
    root: TreeHash,
    entry: EntryText,
    checked: Vec<&'static str>,
    not_proven: Vec<&'static str>,
}

pub fn verify(path: &Path, chain: &Arc<Chain>) -> anyhow::Result<ProvenReceipt> {
    let text = files::read_text(path, MAX_RECEIPT_BYTES)?;
    let wrong =
        |error: &dyn std::fmt::Display| NotProven::new(format!("{}: {error}", path.display()));
    let receipt = Receipt::parse(&text).map_err(|error| wrong(&error))?;
    let proven = receipt.verify(chain).map_err(|error| wrong(&error))?;
    let entry = EntryText::new(proven.entry.entry(), &proven.spec.currencies)
        .map_err(|error| wrong(&error))?;
    Ok(ProvenReceipt {
        chain_id: chain.id(),
        id: proven.entry.id(),
        index: proven.index,
        height: proven.header.height,
        recorded: proven.header.time,
        size: proven.checkpoint.size,
        root: proven.checkpoint.root,
        entry,
        checked: vec![
            "signature: the authority's, on the checkpoint",
            "inclusion: entry and header lead to the checkpoint's root",
        ],
        not_proven: vec![
            "that the rest of the ledger is in order: verify all of it with --url, --dir or --file",
            super::replay::NO_WITNESSES,
        ],
    })
}

pub fn print(proven: &ProvenReceipt) -> anyhow::Result<()> {
    let lines = [
        ("chain", proven.chain_id.to_string()),
        ("entry", proven.id.to_string()),
        ("place", format!("index {}, block {}", proven.index, proven.height)),
        ("recorded", proven.recorded.to_string()),
        ("checkpoint", format!("size {}, root {}", proven.size, proven.root)),
    ];
    super::print_proven(&lines, &proven.checked, &proven.not_proven)?;
    output::json(&proven.entry)
}

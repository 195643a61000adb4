//! `counterfoil inspect`: what a file or a place on a ledger says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{Exit, Outcome, output};
use crate::node::files;
use crate::protocol::block::{Block, EncodedEntry, Header, Leaf, MAX_BLOCK_WIRE_BYTES};
use crate::protocol::checkpoint::Checkpoint;
use crate::protocol::hash::{EntryId, HeaderHash};
use crate::protocol::receipt::Receipt;
use crate::protocol::text::{self, EntryText};
use crate::protocol::tree;
use crate::protocol::verify::Chain;
use crate::store::{Store, View};

/// What a gzip file begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Print an entry, a block, a receipt, a checkpoint or a leaf readably
///
/// Either a file, with the chain spec that tells the decimals of amounts, or a place in a data
/// directory whose node isn't running. Receipts and checkpoints are verified on the way, and
/// refused where they are not what they say.
#[derive(Args)]
#[command(after_help = "Examples:\n  counterfoil inspect receipt.json --spec chain-spec.toml\n  \
    counterfoil inspect --dir ledger --index 4711\n  \
    counterfoil inspect --dir ledger --height 17")]
pub struct Arguments {
    /// A receipt, a checkpoint, an entry in JSON, or the bytes of a leaf or a block
    #[arg(value_name = "FILE", requires = "spec", conflicts_with_all = ["dir", "index", "height", "id"],
          required_unless_present = "dir")]
    file: Option<PathBuf>,
    /// The chain spec
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    spec: Option<PathBuf>,
    /// A data directory
    #[arg(long, requires = "place")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(id = "place", multiple = false)]
struct Place {
    /// The leaf at this log index
    #[arg(long, value_name = "NUMBER")]
    index: Option<u64>,
    /// The block at this height
    #[arg(long, value_name = "NUMBER")]
    height: Option<u64>,
    /// The entry, or the block, with this id
    #[arg(long, value_name = "HEX")]
    id: Option<String>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let mut value = match (&self.file, &self.spec, &self.dir) {
            (Some(file), Some(spec), _) => {
                inspect_file(file, &Chain::new(files::read_spec(spec)?))?
            }
            (_, _, Some(dir)) => self.place.inspect(dir)?,
            _ => unreachable!("clap asks for a file and --spec, or --dir"),
        };
        if self.json {
            output::json(&value)?;
        } else {
            // A receipt is for programs, and says nothing that isn't there already.
            value.as_object_mut().and_then(|fields| fields.remove("receipt"));
            output::line(readable_lines(&value).join("\n"))?;
        }
        Ok(Exit::Fine)
    }
}

fn inspect_file(path: &Path, chain: &Chain) -> anyhow::Result<Value> {
    let name = path.display();
    let bytes = files::read_bytes(path, MAX_BLOCK_WIRE_BYTES)?;
    if bytes.starts_with(&GZIP) {
        bail!("{name} is compressed; an export is read by `counterfoil verify --file {name}`");
    }
    let text = std::str::from_utf8(&bytes).ok();
    match text {
        Some(text) if text.trim_start().starts_with('{') => inspect_json(text, chain),
        Some(text) if text.contains("\n\n\u{2014} ") => inspect_checkpoint(text, chain),
        _ => inspect_bytes(&bytes, chain),
    }
    .with_context(|| format!("{name}"))
}

fn inspect_json(json: &str, chain: &Chain) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_str(json).context("not JSON")?;
    if value.get("format").is_none() {
        let entry = text::parse(json, &chain.spec().currencies)?;
        return describe_entry(&EncodedEntry::new(entry)?, chain);
    }
    let proven = Receipt::parse(json)?.verify(chain)?;
    Ok(json!({
        "what": "receipt, verified",
        "index": proven.index,
        "entry": describe_entry(&proven.entry, chain)?,
        "block": describe_header(&proven.header),
        "checkpoint": describe_checkpoint(&proven.checkpoint),
    }))
}

fn inspect_checkpoint(note: &str, chain: &Chain) -> anyhow::Result<Value> {
    let (checkpoint, _) = Checkpoint::open(note, &chain.spec().origin, &chain.spec().authority())?;
    Ok(json!({
        "what": "checkpoint, signed by the authority",
        "checkpoint": describe_checkpoint(&checkpoint),
    }))
}

fn inspect_bytes(bytes: &[u8], chain: &Chain) -> anyhow::Result<Value> {
    let leaf = match Leaf::decode(bytes) {
        Ok(Leaf::Header(header)) => return Ok(describe_header(&header)),
        Ok(Leaf::Entry(_)) => return describe_entry(&EncodedEntry::decode(bytes.to_vec())?, chain),
        Err(error) => error,
    };
    match Block::decode(bytes) {
        Ok(block) => describe_block(&block, chain),
        Err(block) => bail!(
            "neither a receipt, a checkpoint nor an entry, and the bytes are no leaf ({leaf}) and no block ({block})"
        ),
    }
}

impl Place {
    fn inspect(&self, dir: &Path) -> anyhow::Result<Value> {
        let chain: Arc<Chain> = files::chain_of(dir)?;
        let (store, _committer) = Store::open(dir, chain.clone())?;
        let view = store.view();
        match (self.index, self.height, &self.id) {
            (Some(index), _, _) => inspect_index(&view, index, &chain),
            (_, Some(height), _) => inspect_height(&view, height, &chain),
            (_, _, Some(id)) => inspect_id(&view, id, &chain),
            (None, None, None) => unreachable!("clap asks for one of them"),
        }
    }
}

fn inspect_index(view: &View, index: u64, chain: &Chain) -> anyhow::Result<Value> {
    let Some(height) = view.height_of(index)? else {
        bail!("there is no leaf at index {index}; the log has {}", view.head().size());
    };
    let content = match view.entry(index)? {
        Some(entry) => describe_entry(&entry, chain)?,
        None => return inspect_height(view, height, chain),
    };
    let receipt = view.receipt(index)?.context("every entry has a receipt")?;
    Ok(json!({
        "index": index,
        "height": height,
        "content": content,
        "receipt": serde_json::to_value(receipt)?,
    }))
}

fn inspect_height(view: &View, height: u64, chain: &Chain) -> anyhow::Result<Value> {
    let (Some(stored), Some((checkpoint, _))) = (view.header(height)?, view.checkpoint(height)?)
    else {
        bail!("there is no block at height {height}; the last is {}", view.head().height());
    };
    let entries = match view.block(height)? {
        Some(block) => describe_entries(&block, chain)?,
        None => Vec::new(),
    };
    Ok(json!({
        "block": describe_header(&stored.header),
        "checkpoint": describe_checkpoint(&checkpoint),
        "signature": stored.signature.map(|signature| hex::encode(signature.0)),
        "entries": entries,
    }))
}

fn inspect_id(view: &View, id: &str, chain: &Chain) -> anyhow::Result<Value> {
    let entry: EntryId = id.parse().with_context(|| format!("--id {id}"))?;
    if let Some(hit) = view.entry_with_id(&entry)? {
        return inspect_index(view, hit.index, chain);
    }
    match view.height_of_hash(&HeaderHash(entry.0))? {
        Some(height) => inspect_height(view, height, chain),
        None => bail!("neither an entry nor a block has the id {id}"),
    }
}

fn describe_entry(entry: &EncodedEntry, chain: &Chain) -> anyhow::Result<Value> {
    let text = EntryText::new(entry.entry(), &chain.spec().currencies)?;
    Ok(json!({
        "what": "entry",
        "id": entry.id(),
        "leaf_bytes": entry.leaf().len(),
        "leaf_hash": entry.leaf_hash(),
        "entry": serde_json::to_value(text)?,
    }))
}

fn describe_header(header: &Header) -> Value {
    json!({
        "what": "block header",
        "hash": header.hash(),
        "index": header.index(),
        "leaf_hash": tree::leaf_hash(&header.to_leaf()),
        "header": header,
    })
}

fn describe_checkpoint(checkpoint: &Checkpoint) -> Value {
    json!({ "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root })
}

fn describe_block(block: &Block, chain: &Chain) -> anyhow::Result<Value> {
    Ok(json!({
        "what": "block, not verified",
        "block": describe_header(&block.header),
        "signature": hex::encode(block.signature.0),
        "entries": describe_entries(block, chain)?,
    }))
}

fn describe_entries(block: &Block, chain: &Chain) -> anyhow::Result<Vec<Value>> {
    (block.header.first_index..)
        .zip(&block.entries)
        .map(|(index, entry)| {
            let text = EntryText::new(entry.entry(), &chain.spec().currencies)?;
            Ok(json!({ "index": index, "id": entry.id(), "entry": serde_json::to_value(text)? }))
        })
        .collect()
}

/// A value as indented lines of names and values.
fn readable_lines(value: &Value) -> Vec<String> {
    let nested = |title: String, value: &Value| {
        let deeper = readable_lines(value).into_iter().map(|line| format!("  {line}"));
        std::iter::once(title).chain(deeper).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => {
            let width = fields.keys().map(String::len).max().unwrap_or(0);
            let lines = fields.iter().flat_map(|(name, value)| match on_one_line(value) {
                Some(value) => vec![format!("{name:<width$}  {value}")],
                None => nested(name.clone(), value),
            });
            lines.collect()
        }
        Value::Array(items) => {
            let lines = items.iter().flat_map(|item| match on_one_line(item) {
                Some(item) => vec![format!("- {item}")],
                None => nested("-".to_owned(), item),
            });
            lines.collect()
        }
        other => vec![other.to_string()],
    }
}

/// A value that fits its line.
fn on_one_line(value: &Value) -> Option<String> {
    match value {
        Value::String(value) => Some(value.trim_end().replace('\n', " / ")),
        Value::Array(items) if items.is_empty() => Some("none".to_owned()),
        Value::Object(_) | Value::Array(_) => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_indented() {
        let value = json!({"a": 1, "list": ["x", {"long": "y\nz"}], "none": []});
        let expected = ["a     1", "list", "  - x", "  -", "    long  y / z", "none  none"];
        assert_eq!(readable_lines(&value), expected);
    }
}

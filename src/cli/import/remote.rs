//! Blocks that are missing here, from another node.
//!
//! Leaves come from the log's bundles, each block's signature from its own page. None of it is
//! believed: every block is verified when it is appended.

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::Counts;
use crate::cli::progress;
use crate::cli::verify::tiles::{MAX_REQUESTS, TileClient, split_bundle};
use crate::ledger::{Ledger, Published};
use crate::protocol::block::{Block, EncodedEntry, Header, Leaf};
use crate::protocol::checkpoint::{Checkpoint, CheckpointError};
use crate::protocol::key::Signature;
use crate::protocol::spec::MAX_BLOCK_ENTRIES;
use crate::store::TILE_WIDTH;

/// The longest page of a block that is read, in bytes; it names one entry.
const MAX_BLOCK_PAGE_BYTES: usize = 256 * 1024;

/// What is read of a block's page.
#[derive(Deserialize)]
struct BlockPage {
    signature: Option<String>,
}

/// Appends what the node behind `url` has and `ledger` lacks, up to its checkpoint.
pub async fn append_missing(ledger: &Ledger, url: &str, counts: &mut Counts) -> anyhow::Result<()> {
    let client = TileClient::new(url)?;
    let (origin, tip) = (&ledger.chain().spec().origin, ledger.head().tip.clone());
    let note = client.checkpoint().await?;
    let context = || format!("the checkpoint of {url}");
    // A key that isn't known here may be put in force by a change that is missing here.
    let signed = Checkpoint::open_by_any(&note, origin, &tip.succession.sealing_keys());
    let (checkpoint, is_known) = match signed {
        Err(CheckpointError::NotSigned) => (Checkpoint::read(&note, origin)?, false),
        signed => (signed.with_context(context)?.0, true),
    };
    counts.present = tip.height;
    match Published::compare(&ledger.view()?, &checkpoint)? {
        Published::Newer { .. } => {}
        _ if !is_known => return Err(CheckpointError::NotSigned).with_context(context),
        Published::Held => return Ok(()),
        Published::Contradicts { size, published, own } => bail!(
            "at size {size} the root here is {own}, there it is {published}: they are two histories, and one key signed both; keep both and find out why"
        ),
    }
    let bar = progress::bar(checkpoint.size, "leaves");
    let own = ledger.head().size();
    let (first, end) = (own / TILE_WIDTH, checkpoint.size.div_ceil(TILE_WIDTH));
    let mut bundles = stream::iter(first..end)
        .map(|number| {
            let width = TILE_WIDTH.min(checkpoint.size - number * TILE_WIDTH);
            read_bundle(&client, number, width, own)
        })
        .buffered(MAX_REQUESTS);
    let mut pending = Vec::new();
    while let Some(leaves) = bundles.next().await {
        for leaf in leaves? {
            match leaf {
                Content::Entry(entry) => {
                    // One more than fits: that is for the verifier to refuse.
                    if pending.len() <= MAX_BLOCK_ENTRIES as usize {
                        pending.push(*entry);
                    }
                }
                Content::Header(header, signature) => {
                    let entries = std::mem::take(&mut pending);
                    bar.set_position(header.log_size());
                    ledger.append(Block { header: *header, signature, entries }).await?;
                    counts.appended += 1;
                }
            }
        }
    }
    bar.finish_and_clear();
    let authority = ledger.head().tip.spec().authority();
    match Published::compare(&ledger.view()?, &checkpoint)? {
        Published::Held => {
            Checkpoint::open(&note, origin, &authority).map(|_| ()).with_context(context)
        }
        _ => bail!("{url} serves fewer blocks than its checkpoint covers, or others"),
    }
}

/// A leaf that was read, a header with its block's signature.
enum Content {
    Entry(Box<EncodedEntry>),
    Header(Box<Header>, Signature),
}

/// The leaves of a bundle, from log index `own` on.
async fn read_bundle(
    client: &TileClient,
    number: u64,
    width: u64,
    own: u64,
) -> anyhow::Result<Vec<Content>> {
    let bundle = client.bundle(number, width).await?;
    let count = usize::try_from(width)?;
    let (leaves, rest) = split_bundle(&bundle, count);
    if leaves.len() != count || !rest.is_empty() {
        bail!("bundle {number} has not the {width} leaves that it must have");
    }
    let leaves = (number * TILE_WIDTH..).zip(leaves).filter(|(index, _)| *index >= own);
    stream::iter(leaves)
        .map(|(index, leaf)| async move {
            let context = || format!("the leaf at index {index}");
            match Leaf::decode(leaf).with_context(context)? {
                Leaf::Header(header) => {
                    let signature = signature(client, header.height).await?;
                    Ok(Content::Header(Box::new(header), signature))
                }
                Leaf::Entry(_) => {
                    let entry = EncodedEntry::decode(leaf.to_vec()).with_context(context)?;
                    Ok(Content::Entry(Box::new(entry)))
                }
            }
        })
        .buffered(MAX_REQUESTS)
        .try_collect()
        .await
}

/// The signature on the checkpoint of the block at `height`.
async fn signature(client: &TileClient, height: u64) -> anyhow::Result<Signature> {
    let path = format!("v1/blocks/{height}?limit=1");
    let page = client.get(&path, MAX_BLOCK_PAGE_BYTES).await?;
    serde_json::from_slice::<BlockPage>(&page)
        .ok()
        .and_then(|page| BASE64_STANDARD.decode(page.signature?).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .map(Signature)
        .with_context(|| format!("block {height} is served without a signature"))
}

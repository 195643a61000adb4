//! `counterfoil export`: a whole ledger as one file.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::{Exit, Outcome, output, progress};
use crate::ledger::archive;
use crate::node::files;
use crate::store::Store;

/// Write a whole ledger to one compressed file
///
/// The file holds every block, signatures included: enough for `counterfoil import` to build
/// the ledger again and for `counterfoil verify --file` to verify it. The node of the directory
/// must not be running.
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil export --dir ledger backup.cfx")]
pub struct Arguments {
    /// The data directory
    #[arg(long)]
    dir: PathBuf,
    /// The file to write, never overwritten
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let out = self.out.display();
        if self.out.exists() {
            bail!("{out} exists; it is not overwritten, choose another name");
        }
        let chain = files::chain_of(&self.dir)?;
        let (store, _committer) = Store::open(&self.dir, chain.clone())?;
        let view = store.view();
        // Under another name until it is whole and durable.
        let unfinished = tempname(&self.out);
        let file = File::create(&unfinished)
            .with_context(|| format!("can't create {}", unfinished.display()))?;
        let bar = progress::bar(view.head().height(), "blocks");
        let written = archive::write(&view, chain.id(), BufWriter::new(&file), |height| {
            bar.set_position(height);
        });
        bar.finish_and_clear();
        let blocks = written.map_err(anyhow::Error::from).and_then(|blocks| {
            file.sync_all()?;
            std::fs::rename(&unfinished, &self.out)?;
            Ok(blocks)
        });
        if blocks.is_err() {
            // What is left of it is no use to anybody.
            let _ = std::fs::remove_file(&unfinished);
        }
        let blocks = blocks.with_context(|| format!("can't write {out}"))?;
        let (size, root) = (view.head().size(), view.head().tip.tree.root());
        if self.json {
            output::json(&json!({
                "file": self.out, "chain_id": chain.id(), "blocks": blocks, "size": size, "root": root,
            }))?;
        } else {
            let blocks = output::counted(blocks, "block", "blocks");
            output::line(format_args!(
                "wrote {out}: {blocks}, log size {}, root {root}",
                output::count(size)
            ))?;
        }
        Ok(Exit::Fine)
    }
}

fn tempname(path: &std::path::Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    path.with_file_name(name)
}

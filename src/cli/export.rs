//! `counterfoil export`: a whole ledger as one file, or as the files of a published log.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use super::{Exit, Outcome, output, progress, tiles};
use crate::ledger::archive;
use crate::node::files;
use crate::store::{Store, View};

/// Write a whole ledger to one compressed file, or publish its log as plain files
///
/// The file holds every block, signatures included: enough for `counterfoil import` to build
/// the ledger again and for `counterfoil verify --file` to verify it. With --tiles the checkpoint,
/// the tiles and the signatures are written as a node serves them, for any web server to serve:
/// `counterfoil mirror` and `counterfoil verify --url` read them there, or `--dir` in place. Done
/// again, it adds what is new; the checkpoint is replaced last. The node of the directory must
/// not be running.
#[derive(Args)]
#[command(after_help = "Examples:\n  counterfoil export --dir ledger backup.cfx\n  \
    counterfoil export --dir ledger --tiles /var/www/ledger")]
pub struct Arguments {
    /// The data directory
    #[arg(long)]
    dir: PathBuf,
    #[command(flatten)]
    to: To,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct To {
    /// The file to write, never overwritten
    #[arg(value_name = "OUT")]
    out: Option<PathBuf>,
    /// The directory to publish the log in
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        if let Some(out) = self.to.out.as_deref().filter(|out| out.exists()) {
            bail!("{} exists; it is not overwritten, choose another name", out.display());
        }
        let chain = files::chain_of(&self.dir)?;
        let (store, _committer) = Store::open(&self.dir, chain)?;
        let view = store.view();
        match &self.to {
            To { out: Some(out), .. } => self.write_archive(&view, out),
            To { tiles: Some(directory), .. } => self.write_tiles(&view, directory),
            To { .. } => unreachable!("clap asks for one of them"),
        }
    }

    fn write_archive(&self, view: &View, path: &Path) -> Outcome {
        let (out, chain_id) = (path.display(), view.chain().id());
        // Under another name until it is whole and durable.
        let unfinished = tempname(path);
        let file = File::create(&unfinished)
            .with_context(|| format!("can't create {}", unfinished.display()))?;
        let bar = progress::bar(view.head().height(), "blocks");
        let written = archive::write(view, chain_id, BufWriter::new(&file), |height| {
            bar.set_position(height);
        });
        bar.finish_and_clear();
        let blocks = written.map_err(anyhow::Error::from).and_then(|blocks| {
            file.sync_all()?;
            std::fs::rename(&unfinished, path)?;
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
                "file": path, "chain_id": chain_id, "blocks": blocks, "size": size, "root": root,
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

    fn write_tiles(&self, view: &View, directory: &Path) -> Outcome {
        let bar = progress::bar(0, "tiles");
        let written = tiles::publish(view, directory, |tiles, total| {
            bar.set_length(total);
            bar.set_position(tiles);
        })?;
        bar.finish_and_clear();
        let (size, root) = (view.head().size(), view.head().tip.tree.root());
        if self.json {
            output::json(&json!({
                "directory": directory, "chain_id": view.chain().id(), "tiles": written.tiles,
                "size_before": written.before, "size": size, "root": root,
            }))?;
        } else {
            output::line(format_args!(
                "published in {}: {} written, log size {} (before: {}), root {root}",
                directory.display(),
                output::counted(written.tiles, "tile", "tiles"),
                output::count(size),
                output::count(written.before)
            ))?;
        }
        Ok(Exit::Fine)
    }
}

fn tempname(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    path.with_file_name(name)
}

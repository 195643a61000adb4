//! `counterfoil verify-page`: the verifier for browsers, as one file to keep.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{Exit, Outcome, output};
use crate::explorer;

/// Write the verifier for browsers as one HTML file, and print its SHA-256
///
/// The file verifies receipts and exports without any network. It is the same for everybody who has
/// this version of the program, so its SHA-256 can be published and compared.
#[derive(Args)]
#[command(after_help = "Example:\n  counterfoil verify-page --out counterfoil-verify.html")]
pub struct Arguments {
    /// The file to write, never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let (page, hash, out) = (explorer::offline_page(), explorer::offline_hash(), self.out);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&out)
            .with_context(|| format!("can't create {}", out.display()))?;
        file.write_all(page.as_bytes())
            .with_context(|| format!("can't write {}", out.display()))?;
        if self.json {
            output::json(&json!({"file": out, "bytes": page.len(), "sha256": hash}))?;
        } else {
            output::line(format_args!("wrote {}: SHA-256 {hash}", out.display()))?;
        }
        Ok(Exit::Fine)
    }
}

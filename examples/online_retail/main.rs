//! Turns the UCI Online Retail data into entries, ready for `counterfoil submit`.
//!
//! ```text
//! cargo run --release --example online_retail -- online_retail.csv.gz --out entries.ndjson
//! ```
//!
//! docs/online-retail.md says what becomes of each order line, and what is made up.

mod conversion;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use conversion::{Book, ConversionError};

/// Turns the UCI Online Retail data into entries, one JSON object a line.
#[derive(Parser)]
struct Arguments {
    /// The order lines: a .csv or .csv.gz file
    path: PathBuf,
    /// Where the entries go; standard output when absent
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the report goes as JSON, beside standard error
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let of_file = |error: ConversionError| anyhow::anyhow!("{}: {error}", arguments.path.display());
    // All is read before anything is written: a bad file leaves the output as it was.
    let book = Book::open(&arguments.path).map_err(of_file)?;
    let report = match &arguments.out {
        Some(path) => book.write_entries(&mut create(path)?),
        None => book.write_entries(&mut BufWriter::new(io::stdout().lock())),
    }
    .map_err(of_file)?;
    eprint!("{report}");
    if let Some(path) = &arguments.report {
        let mut file = create(path)?;
        serde_json::to_writer_pretty(&mut file, &report)?;
        writeln!(file)?;
        file.flush()?;
    }
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("can't write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

//! `counterfoil query`: what a node answers, as a table, CSV or NDJSON.
//!
//! A question is a path of the API; [`QUESTIONS`] has them all. What is said as `name=value` goes into
//! the path where it has a place there, and else into the query, which the node knows.

use std::io::Write;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use futures::StreamExt;
use reqwest::{Client, Response, Url};
use serde_json::Value;

use super::address::base_url;
use super::output;
use super::{Exit, Outcome};

/// A question: its name, its path with places for parameters, and the other parameters that it needs.
type Question = (&'static str, &'static str, &'static str);

const QUESTIONS: [Question; 15] = [
    ("balances", "v1/affiliates/{affiliate}/balances", "tenant"),
    ("statement", "v1/affiliates/{affiliate}/statement", "tenant currency [from_height to_height]"),
    ("earnings", "v1/affiliates/{affiliate}/earnings", "tenant by=day|week|month from to"),
    ("downline", "v1/affiliates/{affiliate}/downline", "tenant [depth]"),
    ("liabilities", "v1/merchants/{merchant}/liabilities", "tenant"),
    ("merchant-statement", "v1/merchants/{merchant}/statement", "tenant currency"),
    ("performance", "v1/merchants/{merchant}/performance", "tenant"),
    ("affiliates", "v1/merchants/{merchant}/affiliates", "tenant"),
    ("terms", "v1/programs/{merchant}/{program}/terms", "tenant"),
    (
        "terms-differences",
        "v1/programs/{merchant}/{program}/terms/differences",
        "tenant from_version to_version",
    ),
    ("history", "v1/history", "tenant kind external_id"),
    ("entry-history", "v1/entries/{entry}/history", ""),
    ("order", "v1/orders/{order_ref}", "tenant"),
    ("totals", "v1/totals", "tenant by=day|month from to"),
    ("search", "v1/search", "q [tenant]"),
];

/// The most rows of a table; CSV and NDJSON have all.
const MAX_TABLE_ROWS: usize = 1_000;
/// The longest answer that is read to show it as a table, in bytes, and that says what is wrong.
const MAX_TABLE_BYTES: usize = 16 * 1024 * 1024;

/// Ask a node: balances, statements, histories, totals, as of any height
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil query balances tenant=demo affiliate=affiliate-1\n  \
        counterfoil query statement tenant=demo affiliate=affiliate-1 currency=EUR --format csv\n  \
        counterfoil query liabilities tenant=demo merchant=merchant-1 at_height=10",
    after_long_help = long_help()
)]
pub struct Arguments {
    /// What to ask
    #[arg(value_parser = PossibleValuesParser::new(QUESTIONS.map(|(name, ..)| name)))]
    question: String,
    /// Of whom and what, as name=value; `at_height` or `at_time` for how it was then
    #[arg(value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// The node
    #[arg(long, env = "COUNTERFOIL_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// How the answer looks
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How an answer looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns, for people; the first thousand rows
    #[default]
    Table,
    /// A line of names, then a line a row
    Csv,
    /// A JSON object a line
    Ndjson,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let url = self.address()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let response =
                Client::new().get(url).send().await.context("the node can't be reached")?;
            if !response.status().is_success() {
                bail!(problem(response).await);
            }
            match self.format {
                Format::Table => table(response).await,
                Format::Csv | Format::Ndjson => copy(response).await,
            }
        })?;
        Ok(Exit::Fine)
    }

    /// Where the answer is.
    fn address(&self) -> anyhow::Result<Url> {
        let (_, path, _) = QUESTIONS
            .into_iter()
            .find(|(name, ..)| *name == self.question)
            .expect("the command line allows these alone");
        let mut given = Vec::new();
        for parameter in &self.parameters {
            let Some(pair) = parameter.split_once('=') else {
                bail!(output::Misuse(format!("{parameter}: write it as name=value")));
            };
            given.push(pair);
        }
        let mut url = base_url(&self.url)?;
        {
            let mut segments = url.path_segments_mut().expect("http URLs have a path");
            segments.pop_if_empty();
            for segment in path.split('/') {
                let place = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
                let Some(name) = place else {
                    segments.push(segment);
                    continue;
                };
                let Some(at) = given.iter().position(|(given, _)| *given == name) else {
                    bail!(output::Misuse(format!("say {name}=… : {path} needs it")));
                };
                segments.push(given.swap_remove(at).1);
            }
        }
        let format = if self.format == Format::Ndjson { "ndjson" } else { "csv" };
        url.query_pairs_mut().extend_pairs(given).append_pair("format", format);
        Ok(url)
    }
}

/// Every question, with its parameters.
fn long_help() -> String {
    let lines = QUESTIONS.map(|(name, path, others)| {
        let segments = path.split('/');
        let places = segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let needs: Vec<&str> = places.chain(others.split(' ')).collect();
        format!("  {name:20}{}", needs.join(" ").trim())
    });
    format!(
        "Questions, and what each needs; every one takes at_height or at_time:\n{}\n\n\
         Example:\n  counterfoil query balances tenant=demo affiliate=affiliate-1",
        lines.join("\n")
    )
}

/// What the node says is wrong.
async fn problem(response: Response) -> String {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    match body.get("detail").and_then(Value::as_str) {
        Some(detail) => detail.to_owned(),
        None => format!("the node answers {status}"),
    }
}

/// Copies an answer of any length to standard output.
async fn copy(response: Response) -> anyhow::Result<()> {
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.context("the answer broke off")?;
        match std::io::stdout().lock().write_all(&chunk) {
            // Whoever reads it may have enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("can't write to standard output")?,
        }
    }
    Ok(())
}

/// Shows an answer in columns.
async fn table(response: Response) -> anyhow::Result<()> {
    let height = response.headers().get("counterfoil-height").cloned();
    let (mut text, mut chunks, mut cut) = (Vec::new(), response.bytes_stream(), false);
    while let Some(chunk) = chunks.next().await {
        text.extend_from_slice(&chunk.context("the answer broke off")?);
        if text.len() > MAX_TABLE_BYTES {
            cut = true;
            break;
        }
    }
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*text);
    let mut rows: Vec<csv::StringRecord> = Vec::new();
    for row in reader.records() {
        if rows.len() > MAX_TABLE_ROWS {
            cut = true;
            break;
        }
        rows.push(row.context("the answer is no CSV")?);
    }
    let columns = rows.iter().map(csv::StringRecord::len).max().unwrap_or(0);
    let width = |column| rows.iter().filter_map(|row| Some(row.get(column)?.len())).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        output::line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    if rows.is_empty() {
        output::line("nothing")?;
    }
    if cut {
        output::line("… and more: see all with --format csv")?;
    }
    if let Some(height) = height.as_ref().and_then(|height| height.to_str().ok()) {
        output::line(format_args!("as of height {height}"))?;
    }
    Ok(())
}

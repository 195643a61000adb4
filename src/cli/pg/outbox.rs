//! `counterfoil pg outbox`: what waits there, what was rejected and why.

use clap::Args;
use serde_json::{Value, json};

use super::super::{Exit, Outcome, output};
use super::{Place, block_on};
use crate::postgres;

/// Show what waits in the outbox and what was rejected, or have a row submitted again
///
/// Lists rejected and waiting rows with their problems, the oldest first. Rows are corrected in SQL, by
/// `counterfoil.correct(id, body)`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  counterfoil pg outbox --dir ledger --postgres-url-file node.url\n  \
    counterfoil pg outbox --dir ledger --postgres-url-file node.url --retry 4711"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Have the row of this id submitted again, as it is
    #[arg(long, value_name = "ID")]
    retry: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let database = self.place.database()?;
        if let Some(id) = self.retry {
            let found = block_on(async {
                let mut connection = database.connect().await?;
                Ok(postgres::retry(&mut connection, id).await?)
            })?;
            anyhow::ensure!(found, "row {id} is neither rejected nor waiting");
            output::line(format_args!("row {id} is submitted again"))?;
            return Ok(Exit::Fine);
        }
        let (state, rows) = block_on(async {
            let mut connection = database.connect().await?;
            let state = postgres::outbox_state(&mut connection).await?;
            Ok((state, postgres::rejected_rows(&mut connection).await?))
        })?;
        if self.json {
            let rows: Vec<Value> = rows
                .iter()
                .map(|row| {
                    let [tenant, kind, external_id] = &row.name;
                    json!({
                        "id": row.id, "state": row.state, "tenant": tenant, "kind": kind,
                        "external_id": external_id, "problem": row.problem, "detail": row.detail,
                    })
                })
                .collect();
            output::json(&json!({
                "pending": state.pending, "oldest_pending_seconds": state.oldest_pending_seconds,
                "waiting": state.waiting, "rejected": state.rejected, "rows": rows,
            }))?;
            return Ok(Exit::Fine);
        }
        output::line(format_args!(
            "{} pending (the oldest for {} s), {} waiting, {} rejected",
            output::count(state.pending),
            output::count(state.oldest_pending_seconds),
            output::count(state.waiting),
            output::count(state.rejected),
        ))?;
        for row in rows {
            let name = row.name.join(" ");
            output::line(format_args!(
                "{} {}  {name}\n    {}: {}",
                row.id, row.state, row.problem, row.detail
            ))?;
        }
        Ok(Exit::Fine)
    }
}

//! `counterfoil pg migrate`: make the schema, or bring it up to date.

use clap::Args;
use serde_json::json;

use super::super::{Exit, Outcome, output};
use super::{Place, block_on};
use crate::postgres::{self, NEWEST_VERSION};

/// Make the schema `counterfoil` in the database, or bring it up to date
///
/// Run it as the owner of the database, who may make roles (`CREATEROLE`), before the node is started
/// and after each update of this program. Everything happens in one transaction; running it again
/// changes nothing. The database belongs to this ledger from then on.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil pg migrate --dir ledger --postgres-url-file owner.url"
)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let database = self.place.database()?;
        let done = block_on(async { Ok(postgres::migrate(&database).await?) })?;
        if self.json {
            output::json(&json!({
                "from_version": done.from, "version": NEWEST_VERSION, "applied": done.applied,
            }))?;
        } else if done.applied.is_empty() {
            output::line(format_args!("the schema has version {NEWEST_VERSION} already"))?;
        } else {
            done.applied
                .iter()
                .try_for_each(|name| output::line(format_args!("applied {name}")))?;
        }
        Ok(Exit::Fine)
    }
}

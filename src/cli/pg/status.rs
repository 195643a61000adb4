//! `counterfoil pg status`: what the database is, and whether it fits the ledger.

use clap::Args;
use serde_json::json;

use super::super::{Exit, Outcome, output};
use super::{Place, block_on};
use crate::postgres::{self, NEWEST_VERSION};

/// Show which server the database is on, its schema and its chain
///
/// Exits with 1 where the node couldn't work with it, and says why.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil pg status --dir ledger --postgres-url-file node.url"
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
        let (host, server, state) = block_on(async {
            let mut connection = database.connect_unchecked().await?;
            let server = postgres::server_version(&mut connection).await?;
            let state = postgres::schema_state(&mut connection).await?;
            Ok((connection.host().to_owned(), server, state))
        })?;
        let fits = postgres::check_state(state.clone(), database.chain());
        let said = fits.as_ref().err().map(ToString::to_string);
        if self.json {
            output::json(&json!({
                "host": host, "server_version": server, "needed_version": NEWEST_VERSION,
                "version": state.as_ref().map(|state| state.version),
                "chain_id": state.as_ref().map(|state| &state.chain_id),
                "origin": state.as_ref().map(|state| &state.origin),
                "fits": said.is_none(), "problem": said,
            }))?;
        } else {
            output::line(format_args!("server   {host}, PostgreSQL {server}"))?;
            if let Some(state) = state {
                output::line(format_args!(
                    "schema   version {} of {NEWEST_VERSION}",
                    state.version
                ))?;
                output::line(format_args!("ledger   {} (chain {})", state.origin, state.chain_id))?;
            }
            output::line(format_args!(
                "state    {}",
                said.as_deref().unwrap_or("fits this ledger")
            ))?;
        }
        Ok(if said.is_none() { Exit::Fine } else { Exit::Failed })
    }
}

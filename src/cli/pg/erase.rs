//! `counterfoil pg erase`: forget private particulars.

use clap::Args;
use serde_json::json;

use super::super::{Exit, Outcome, output};
use super::{Place, block_on};
use crate::postgres;

/// Destroy the salt of an entry's commitment, and record that on the ledger
///
/// Afterwards everything still verifies, and what the commitment covered can't be guessed from it. Both
/// happen or neither; the notice comes to the ledger by the outbox. Doing it again changes nothing.
/// Backups and the server's write-ahead log keep the salt until they are gone: see docs/postgres.md.
#[derive(Args)]
#[command(
    after_help = "Example:\n  counterfoil pg erase acme transaction T-1 --dir ledger --postgres-url-file node.url"
)]
pub struct Arguments {
    /// The tenant
    tenant: String,
    /// The entry's kind, such as transaction
    kind: crate::protocol::entry::Kind,
    /// The entry's external id
    external_id: String,
    /// Write the table of salts anew as well, so that nothing destroyed is left in its file. Only its
    /// owner may, and nobody can use it meanwhile
    #[arg(long)]
    rewrite: bool,
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> Outcome {
        let database = self.place.database()?;
        let row = block_on(async {
            let mut connection = database.connect().await?;
            let kind = self.kind.as_str();
            let row =
                postgres::erase(&mut connection, &self.tenant, kind, &self.external_id).await?;
            if self.rewrite {
                postgres::rewrite_secrets(&mut connection).await?;
            }
            Ok(row)
        })?;
        if self.json {
            output::json(&json!({"notice_row": row}))?;
        } else {
            let said = format!("the salt is destroyed; row {row} of the outbox tells the ledger");
            output::line(said)?;
        }
        Ok(Exit::Fine)
    }
}

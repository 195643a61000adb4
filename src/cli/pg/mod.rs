//! `counterfoil pg`: the marketplace's database. One file for each verb.

mod erase;
mod migrate;
mod mirror;
mod outbox;
mod reconcile;
mod status;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{Outcome, output::Misuse};
use crate::node::config::{self, Flags};
use crate::node::files;
use crate::postgres::Database;

/// Tie the marketplace's PostgreSQL database to the ledger
#[derive(Subcommand)]
pub enum Verb {
    Migrate(migrate::Arguments),
    Status(status::Arguments),
    Outbox(outbox::Arguments),
    Erase(erase::Arguments),
    Mirror(mirror::Arguments),
    Reconcile(reconcile::Arguments),
}

impl Verb {
    pub fn run(self) -> Outcome {
        match self {
            Self::Migrate(arguments) => arguments.run(),
            Self::Status(arguments) => arguments.run(),
            Self::Outbox(arguments) => arguments.run(),
            Self::Erase(arguments) => arguments.run(),
            Self::Mirror(arguments) => arguments.run(),
            Self::Reconcile(arguments) => arguments.run(),
        }
    }
}

/// Which database, of which ledger. Read as a node reads it: from the file, the environment, flags.
#[derive(Args)]
struct Place {
    /// The node's configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory of the ledger
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The file with the database's URL; `COUNTERFOIL_POSTGRES_URL` has the URL itself
    #[arg(long, value_name = "FILE")]
    postgres_url_file: Option<PathBuf>,
}

impl Place {
    fn database(self) -> anyhow::Result<Database> {
        Ok(self.database_and_ledger()?.0)
    }

    /// The database, and the data directory of its ledger.
    fn database_and_ledger(self) -> anyhow::Result<(Database, PathBuf)> {
        let flags =
            Flags { dir: self.dir, postgres_url_file: self.postgres_url_file, ..Flags::default() };
        let config = config::load(self.config.as_deref(), &flags)?;
        let address = config.database()?.ok_or_else(|| {
            let problem = "no database is named; set postgres_url_file in the configuration, COUNTERFOIL_POSTGRES_URL, or --postgres-url-file";
            Misuse(problem.to_owned())
        })?;
        Ok((Database::new(address, files::chain_of(&config.dir)?), config.dir))
    }
}

/// Runs what asks the database, to its end.
fn block_on<T>(asking: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("can't start a thread")?.block_on(asking)
}

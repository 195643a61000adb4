//! Whoever dies when: the node, the server or a connection, before the claim, after the submit, before
//! the receipts are written, or at any moment. No row is lost, no entry is there twice, no row is stuck.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::support::binary::{Node, counterfoil, json as run_json, operator, path};
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::random::Random;
use crate::world::{Client, secret_file};

const SEED: &str = "OUTBOX_CRASHES_SEED";
/// How often something dies, in the ordinary suite and in the long one.
const DEATHS: (usize, usize) = (WAYS.len(), 120);
/// How many sales, each with its commission, are recorded meanwhile.
const MAX_SALES: u64 = 120;
/// How long one waits before the blow, in milliseconds.
const MAX_WAIT_MS: u64 = 150;

/// Who dies, and when.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The node, while it waits to claim rows.
    NodeBeforeClaim,
    /// The node, when entries are sealed and their receipts can't be written yet.
    NodeBeforeReceipts,
    /// The node, at any moment.
    Node,
    /// The server, at any moment: by `kill -9`, or by its own immediate shutdown.
    Server { kill: bool },
    /// All connections of the node, at any moment.
    Connections,
}

const WAYS: [Way; 6] = [
    Way::NodeBeforeClaim,
    Way::NodeBeforeReceipts,
    Way::Node,
    Way::Server { kill: true },
    Way::Server { kill: false },
    Way::Connections,
];

/// An operator's node and database.
struct Market {
    home: TempDir,
    postgres: Postgres,
    url_file: PathBuf,
    node: Option<Node>,
    /// How many sales were recorded, each with its commission.
    sales: u64,
}

impl Market {
    fn new() -> Self {
        let (home, postgres) = (operator(), Postgres::start());
        let url_file = secret_file(home.path(), "postgres.url", &postgres.url());
        let market = Self { home, postgres, url_file, node: None, sales: 0 };
        let done = run_json(&[
            "pg",
            "migrate",
            "--dir",
            &market.at("ledger"),
            "--postgres-url-file",
            market.url_file(),
        ]);
        assert_eq!(done["from_version"], 0);
        market
    }

    fn at(&self, name: &str) -> String {
        path(self.home.path(), name)
    }

    fn url_file(&self) -> &str {
        self.url_file.to_str().unwrap()
    }

    /// Starts the node, as an operator would.
    fn start(&mut self) {
        let (dir, key, token) = (self.at("ledger"), self.at("key"), self.at("token"));
        let mut command = counterfoil([
            "node",
            "--dir",
            &dir,
            "--key-file",
            &key,
            "--token-file",
            &token,
            "--listen",
            "127.0.0.1:0",
            "--postgres-url-file",
            self.url_file(),
            "--json",
        ]);
        command.env("COUNTERFOIL_POSTGRES_OUTBOX", "true");
        self.node = Some(Node::launch(command));
    }

    async fn client(&self) -> Client {
        Client::connect(&self.postgres.url()).await
    }

    /// Records sales with their commissions, a transaction each; whatever the server answers.
    async fn record(&mut self, client: &mut Client, sales: u64) {
        for number in self.sales..self.sales + sales {
            // Where it isn't known whether it committed, the same is done again.
            let _ = client.try_run(&sale(number)).await;
        }
        self.sales += sales;
    }

    /// What every sale comes to, whoever died: recorded again, each row has its receipt, and the ledger
    /// has each entry once.
    async fn settle(&mut self) {
        let mut client = self.client().await;
        let known = client.count("(SELECT DISTINCT external_id FROM counterfoil.outbox WHERE kind = 'transaction') AS it").await;
        let lost = self.sales - u64::try_from(known).unwrap();
        assert!(lost == 0 || lost <= MAX_SALES);
        for number in self.sales.saturating_sub(MAX_SALES)..self.sales {
            client.run(&sale(number)).await;
        }
        client.wait_for_count("counterfoil.outbox WHERE state <> 'sealed'", 0).await;
        let names = 1 + 2 * self.sales;
        let sql = "(SELECT FROM counterfoil.outbox GROUP BY tenant, kind, external_id HAVING count(DISTINCT (entry_id, log_index, height, leaf_hash, sealed_at)) = 1) AS it";
        assert_eq!(client.count(sql).await, i64::try_from(names).unwrap());
        let said = self.node.take().expect("it runs").stop();
        assert!(!said.err.contains(PASSWORD), "{}", said.err);
        let report = run_json(&["fsck", "--dir", &self.at("ledger")]);
        assert_eq!(report["entries"], json!(names), "{report}");
    }
}

/// SQL that records a sale and its commission.
fn sale(number: u64) -> String {
    format!(
        "BEGIN;
        SELECT counterfoil.record_transaction('acme', 'T-{number}', 'shop', 'program', 'O-{number}', 'EUR', 10, event_time => '2026-03-01');
        SELECT counterfoil.record_commission('acme', 'C-{number}', 'T-{number}', 'terms', 1, 'ann', 'EUR', 1, event_time => '2026-03-01');
        COMMIT"
    )
}

fn terms() -> Value {
    json!({
        "tenant": "acme", "kind": "program_terms", "external_id": "terms",
        "event_time": "2026-01-01T00:00:00Z",
        "body": {
            "merchant": "shop", "program": "program", "version": 1,
            "effective_from": "2026-01-01T00:00:00Z", "actions": ["sale"],
            "locking": {"type": "open_ended"}, "network_fee_ppm": 0,
            "rules": [{"reward": {"type": "percent", "ppm": 100_000}}],
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_doubled_or_stuck_whoever_dies() {
    let long = std::env::var("COUNTERFOIL_LONG").is_ok_and(|value| value == "1");
    let deaths = if long { DEATHS.1 } else { DEATHS.0 };
    let mut random = Random::seeded(SEED);
    let mut market = Market::new();
    market.client().await.record(&[terms()]).await;
    for death in 0..deaths {
        let way = WAYS[if death < WAYS.len() { death } else { random.index(WAYS.len()) }];
        market.start();
        die(&mut market, way, &mut random).await;
        if market.node.is_none() {
            market.start();
        }
        market.settle().await;
        println!("{death}: {way:?}, {} sales", market.sales);
    }
}

async fn die(market: &mut Market, way: Way, random: &mut Random) {
    let sales = 1 + random.below(MAX_SALES);
    let wait = Duration::from_millis(random.below(MAX_WAIT_MS));
    let mut client = market.client().await;
    match way {
        Way::NodeBeforeClaim => {
            // Nobody locks a row of a table that is locked like this.
            let mut locker = market.client().await;
            market.record(&mut client, sales).await;
            locker.run("BEGIN; LOCK TABLE counterfoil.outbox IN EXCLUSIVE MODE").await;
            tokio::time::sleep(wait).await;
            market.node.take().unwrap().kill();
            locker.run("COMMIT").await;
        }
        Way::NodeBeforeReceipts => {
            // Rows can be locked, and nothing of them written.
            let mut locker = market.client().await;
            locker.run("BEGIN; LOCK TABLE counterfoil.outbox IN SHARE ROW EXCLUSIVE MODE").await;
            let size = block_in_place(|| market.node.as_ref().unwrap().size());
            // Whoever holds the lock may write.
            for number in market.sales..market.sales + sales {
                locker.run(&sale(number).replace("BEGIN;", "").replace("COMMIT", "")).await;
            }
            market.sales += sales;
            // With the commit the rows can be seen, and the next to lock the table is first in line.
            let mut next = market.client().await;
            let line = async {
                next.run("BEGIN; LOCK TABLE counterfoil.outbox IN SHARE MODE").await;
            };
            let commit = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                locker.run("COMMIT").await;
            };
            tokio::join!(line, commit);
            block_in_place(|| market.node.as_ref().unwrap().wait_for_size(size + 1));
            tokio::time::sleep(wait).await;
            let receipts = client.count("counterfoil.outbox WHERE state = 'pending'").await;
            assert!(receipts > 0, "entries without receipts");
            market.node.take().unwrap().kill();
            next.run("COMMIT").await;
        }
        Way::Node => {
            market.record(&mut client, sales).await;
            tokio::time::sleep(wait).await;
            market.node.take().unwrap().kill();
        }
        Way::Server { kill } => {
            market.record(&mut client, sales).await;
            market.postgres.crash(kill);
            market.record(&mut client, 2).await;
            tokio::time::sleep(wait).await;
            market.postgres.recover();
        }
        Way::Connections => {
            market.record(&mut client, sales / 2).await;
            client.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'").await;
            market.record(&mut client, sales / 2).await;
        }
    }
}

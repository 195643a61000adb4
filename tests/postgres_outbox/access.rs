//! Whose database it is, and who may do what in it.

use counterfoil::postgres::{self, PostgresError};

use crate::support::chain::{self, sale, terms};
use crate::world::World;

/// What makes a backend, a node and a reader of the roles that the schema has.
const LOGINS: &str = "
    CREATE ROLE backend LOGIN IN ROLE counterfoil_writer;
    CREATE ROLE node LOGIN IN ROLE counterfoil_node;
    CREATE ROLE analyst LOGIN IN ROLE counterfoil_reader;
    CREATE ROLE stranger LOGIN";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_belongs_to_one_chain_and_one_schema() {
    let world = World::new("own").await;
    let database = world.database();
    assert_eq!(postgres::migrate(&database).await.unwrap().applied, [""; 0]);
    database.connect().await.unwrap();
    let other = chain::chain("other");
    let others = postgres::Database::new(world.postgres.url().parse().unwrap(), other.clone());
    for refused in [others.connect().await.err(), postgres::migrate(&others).await.err()] {
        let error = refused.expect("it is another's").to_string();
        assert!(
            error.contains("ledger.example/own") && error.contains("ledger.example/other"),
            "{error}"
        );
        assert!(error.contains(&other.id().to_string()), "{error}");
    }
    let mut client = world.client().await;
    client.run("UPDATE counterfoil.migrations SET sha256 = '' WHERE version = 2").await;
    let refused = postgres::migrate(&database).await;
    assert!(matches!(refused, Err(PostgresError::AlteredMigration { version: 2 })), "{refused:?}");
    client.run("INSERT INTO counterfoil.migrations VALUES (9999, 'later', '')").await;
    let refused = database.connect().await.map(drop);
    assert!(matches!(refused, Err(PostgresError::Newer { found: 9999, .. })), "{refused:?}");
    client.run("DELETE FROM counterfoil.migrations WHERE version > 1").await;
    let refused = database.connect().await.map(drop);
    assert!(matches!(refused, Err(PostgresError::Outdated { found: 1, .. })), "{refused:?}");
    client.run("DROP SCHEMA counterfoil CASCADE").await;
    let refused = database.connect().await.map(drop);
    assert!(matches!(refused, Err(PostgresError::NotMigrated)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_migrate_at_once_take_turns() {
    let world = World::new("turns").await;
    let mut client = world.client().await;
    client.run("DROP SCHEMA counterfoil CASCADE").await;
    let (one, other) = (world.database(), world.database());
    let (one, other) = tokio::join!(postgres::migrate(&one), postgres::migrate(&other));
    let applied = one.unwrap().applied.len() + other.unwrap().applied.len();
    assert_eq!(i64::try_from(applied).unwrap(), client.count("counterfoil.migrations").await);
}

/// What each role may do, and what it may not.
const RIGHTS: [(&str, &[&str], &[&str]); 4] = [
    (
        "backend",
        &[
            "SELECT counterfoil.record('acme', 'decision', 'D', '{}')",
            "INSERT INTO counterfoil.outbox (tenant, kind, external_id, body) VALUES ('acme', 'decision', 'D', '{}')",
            "SELECT * FROM counterfoil.outbox",
            "SELECT counterfoil.retry(1)",
            "SELECT counterfoil.correct(1, '{}')",
            "SELECT counterfoil.commitment('acme', 'transaction', 'T', 'private')",
            "SELECT counterfoil.check_commitment('acme', 'transaction', 'T', 'private')",
        ],
        &[
            "INSERT INTO counterfoil.outbox (tenant, kind, external_id, body, state) VALUES ('acme', 'decision', 'D', '{}', 'rejected')",
            "INSERT INTO counterfoil.outbox (tenant, kind, external_id, body, log_index) VALUES ('acme', 'decision', 'D', '{}', 1)",
            "UPDATE counterfoil.outbox SET state = 'pending'",
            "UPDATE counterfoil.outbox SET entry_id = '\\x00'",
            "UPDATE counterfoil.outbox SET body = '{}'",
            "DELETE FROM counterfoil.outbox",
            "TRUNCATE counterfoil.outbox",
            "SELECT * FROM counterfoil.secrets",
            "SELECT counterfoil.erase('acme', 'transaction', 'T')",
            "UPDATE counterfoil.chain SET chain_id = 'x'",
            "CREATE TABLE counterfoil.mine ()",
        ],
    ),
    (
        "node",
        &["SELECT * FROM counterfoil.outbox FOR UPDATE", "SELECT counterfoil.retry(1)"],
        &[
            "INSERT INTO counterfoil.outbox (tenant, kind, external_id, body) VALUES ('acme', 'decision', 'D', '{}')",
            "UPDATE counterfoil.outbox SET body = '{}'",
            "UPDATE counterfoil.outbox SET external_id = 'x'",
            "DELETE FROM counterfoil.outbox",
            "SELECT * FROM counterfoil.secrets",
            "UPDATE counterfoil.chain SET chain_id = 'x'",
            "SELECT * FROM public.customers",
        ],
    ),
    (
        "analyst",
        &["SELECT * FROM counterfoil.outbox"],
        &[
            "SELECT counterfoil.record('acme', 'decision', 'D', '{}')",
            "SELECT counterfoil.commitment('acme', 'transaction', 'T', 'guess')",
            "SELECT * FROM counterfoil.secrets",
            "UPDATE counterfoil.outbox SET state = 'pending'",
        ],
    ),
    ("stranger", &[], &["SELECT * FROM counterfoil.outbox", "SELECT counterfoil.retry(1)"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_it_is_for_and_no_more() {
    let mut world = World::new("roles").await;
    let mut owner = world.client().await;
    owner.run(LOGINS).await;
    owner.run("CREATE TABLE public.customers (name text)").await;
    owner.record(&[world.text(&terms())]).await;
    owner.run("SELECT counterfoil.commitment('acme', 'transaction', 'T', 'private')").await;
    for (role, may, may_not) in RIGHTS {
        let mut client = world.client_as(role).await;
        for sql in may {
            client.run(&format!("BEGIN; {sql}; ROLLBACK")).await;
        }
        for sql in may_not {
            let refused = client.try_run(sql).await.expect_err(sql);
            let code = refused.as_database_error().and_then(sqlx::error::DatabaseError::code);
            assert_eq!(code.as_deref(), Some("42501"), "{role}: {sql}: {refused}");
        }
    }
    // Nobody but those two has a part in what follows.
    world.drain_as("node");
    let mut backend = world.client_as("backend").await;
    backend.record(&[world.text(&sale(1, 100))]).await;
    backend.wait_until_sealed(2).await;
    world.check(2).await;
}

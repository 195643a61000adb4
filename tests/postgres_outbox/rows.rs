//! What becomes of rows: the round, order, poison, retries, several who drain.

use std::time::Duration;

use counterfoil::protocol::entry::Verdict;
use counterfoil::sample::{Marketplace, Profile};
use serde_json::{Value, json};

use crate::support::chain::{commission, decision, reversal, sale, terms};
use crate::support::random::Random;
use crate::world::World;

const SEED: &str = "OUTBOX_SEED";

/// Entries of a whole marketplace, as the API takes them.
fn market(world: &World, count: u64) -> Vec<Value> {
    let until = "2026-06-01T00:00:00Z".parse().unwrap();
    let profile = Profile::history(7, count, until);
    let market = Marketplace::new(profile, &world.chain.spec().currencies).unwrap();
    let lines = market.into_lines().take(usize::try_from(count).unwrap());
    lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backend_commits_becomes_entries_and_what_it_rolls_back_does_not() {
    let mut world = World::new("round").await;
    world.drain();
    let mut client = world.client().await;
    let entries = market(&world, 3_000);
    for (number, transaction) in entries.chunks(40).enumerate() {
        // Each transaction twice: rolled back, then committed.
        client.run("BEGIN").await;
        client.record(transaction).await;
        client.run("ROLLBACK").await;
        client.run("BEGIN").await;
        client.record(transaction).await;
        client.run("COMMIT").await;
        if number == 20 {
            // The backend doesn't know whether it committed, and does the same again.
            client.record(transaction).await;
        }
    }
    client.wait_until_sealed(3_040).await;
    world.check(3_000).await;
    let same = client
        .count("(SELECT FROM counterfoil.outbox GROUP BY tenant, kind, external_id HAVING count(*) = 2 AND count(DISTINCT log_index) = 1) AS it")
        .await;
    assert_eq!(same, 40, "a row that says the same again gets the same receipt");
    let report = world.ledger.database().outbox.unwrap();
    assert!(report.draining && report.sealed == 3_040 && report.rejected == 0, "{report:?}");
    world.stop_draining().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_functions_record_what_the_api_takes() {
    let mut world = World::new("typed").await;
    world.drain();
    let mut client = world.client().await;
    client.record(&[world.text(&terms())]).await;
    client
        .run(
            "BEGIN;
            SELECT counterfoil.record_transaction('acme', 'T-1', 'shop', 'program', 'O-1', 'EUR', 49.90::numeric(12, 4), click_ref => 'k-1', items => '[{\"item\": \"i-1\", \"quantity\": 1, \"amount\": \"49.90\"}]');
            SELECT counterfoil.record_commission('acme', 'C-1', 'T-1', 'terms', 1, 'ann', 'EUR', 4.99);
            SELECT counterfoil.record_decision('acme', 'D-1', 'C-1', 'approve');
            SELECT counterfoil.record_reversal('acme', 'R-1', 'C-1', 'EUR', 1.000, 'returned_item');
            SELECT counterfoil.record_decision('acme', 'D-2', 'C-1', 'lock');
            COMMIT",
        )
        .await;
    client.wait_until_sealed(6).await;
    world.check(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn children_wait_for_their_parents_wherever_those_are() {
    let mut world = World::new("parents").await;
    world.drain();
    let (mut early, mut late) = (world.client().await, world.client().await);
    // Rows with the lower ids, of a transaction that commits last.
    late.run("BEGIN").await;
    late.record(&[world.text(&terms()), world.text(&sale(1, 1_000))]).await;
    let children = [
        world.text(&decision("approval", 1, Verdict::Approve)),
        world.text(&sale(2, 500)),
        world.text(&commission(2, 50)),
        world.text(&commission(1, 100)),
        world.text(&decision("lock", 1, Verdict::Lock)),
    ];
    // Whatever the order among themselves, but for what only the rules of the life tell.
    early.record(&children).await;
    early.wait_for_count("counterfoil.outbox WHERE state = 'waiting'", 5).await;
    let waits = early.text("SELECT string_agg(waits_kind || ' ' || waits_for, ', ' ORDER BY id) FROM counterfoil.outbox WHERE state = 'waiting'").await;
    assert_eq!(
        waits.unwrap(),
        "commission commission-1, program shop/program, transaction sale-2, transaction sale-1, commission commission-1"
    );
    late.run("COMMIT").await;
    early.wait_until_sealed(7).await;
    world.check(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_parent_never_comes_is_rejected_and_can_be_retried() {
    let mut world = World::new("orphans").await;
    world.parent_wait = Duration::from_secs(1);
    world.drain();
    let mut client = world.client().await;
    client.record(&[world.text(&terms()), world.text(&commission(9, 10))]).await;
    client.wait_for_count("counterfoil.outbox WHERE state = 'rejected'", 1).await;
    let said = client.text("SELECT problem || ': ' || detail || ' ' || fields::text FROM counterfoil.outbox WHERE state = 'rejected'").await;
    assert_eq!(
        said.unwrap(),
        "missing-parent: body.transaction: the tenant has no transaction sale-9 {body.transaction}"
    );
    // It doesn't come by itself any more, but when it is told to.
    client.record(&[world.text(&sale(9, 100))]).await;
    client.wait_until_sealed(2).await;
    let retried = client
        .text("SELECT counterfoil.retry(id)::text FROM counterfoil.outbox WHERE state = 'rejected'")
        .await;
    assert_eq!(retried.as_deref(), Some("true"));
    client.wait_until_sealed(3).await;
    assert_eq!(client.text("SELECT counterfoil.retry(1)::text").await.as_deref(), Some("false"));
    world.check(3).await;
}

/// Rows that state no entry: columns of an insert, and the problem that each has.
const POISON: [(&str, &str); 16] = [
    ("'acme', 'decision', 'x', '[]'", "malformed-entry"),
    ("'acme', 'decision', 'x', 'null'", "malformed-entry"),
    ("'acme', 'nonsense', 'x', '{}'", "malformed-entry"),
    ("'', 'decision', 'x', '{}'", "malformed-entry"),
    ("'acme', 'decision', repeat('x', 100000), '{}'", "malformed-entry"),
    (
        "'acme', 'decision', 'with blank', '{\"commission\": \"c\", \"verdict\": {\"type\": \"lock\"}}'",
        "malformed-entry",
    ),
    (
        "'acme', 'decision', E'\\u00e4', '{\"commission\": \"c\", \"verdict\": {\"type\": \"lock\"}}'",
        "malformed-entry",
    ),
    (
        "'acme', 'decision', 'x', '{\"commission\": \"c\", \"verdict\": {\"type\": \"lock\"}, \"note\": 1}'",
        "malformed-entry",
    ),
    ("'acme', 'decision', 'x', to_jsonb(repeat('x', 3000000))", "entry-too-long"),
    ("'acme', 'decision', 'x', (repeat('[', 3000) || repeat(']', 3000))::jsonb", "malformed-entry"),
    (
        "'acme', 'reversal', 'x', '{\"commission\": \"c\", \"currency\": \"EUR\", \"amount\": 1, \"reason\": \"goodwill\"}'",
        "malformed-entry",
    ),
    (
        "'acme', 'reversal', 'x', '{\"commission\": \"c\", \"currency\": \"EUR\", \"amount\": \"1.005\", \"reason\": \"goodwill\"}'",
        "too-many-decimals",
    ),
    (
        "'acme', 'reversal', 'x', '{\"commission\": \"c\", \"currency\": \"EUR\", \"amount\": \"99999999999999999999\", \"reason\": \"goodwill\"}'",
        "amount-too-large",
    ),
    (
        "'acme', 'reversal', 'x', '{\"commission\": \"c\", \"currency\": \"CHF\", \"amount\": \"1\", \"reason\": \"goodwill\"}'",
        "unknown-currency",
    ),
    (
        "'acme', 'reversal', 'x', '{\"commission\": \"c\", \"currency\": \"EUR\", \"amount\": \"-1\", \"reason\": \"goodwill\"}'",
        "malformed-entry",
    ),
    (
        "'acme', 'reversal', '''); DROP TABLE counterfoil.outbox; --', '{\"commission\": \"c\", \"currency\": \"EUR\", \"amount\": \"1\", \"reason\": \"goodwill\"}'",
        "malformed-entry",
    ),
];
/// Times that no entry can have.
const BAD_TIMES: [&str; 4] = ["infinity", "-infinity", "1969-12-31", "99999-01-01"];

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_rejected_and_holds_nobody_up() {
    let mut world = World::new("poison").await;
    let mut client = world.client().await;
    client.record(&[world.text(&terms())]).await;
    for (number, (columns, _)) in (1..).zip(POISON) {
        client.run(&format!("INSERT INTO counterfoil.outbox (tenant, kind, external_id, body) VALUES ({columns})")).await;
        client.record(&[world.text(&sale(number, 100))]).await;
    }
    for time in BAD_TIMES {
        client.run(&format!("SELECT counterfoil.record('acme', 'decision', 'x', '{{\"commission\": \"c\", \"verdict\": {{\"type\": \"lock\"}}}}', '{time}')")).await;
    }
    client
        .run("SELECT counterfoil.record('acme', 'decision', 'x', '{}', commitment => '\\x00')")
        .await;
    client.run("SELECT counterfoil.record('acme', 'transaction', 'sale-1', '{\"merchant\": \"shop\", \"program\": \"program\", \"order_ref\": \"other\", \"action\": \"sale\", \"currency\": \"EUR\", \"amount\": \"1\"}', '2026-03-01T12:00:00Z')").await;
    world.drain();
    let sales = i64::try_from(POISON.len()).unwrap();
    client.wait_until_sealed(1 + sales).await;
    client.wait_for_count("counterfoil.outbox WHERE state = 'rejected'", sales + 6).await;
    let rows = client.rows("SELECT problem, detail, fields FROM counterfoil.outbox WHERE state = 'rejected' ORDER BY id").await;
    let problem = |row: &sqlx::postgres::PgRow| sqlx::Row::get::<String, _>(row, "problem");
    let problems: Vec<String> = rows.iter().map(problem).collect();
    let mut expected: Vec<&str> = POISON.iter().map(|(_, problem)| *problem).collect();
    expected.extend(["malformed-entry"; BAD_TIMES.len() + 1]);
    expected.push("duplicate-external-id");
    assert_eq!(problems, expected);
    let fields: Vec<String> = sqlx::Row::get(rows.last().unwrap(), "fields");
    assert_eq!(fields, ["body.click_ref", "body.order_ref"]);
    // Corrected, each can still become what it was meant to be.
    client.run("SELECT counterfoil.correct(id, jsonb_set(body, '{amount}', '\"1\"')) FROM counterfoil.outbox WHERE problem = 'too-many-decimals'").await;
    client
        .wait_for_count("counterfoil.outbox WHERE state = 'waiting' AND waits_for = 'c'", 1)
        .await;
    world.check(1 + POISON.len() as u64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_drain_one_outbox_while_many_write() {
    let mut world = World::new("several").await;
    for _ in 0..2 {
        world.drain();
    }
    let random = Random::seeded(SEED);
    let mut client = world.client().await;
    client.record(&[world.text(&terms())]).await;
    let writers = (0..4).map(|writer: u64| {
        let texts: Vec<[Value; 3]> = (0..60)
            .map(|number| {
                let number = writer * 1_000 + number;
                let reversal = reversal(&format!("reversal-{number}"), number, 10);
                [sale(number, 1_000), commission(number, 100), reversal].map(|it| world.text(&it))
            })
            .collect();
        let url = world.postgres.url();
        let mut random = Random::new(random.clone().next() + writer);
        async move {
            let mut client = crate::world::Client::connect(&url).await;
            for texts in texts {
                client.run("BEGIN").await;
                for text in &texts {
                    client.record(std::slice::from_ref(text)).await;
                }
                let roll_back = random.below(4) == 0;
                client.run(if roll_back { "ROLLBACK" } else { "COMMIT" }).await;
                if roll_back {
                    client.record(&texts).await;
                }
            }
        }
    });
    futures::future::join_all(writers).await;
    client.wait_until_sealed(1 + 4 * 60 * 3).await;
    world.check(1 + 4 * 60 * 3).await;
    let rejected = json!(client.count("counterfoil.outbox WHERE state <> 'sealed'").await);
    assert_eq!(rejected, 0);
}

//! Private particulars: committed to, checked, forgotten.

use counterfoil::postgres;
use serde_json::Value;
use sqlx::Row;

use crate::support::chain::{sale, terms};
use crate::world::{Client, World};

/// RFC 4231, cases 1, 2, 3 and 6: key, message, HMAC-SHA-256, all in hexadecimal.
const VECTORS: [(&str, &str, &str); 4] = [
    (
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    ("aa{20}", "dd{50}", "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        "aa{131}",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
];

/// A sale of an order whose buyer nobody else is to know.
async fn record_private(client: &mut Client, entry: &Value, particulars: &str) {
    sqlx::query(
        "SELECT counterfoil.record($1, 'transaction', $2, $3, $4::text::timestamptz,
            counterfoil.commitment($1, 'transaction', $2, $5))",
    )
    .bind(entry["tenant"].as_str())
    .bind(entry["external_id"].as_str())
    .bind(&entry["body"])
    .bind(entry["event_time"].as_str())
    .bind(particulars)
    .execute(&mut client.0)
    .await
    .unwrap();
}

async fn checks(client: &mut Client, particulars: &str) -> Option<String> {
    client.text(&format!("SELECT counterfoil.check_commitment('acme', 'transaction', 'sale-1', '{particulars}')::text")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_to_can_be_shown_until_it_is_erased_and_never_again() {
    let mut world = World::new("private").await;
    world.drain();
    let mut client = world.client().await;
    for (key, message, expected) in VECTORS {
        let spelled = |text: &str| match text.split_once('{') {
            Some((byte, times)) => byte.repeat(times.trim_end_matches('}').parse().unwrap()),
            None => text.to_owned(),
        };
        let sql = format!(
            "SELECT encode(counterfoil.hmac_sha256('\\x{}', '\\x{}'), 'hex')",
            spelled(key),
            spelled(message)
        );
        assert_eq!(client.text(&sql).await.as_deref(), Some(expected));
    }
    client.record(&[world.text(&terms())]).await;
    let entry = world.text(&sale(1, 100));
    let buyer = "Ann Example, 1 Main Street";
    // Rolled back, nothing of it stays; done again, the bytes are the same.
    client.run("BEGIN").await;
    record_private(&mut client, &entry, buyer).await;
    client.run("ROLLBACK").await;
    assert_eq!(client.count("counterfoil.secrets").await, 0);
    record_private(&mut client, &entry, buyer).await;
    record_private(&mut client, &entry, buyer).await;
    client.wait_until_sealed(3).await;
    world.check(2).await;
    assert_eq!(checks(&mut client, buyer).await.as_deref(), Some("true"));
    assert_eq!(checks(&mut client, "Bob Example").await.as_deref(), Some("false"));
    let salt: Vec<u8> = client.rows("SELECT salt FROM counterfoil.secrets").await[0].get(0);
    assert_eq!(salt.len(), 32);

    let database = world.database();
    let mut connection = database.connect().await.unwrap();
    let row = postgres::erase(&mut connection, "acme", "transaction", "sale-1").await.unwrap();
    let again = postgres::erase(&mut connection, "acme", "transaction", "sale-1").await.unwrap();
    assert_eq!(row, again);
    client.wait_until_sealed(4).await;
    world.check(3).await;
    assert_eq!(checks(&mut client, buyer).await, None);
    let gone = client.text("SELECT salt::text FROM counterfoil.secrets").await;
    assert_eq!(gone, None);
    // Nor, once the table is written anew, are its bytes left in the file.
    postgres::rewrite_secrets(&mut connection).await.unwrap();
    client.run("CHECKPOINT").await;
    let file: Vec<u8> = client
        .rows("SELECT pg_read_binary_file(pg_relation_filepath('counterfoil.secrets'))")
        .await[0]
        .get(0);
    assert!(!file.windows(salt.len()).any(|bytes| bytes == salt), "the salt is still in the file");
    // The name keeps its meaning: no other salt takes the place of what was destroyed.
    let refused =
        client.try_run("SELECT counterfoil.commitment('acme', 'transaction', 'sale-1', 'x')").await;
    assert!(refused.unwrap_err().to_string().contains("was destroyed"));
    let unknown = postgres::erase(&mut connection, "acme", "transaction", "sale-2").await;
    assert!(matches!(unknown, Err(postgres::PostgresError::NoCommitment)), "{unknown:?}");
}

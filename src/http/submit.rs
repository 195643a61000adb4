//! Submitting entries: one, many, or a stream of them.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::access::{SubmitAccess, Submitter};
use super::extract::{BufferedBody, MediaType, Parameters, media_type, read_body};
use super::problem::{Problem, ProblemType};
use super::results::{EntryResult, Readings, read_entry};
use super::schema::SubmitDocument;
use super::stream;
use crate::ledger::{Atomicity, MAX_REQUEST_ENTRIES};
use crate::protocol::block::EncodedEntry;
use crate::protocol::spec::Currencies;

/// The longest JSON body of a submission, in bytes. A stream has no such limit.
pub const MAX_JSON_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The longest body that is read on the thread it came in on, in bytes; longer ones would keep
/// others waiting there.
const MAX_INLINE_BYTES: usize = 64 * 1024;

/// How to submit.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SubmitQuery {
    /// Seal all entries of the request in one block, or none.
    #[serde(default)]
    atomic: bool,
}

/// What became of each entry of an array, in order.
#[derive(Serialize, ToSchema)]
pub struct SubmitResults {
    /// One result for each entry.
    results: Vec<EntryResult>,
}

/// Submits entries
///
/// Answers when everything that can be sealed is sealed and durable. Submitting the same again is
/// always safe: an entry that is on the ledger is answered as `existing`, with its first receipt.
/// An entry may refer to one earlier in the same request.
///
/// - **One object**: 201 when sealed, 200 when it was there, 409 when its external id belongs to
///   another entry, 422 when it is rejected.
/// - **An array**, up to 10,000 entries: 200 with one result for each, in order. With
///   `atomic=true` they are sealed in one block or not at all, and then the answer is 422.
/// - **`application/x-ndjson`**, one entry a line, without a limit to their number: results are
///   streamed back, one a line, in order, while the upload goes on. Read them while you write, or
///   both will wait. A line that is no entry is `rejected`, and the stream goes on. A last line
///   `stopped` means that nothing is known of its line and all after it: submit them again.
#[utoipa::path(
    post, path = "/v1/entries", tag = "entries", params(SubmitQuery),
    request_body(description = "One entry, an array of entries, or a stream of lines.", content(
        // The examples are those of `examples.json`.
        (SubmitDocument = "application/json"),
        (String = "application/x-ndjson", example = json!(
            "{\"tenant\": \"acme\", \"kind\": \"decision\", \"external_id\": \"D-1\", \"event_time\": \"2026-11-22T09:00:00Z\", \"body\": {\"commission\": \"C-1002\", \"verdict\": {\"type\": \"approve\"}}}\n"))
    )),
    responses(
        (status = 200, description = "An array: one result for each entry. A stream: the same, one a line. One object: it was on the ledger already.",
            content(
                (SubmitResults = "application/json", example = json!({"results": [
                    {"status": "sealed", "index": 4711, "height": 17,
                        "id": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                        "receipt": "/v1/entries/1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677/receipt"},
                    {"status": "rejected", "problem": {"type": "/problems/missing-parent",
                        "title": "The entry refers to one that is not there", "status": 422,
                        "detail": "body.transaction: the tenant has no transaction T-9",
                        "rule": "missing-parent", "field": "body.transaction"}}]})),
                (stream::StreamLine = "application/x-ndjson", example = json!(
                    {"line": 1, "status": "sealed", "index": 4711, "height": 17,
                        "id": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                        "receipt": "/v1/entries/1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677/receipt"}))
            )),
        (status = 201, description = "One object: it is sealed and durable.", body = EntryResult,
            example = json!({"status": "sealed", "index": 4711, "height": 17,
                "id": "1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677",
                "receipt": "/v1/entries/1f6dd0b9f0e1d4f2e0a8d0c3b5a7968778695a4b3c2d1e0f0011223344556677/receipt"}))
    ),
    security(("token" = []), ())
)]
pub async fn submit_entries(
    State(shared): State<Shared>,
    _: Submitter,
    Parameters(query): Parameters<SubmitQuery>,
    request: Request,
) -> Result<Response, Problem> {
    if let SubmitAccess::Forward(authority) = &shared.api.access {
        return authority.forward(request).await;
    }
    let (parts, body) = request.into_parts();
    match media_type(&parts.headers, &[MediaType::Json, MediaType::Ndjson])? {
        MediaType::Ndjson if query.atomic => Err(Problem::plain(ProblemType::AtomicStream)),
        MediaType::Ndjson => stream::submit(&shared, body),
        MediaType::Json => {
            let body = read_body(&shared, &parts.headers, body, MAX_JSON_BODY_BYTES).await?;
            let atomicity =
                if query.atomic { Atomicity::AllOrNothing } else { Atomicity::EntryByEntry };
            match read_document(&shared, body).await? {
                Document::One(entry) => submit_one(&shared, (*entry)?, atomicity).await,
                Document::Many(readings) => submit_many(&shared, readings, atomicity).await,
            }
        }
    }
}

async fn submit_one(
    shared: &Shared,
    entry: EncodedEntry,
    atomicity: Atomicity,
) -> Result<Response, Problem> {
    let mut outcomes = shared.api.ledger.submit(vec![entry], atomicity).await?;
    let result = EntryResult::from(outcomes.pop().expect("an outcome for each entry"));
    let (status, placed) = match &result {
        EntryResult::Sealed(placed) => (StatusCode::CREATED, placed),
        EntryResult::Existing(placed) => (StatusCode::OK, placed),
        EntryResult::Conflict { first, differing_fields } => {
            return Err(Problem::conflict(first.clone(), differing_fields.clone()));
        }
        EntryResult::Rejected { problem } => return Err(problem.clone()),
    };
    let location = HeaderValue::from_str(&format!("/v1/entries/{}", placed.id));
    let location = location.expect("hexadecimal digits");
    Ok((status, [(header::LOCATION, location)], Json(result)).into_response())
}

async fn submit_many(
    shared: &Shared,
    mut readings: Readings,
    atomicity: Atomicity,
) -> Result<Response, Problem> {
    let atomic = atomicity == Atomicity::AllOrNothing;
    if atomic && !readings.is_faultless() {
        return Err(Problem::atomic_rejected(readings.all_rejected()));
    }
    let entries = readings.take_entries();
    let results = readings.results(shared.api.ledger.submit(entries, atomicity).await?);
    if atomic && results.iter().any(EntryResult::is_at_fault) {
        return Err(Problem::atomic_rejected(results));
    }
    Ok(Json(SubmitResults { results }).into_response())
}

/// A JSON body, read.
enum Document {
    One(Box<Result<EncodedEntry, Problem>>),
    Many(Readings),
}

async fn read_document(shared: &Shared, body: BufferedBody) -> Result<Document, Problem> {
    let spec = shared.api.ledger.head().tip.spec_ahead().clone();
    if body.bytes.len() <= MAX_INLINE_BYTES {
        return parse_document(&body.bytes, &spec.currencies);
    }
    let parse = move || parse_document(&body.bytes, &spec.currencies);
    match tokio::task::spawn_blocking(parse).await {
        Ok(document) => document,
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// Reads a whole body before anything of it is submitted.
fn parse_document(bytes: &[u8], currencies: &Currencies) -> Result<Document, Problem> {
    let malformed = |error: String| Problem::new(ProblemType::MalformedJson, error);
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
    match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
        Some(b'{') => {
            // An object cut short is a body cut short; what else is wrong is the entry's fault.
            serde_json::from_str::<&RawValue>(text)
                .map_err(|error| malformed(error.to_string()))?;
            Ok(Document::One(Box::new(read_entry(text, currencies))))
        }
        Some(b'[') => {
            let elements = serde_json::from_str::<Elements<'_>>(text)
                .map_err(|error| malformed(error.to_string()))?;
            let elements = elements.0.map_err(|TooMany| too_many())?;
            let mut readings = Readings::default();
            for text in elements {
                readings.push(read_entry(text.get(), currencies));
            }
            Ok(Document::Many(readings))
        }
        _ => Err(malformed("the body must be a JSON object or an array of such".to_owned())),
    }
}

fn too_many() -> Problem {
    let detail = format!("an array has at most {MAX_REQUEST_ENTRIES} entries");
    Problem::new(ProblemType::TooLarge, detail)
}

/// The elements of an array, each still as text; or too many of them.
struct Elements<'a>(Result<Vec<&'a RawValue>, TooMany>);

/// More than [`MAX_REQUEST_ENTRIES`].
struct TooMany;

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element::<&RawValue>()? {
                    // The rest is read, so that the array is known to be whole, but not kept.
                    if elements.len() <= MAX_REQUEST_ENTRIES {
                        elements.push(element);
                    }
                }
                let fits = elements.len() <= MAX_REQUEST_ENTRIES;
                Ok(Elements(if fits { Ok(elements) } else { Err(TooMany) }))
            }
        }

        deserializer.deserialize_seq(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let currencies = Currencies::new([]);
        let kind = |text: &[u8]| match parse_document(text, &currencies) {
            Ok(Document::One(entry)) => format!("one {}", entry.is_ok()),
            Ok(Document::Many(readings)) => format!("many {}", readings.all_rejected().len()),
            Err(problem) => problem.kind().name().to_owned(),
        };
        let limit = MAX_REQUEST_ENTRIES;
        let full = format!("[{}]", vec!["{}"; limit].join(","));
        let over = format!("[{}]", vec!["0"; limit + 1].join(","));
        let over_and_cut = &over[..over.len() - 1];
        let deep = "[".repeat(100_000);
        let deep_but_whole = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
        let cases: [(&[u8], &str); 17] = [
            (b"{}", "one false"),
            (b" \r\n\t{}\n", "one false"),
            (b"[]", "many 0"),
            (b"[{}, 1, null, \"x\", [[]]]", "many 5"),
            (full.as_bytes(), "many 10000"),
            (over.as_bytes(), "too-large"),
            (over_and_cut.as_bytes(), "malformed-json"),
            (b"", "malformed-json"),
            (b"null", "malformed-json"),
            (b"\"x\"", "malformed-json"),
            (b"{}{}", "malformed-json"),
            (b"[{}],", "malformed-json"),
            (b"[{}", "malformed-json"),
            (b"{\"tenant\": \"ac", "malformed-json"),
            (b"[\"\xff\"]", "malformed-json"),
            (deep.as_bytes(), "malformed-json"),
            (deep_but_whole.as_bytes(), "many 1"),
        ];
        for (text, expected) in cases {
            let start = String::from_utf8_lossy(text).chars().take(40).collect::<String>();
            assert_eq!(kind(text), expected, "{start}");
        }
    }
}

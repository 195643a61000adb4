//! A row of the outbox, and the entry that it states.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::block::EncodedEntry;
use crate::protocol::spec::Currencies;
use crate::protocol::text::{self, MAX_ENTRY_TEXT_BYTES};
use crate::protocol::time::Timestamp;

/// A row as it was claimed. Nothing of it is checked yet.
pub(super) struct Row {
    pub id: i64,
    pub tenant: String,
    pub kind: String,
    pub external_id: String,
    /// Milliseconds since 1970; not finite where the database's time isn't.
    pub event_milliseconds: f64,
    pub commitment: Option<Vec<u8>>,
    /// The body's JSON; nothing where it is too long to be one.
    pub body: Option<String>,
}

/// What is wrong with a row, or why the rules refuse its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The stable name, as in the API.
    pub problem: &'static str,
    /// What is wrong, for people.
    pub detail: String,
    /// The fields at fault.
    pub fields: Vec<String>,
}

/// An entry in text, as the API takes it.
#[derive(Serialize)]
struct EntryText<'a> {
    tenant: &'a str,
    kind: &'a str,
    external_id: &'a str,
    event_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    commitment: Option<String>,
    body: &'a RawValue,
}

impl Row {
    /// The entry that the row states, read as strictly as the API reads.
    pub fn entry(&self, currencies: &Currencies) -> Result<EncodedEntry, Fault> {
        let body = self.body.as_deref().ok_or_else(|| Fault {
            problem: "entry-too-long",
            detail: format!("an entry's text has at most {MAX_ENTRY_TEXT_BYTES} bytes"),
            fields: vec!["body".to_owned()],
        })?;
        let text = EntryText {
            tenant: &self.tenant,
            kind: &self.kind,
            external_id: &self.external_id,
            event_time: self.event_time()?,
            commitment: self.commitment.as_ref().map(hex::encode),
            body: serde_json::from_str(body).map_err(|error| malformed("body", &error))?,
        };
        let text = serde_json::to_string(&text).map_err(|error| malformed("body", &error))?;
        let entry = text::parse(&text, currencies).map_err(|error| Fault {
            problem: error.name(),
            fields: error.field().into_iter().collect(),
            detail: error.to_string(),
        })?;
        EncodedEntry::new(entry).map_err(|error| Fault {
            problem: "entry-too-long",
            detail: error.to_string(),
            fields: Vec::new(),
        })
    }

    /// In whole milliseconds, the earlier.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is out of range becomes the nearest number, which no time can be"
    )]
    fn event_time(&self) -> Result<Timestamp, Fault> {
        // A negative number would become zero.
        let milliseconds =
            if self.event_milliseconds < 0.0 { f64::NAN } else { self.event_milliseconds };
        let milliseconds = if milliseconds.is_finite() { milliseconds as u64 } else { u64::MAX };
        Timestamp::from_millis(milliseconds).map_err(|error| malformed("event_time", &error))
    }
}

fn malformed(field: &str, error: &dyn std::fmt::Display) -> Fault {
    Fault {
        problem: "malformed-entry",
        detail: format!("{field}: {error}"),
        fields: vec![field.to_owned()],
    }
}

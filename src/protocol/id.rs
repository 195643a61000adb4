//! Opaque identifiers: bounded, printable, never free text.

use std::borrow::Cow;
use std::sync::Arc;

use bincode::de::{Decoder, read::Reader};
use bincode::{Decode, Encode, enc::Encoder, error::DecodeError, error::EncodeError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest identifier, in bytes.
pub const MAX_ID_BYTES: usize = 128;

/// An identifier that the submitter chose: a tenant, an external id, an affiliate, an order.
///
/// One to [`MAX_ID_BYTES`] visible ASCII characters (0x21 to 0x7E): no blanks, no control
/// characters, nothing that looks like another text yet differs from it. Its meaning is the
/// submitter's; it must not be personal data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Shared: an entry's ids go on into records and indexes.
pub struct Id(Arc<str>);

/// Why a text is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing at all.
    #[error("an identifier can't be empty")]
    Empty,
    /// Longer than [`MAX_ID_BYTES`].
    #[error("an identifier has at most {MAX_ID_BYTES} characters, this has {0}")]
    TooLong(usize),
    /// A blank, a control character, or something beyond ASCII.
    #[error(
        "an identifier is made of visible ASCII characters without blanks; the byte at offset {0} is none"
    )]
    BadCharacter(usize),
}

impl Id {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`IdError`] when it is empty, too long, or holds a character that is not visible ASCII.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The identifier's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong(text.len()));
    }
    match text.bytes().position(|byte| !byte.is_ascii_graphic()) {
        Some(offset) => Err(IdError::BadCharacter(offset)),
        None => Ok(()),
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::str::FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl Encode for Id {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.as_str().encode(encoder)
    }
}

impl<Context> Decode<Context> for Id {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let refuse = |error: IdError| DecodeError::OtherString(error.to_string());
        let length = usize::decode(decoder)?;
        let mut buffer = [0; MAX_ID_BYTES];
        let bytes = buffer.get_mut(..length).ok_or_else(|| refuse(IdError::TooLong(length)))?;
        decoder.claim_bytes_read(length)?;
        decoder.reader().read(bytes)?;
        // Not ASCII, then, either: a byte beyond it is what is told of.
        let text = str::from_utf8(bytes).map_err(|error| {
            let valid = bytes.iter().position(|byte| !byte.is_ascii_graphic());
            refuse(IdError::BadCharacter(valid.unwrap_or(error.valid_up_to())))
        })?;
        Self::new(text).map_err(refuse)
    }
}

bincode::impl_borrow_decode!(Id);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        let longest = "x".repeat(MAX_ID_BYTES);
        let too_long = "x".repeat(MAX_ID_BYTES + 1);
        let cases = [
            ("a", Ok(())),
            ("order/2026-1#~!<script>", Ok(())),
            (longest.as_str(), Ok(())),
            ("", Err(IdError::Empty)),
            (too_long.as_str(), Err(IdError::TooLong(MAX_ID_BYTES + 1))),
            ("a b", Err(IdError::BadCharacter(1))),
            ("a\n", Err(IdError::BadCharacter(1))),
            ("é", Err(IdError::BadCharacter(0))),
            ("a\u{7f}", Err(IdError::BadCharacter(1))),
        ];
        for (text, expected) in cases {
            assert_eq!(Id::new(text).map(|_| ()), expected, "{text:?}");
        }
    }
}

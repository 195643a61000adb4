//! Canonical bytes: the only module that knows bincode.
//!
//! Whatever is hashed or signed is encoded here, by the rules of FORMAT.md: bincode 2's
//! standard configuration, which is variable-length little-endian integers. That format has
//! several encodings of one integer and ignores trailing bytes; [`decode`] accepts neither.

use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode, config, de::Decoder};

/// The most memory that decoding one value may claim, in bytes. Bounds allocation by hostile
/// lengths; the length of the bytes themselves is each caller's to bound.
const MAX_DECODED_BYTES: usize = 64 * 1024 * 1024;

/// Why bytes are not the canonical encoding of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// More bytes than such a value may have.
    #[error("{length} bytes, at most {limit} are allowed")]
    TooLong {
        /// How many bytes there are.
        length: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The bytes decode to no value: cut short, unknown variant, or a field out of its bounds.
    #[error("undecodable: {0}")]
    Undecodable(String),
    /// A value, followed by something else.
    #[error("{0} bytes left over after the value")]
    Trailing(usize),
    /// A value, but not written the one canonical way.
    #[error("not the canonical encoding of its value")]
    Ambiguous,
}

/// How many bytes are encoded on the stack, where that is all there are. Most entries and records
/// are shorter.
const SHORT_BYTES: usize = 512;

/// The canonical bytes of `value`.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    with_encoded(value, <[u8]>::to_vec)
}

/// What `use_bytes` makes of the canonical bytes of `value`.
pub fn with_encoded<T: Encode, R>(value: &T, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
    let mut short = [0; SHORT_BYTES];
    let written = bincode::encode_into_slice(value, &mut short, config::standard());
    match written.ok().and_then(|length| short.get(..length)) {
        Some(bytes) => use_bytes(bytes),
        None => use_bytes(
            &bincode::encode_to_vec(value, config::standard())
                .expect("writing to memory and hand-written encoders can't fail"),
        ),
    }
}

/// The value whose canonical encoding is exactly `bytes`, at most `limit_bytes` of them.
///
/// # Errors
/// [`NotCanonical`] when `bytes` is anything but that one encoding.
pub fn decode<T: Encode + Decode<()>>(bytes: &[u8], limit_bytes: usize) -> Result<T, NotCanonical> {
    if bytes.len() > limit_bytes {
        return Err(NotCanonical::TooLong { length: bytes.len(), limit: limit_bytes });
    }
    let value = decode_own(bytes)?;
    if !encodes_to(&value, bytes) {
        return Err(NotCanonical::Ambiguous);
    }
    Ok(value)
}

/// The value of bytes that nobody else has written, and nobody hashes or signs: not looked at is
/// whether they are its canonical ones.
///
/// # Errors
/// [`NotCanonical`].
pub fn decode_own<T: Decode<()>>(bytes: &[u8]) -> Result<T, NotCanonical> {
    decode_large::<T, MAX_DECODED_BYTES>(bytes)
}

/// The same, of a value that takes at most `LIMIT_BYTES`.
///
/// # Errors
/// [`NotCanonical`].
pub fn decode_large<T: Decode<()>, const LIMIT_BYTES: usize>(
    bytes: &[u8],
) -> Result<T, NotCanonical> {
    let (value, rest) = decode_within::<T, LIMIT_BYTES>(bytes)?;
    if rest.is_empty() { Ok(value) } else { Err(NotCanonical::Trailing(rest.len())) }
}

/// The value that such bytes begin with, and what follows it.
///
/// # Errors
/// [`NotCanonical`].
pub fn decode_beginning<T: Decode<()>>(bytes: &[u8]) -> Result<(T, &[u8]), NotCanonical> {
    decode_within::<T, MAX_DECODED_BYTES>(bytes)
}

fn decode_within<T: Decode<()>, const LIMIT_BYTES: usize>(
    bytes: &[u8],
) -> Result<(T, &[u8]), NotCanonical> {
    let config = config::standard().with_limit::<LIMIT_BYTES>();
    let (value, consumed) = bincode::decode_from_slice::<T, _>(bytes, config)
        .map_err(|error| NotCanonical::Undecodable(explain(&error)))?;
    Ok((value, bytes.get(consumed..).unwrap_or_default()))
}

/// Whether `bytes` are the canonical bytes of `value`.
pub(crate) fn encodes_to<T: Encode>(value: &T, bytes: &[u8]) -> bool {
    let mut comparison = Comparison { rest: bytes };
    let same = bincode::encode_into_writer(value, &mut comparison, config::standard());
    same.is_ok() && comparison.rest.is_empty()
}

/// Takes what is written only as long as it is what is expected.
struct Comparison<'a> {
    /// What is still to come.
    rest: &'a [u8],
}

impl Writer for &mut Comparison<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(EncodeError::Other("another encoding"))?;
        Ok(())
    }
}

/// A reason that a person can read, without the codec's internals where it has a message.
fn explain(error: &DecodeError) -> String {
    match error {
        DecodeError::OtherString(reason) => reason.clone(),
        DecodeError::Other(reason) => (*reason).to_owned(),
        DecodeError::UnexpectedEnd { .. } => "the bytes end too early".to_owned(),
        DecodeError::LimitExceeded => "a length beyond any limit".to_owned(),
        other => other.to_string(),
    }
}

/// Reads a list of at most `limit` items, each decoded by `T`; what isn't is refused before
/// anything is allocated.
pub(crate) fn decode_list<T: Decode<D::Context>, D: Decoder>(
    decoder: &mut D,
    limit: usize,
) -> Result<Vec<T>, DecodeError> {
    let length = u64::decode(decoder)?;
    let count = usize::try_from(length).ok().filter(|count| *count <= limit);
    let Some(count) = count else {
        return Err(DecodeError::OtherString(format!("a list of {length}, at most {limit}")));
    };
    (0..count).map(|_| T::decode(decoder)).collect()
}

/// The error of a variant's number that FORMAT.md doesn't know.
pub(crate) fn unknown_number(name: &str, number: u8) -> DecodeError {
    DecodeError::OtherString(format!("no {name} has the number {number}"))
}

/// Implements the canonical encoding of an enum: one byte, its number, then its fields.
///
/// Bincode's own derive counts variants by position and so would renumber them when one is
/// left out; here each number is written down. A tuple variant's field is named `0`.
macro_rules! numbered {
    ($name:ident $(<$parameter:ident>)? {
        $($number:tt => $variant:ident { $($field:tt: $binding:ident),* },)+
    }) => {
        impl$(<$parameter: bincode::Encode>)? bincode::Encode for $name$(<$parameter>)? {
            fn encode<E: bincode::enc::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), bincode::error::EncodeError> {
                match self {
                    $(Self::$variant { $($field: $binding),* } => {
                        <u8 as bincode::Encode>::encode(&$number, encoder)?;
                        $(bincode::Encode::encode($binding, encoder)?;)*
                    })+
                }
                Ok(())
            }
        }

        impl<Context, $($parameter: bincode::Decode<Context>)?> bincode::Decode<Context>
            for $name$(<$parameter>)?
        {
            fn decode<D: bincode::de::Decoder<Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                let number: u8 = bincode::Decode::decode(decoder)?;
                match number {
                    $($number => Ok(Self::$variant {
                        $($field: bincode::Decode::decode(decoder)?),*
                    }),)+
                    unknown => Err(crate::protocol::codec::unknown_number(
                        stringify!($name),
                        unknown,
                    )),
                }
            }
        }

        // What bincode's derive asks of the fields of other types.
        impl<'de, Context, $($parameter: bincode::BorrowDecode<'de, Context>)?>
            bincode::BorrowDecode<'de, Context> for $name$(<$parameter>)?
        {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
                decoder: &mut D,
            ) -> Result<Self, bincode::error::DecodeError> {
                let number: u8 = bincode::BorrowDecode::borrow_decode(decoder)?;
                match number {
                    $($number => Ok(Self::$variant {
                        $($field: bincode::BorrowDecode::borrow_decode(decoder)?),*
                    }),)+
                    unknown => Err(crate::protocol::codec::unknown_number(
                        stringify!($name),
                        unknown,
                    )),
                }
            }
        }
    };
}
pub(crate) use numbered;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_encoding_per_value() {
        assert_eq!(encode(&5u64), [5]);
        assert_eq!(decode::<u64>(&[5], 9), Ok(5));
        let cases: [(&[u8], NotCanonical); 3] = [
            (&[251, 5, 0], NotCanonical::Ambiguous),
            (&[5, 0], NotCanonical::Trailing(1)),
            (&[251, 5], NotCanonical::Undecodable("the bytes end too early".to_owned())),
        ];
        for (bytes, expected) in cases {
            assert_eq!(decode::<u64>(bytes, 9), Err(expected), "{bytes:?}");
        }
        assert_eq!(decode::<u64>(&[5; 10], 9), Err(NotCanonical::TooLong { length: 10, limit: 9 }));
    }

    #[test]
    fn hostile_lengths_allocate_nothing() {
        let huge = [253, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(matches!(decode::<Vec<u8>>(&huge, 64), Err(NotCanonical::Undecodable(_))));
        assert!(matches!(decode::<String>(&huge, 64), Err(NotCanonical::Undecodable(_))));
        assert!(matches!(decode::<Vec<Vec<u8>>>(&huge, 64), Err(NotCanonical::Undecodable(_))));
    }
}

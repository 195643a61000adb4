//! How a record is kept: with the entry that made it, in few bytes.

use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};

use super::records::Record;

/// A record and the entry that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The log index of the entry that made it.
    pub index: u64,
    /// The height of the block of that entry.
    pub height: u64,
    /// Whether that entry has private particulars committed to.
    pub privacy: Privacy,
    /// What is remembered.
    pub record: Record,
}

/// Many records are little more than these numbers. So the first holds privacy, too, in its two
/// lowest bits, and both have seven bits a byte, the lowest first, the eighth set where more come.
impl Encode for StoredRecord {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let privacy = match self.privacy {
            Privacy::Nothing => 0,
            Privacy::Committed => 1,
            Privacy::Erased => 2,
        };
        for mut number in [self.index << PRIVACY_BITS | privacy, self.height] {
            while number >= 0x80 {
                (number.to_le_bytes()[0] | 0x80).encode(encoder)?;
                number >>= 7;
            }
            number.to_le_bytes()[0].encode(encoder)?;
        }
        self.record.encode(encoder)
    }
}

impl<Context> Decode<Context> for StoredRecord {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let mut numbers = [0u64; 2];
        for number in &mut numbers {
            for shift in (0..u64::BITS).step_by(7) {
                let byte = u8::decode(decoder)?;
                *number |= u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let [first, height] = numbers;
        let privacy = match first & PRIVACY_MASK {
            0 => Privacy::Nothing,
            1 => Privacy::Committed,
            2 => Privacy::Erased,
            _ => return Err(DecodeError::Other("a record of no known privacy")),
        };
        let (index, record) = (first >> PRIVACY_BITS, Record::decode(decoder)?);
        Ok(Self { index, height, privacy, record })
    }
}

/// The bits of a record's first number that say [`Privacy`].
const PRIVACY_BITS: u32 = 2;
const PRIVACY_MASK: u64 = (1 << PRIVACY_BITS) - 1;

/// Whether an entry has private particulars committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// It has none.
    Nothing,
    /// It has some.
    Committed,
    /// It had some; the salt was destroyed.
    Erased,
}

#[cfg(test)]
mod tests {
    use super::super::sums::SubscriptionRecord;
    use super::*;
    use crate::protocol::codec;

    #[test]
    fn what_is_stored_is_read() {
        let record = |index, height, privacy| StoredRecord {
            index,
            height,
            privacy,
            record: Record::Subscription(SubscriptionRecord { payments: 3 }),
        };
        for index in [0, 1, 31, 32, 1_000_000, (1 << 62) - 1] {
            for height in [0, 127, 128, 1 << 20, u64::MAX] {
                for privacy in [Privacy::Nothing, Privacy::Committed, Privacy::Erased] {
                    let stored = record(index, height, privacy);
                    assert_eq!(codec::decode(&codec::encode(&stored), 64), Ok(stored));
                }
            }
        }
        let bytes = codec::encode(&record(5, 5, Privacy::Erased));
        for length in 0..bytes.len() {
            assert!(codec::decode_own::<StoredRecord>(&bytes[..length]).is_err());
        }
        assert!(codec::decode_own::<StoredRecord>(&[3, 0, 0]).is_err());
    }
}

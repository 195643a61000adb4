//! A line of an account, and how runs sum lines up.

use bincode::enc::Encoder;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use bincode::{Decode, Encode};
use smallvec::SmallVec;

use super::{AccountKey, LINE_KEY_BYTES};
use crate::protocol::accounts::{Slot, Sums};
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::error::StoreError;
use crate::store::sorted::{Lists, Value, read_encoded};

/// How many lines of an account a run has from one sum to the next.
const LINES_A_SUM: u32 = 32;
/// What the first byte has beside the day where sums follow.
const WITH_SUMS: u8 = 0x80;
/// As many bytes as most lines take.
const MOST_LINE_BYTES: usize = 30;
/// What is wrong with a line that isn't made of its parts.
const CUT_SHORT: &str = "it is cut short, or too long";
/// The most bytes of a number of 128 bits, seven a byte.
const MAX_NUMBER_BYTES: u32 = 19;

/// What moved: by events of which day of the month, in an account of a month, 0 in others; by how
/// much; and in some lines of a run what this and all lines of the account before it there come to.
///
/// Kept as it is stored, since there are many: a byte of day and [`WITH_SUMS`]; sums; and perhaps sums
/// again. Sums are how many slots there are, and for each its number and what is in it, zigzag, seven
/// bits a byte, the lowest first, the eighth set where more come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Line {
    bytes: SmallVec<[u8; MOST_LINE_BYTES]>,
}

/// A line's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Parts {
    /// By events of which day of the month, in an account of a month; 0 in others.
    pub day: u8,
    /// By how much.
    pub moved: Sums,
    /// What this and all lines of the account before it in the run come to, if it says so.
    pub sums: Option<Sums>,
}

impl Line {
    /// A line that says what moved, and nothing of those before it.
    pub(in crate::store) fn new(day: u8, moved: &Sums) -> Self {
        let mut bytes = SmallVec::new();
        bytes.push(day);
        write_sums(moved, |byte| bytes.push(byte));
        Self { bytes }
    }

    /// Adds what it says has moved.
    pub(in crate::store) fn add_to(&self, sums: &mut Sums) {
        let mut moved = self.bytes.get(1..).unwrap_or_default();
        add_sums(&mut moved, sums).expect("a line is made of a day and sums");
    }
}

/// Adds what lines of an account that follow each other in a run have moved, and what those before
/// them have, where one says that; whether one does.
pub(in crate::store) fn add_from_end<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    sums: &mut Sums,
) -> Result<bool, StoreError> {
    let damaged = || StoreError::damaged("a line of an account", CUT_SHORT);
    for line in lines.rev() {
        let (first, mut rest) = line.split_first().ok_or_else(damaged)?;
        if first & WITH_SUMS != 0 {
            // They have what the line moved in them.
            add_sums(&mut rest, &mut Sums::default()).ok_or_else(damaged)?;
            add_sums(&mut rest, sums).ok_or_else(damaged)?;
            return Ok(true);
        }
        add_sums(&mut rest, sums).ok_or_else(damaged)?;
    }
    Ok(false)
}

impl Parts {
    /// What a line says.
    pub(in crate::store) fn of(line: &[u8]) -> Result<Self, StoreError> {
        Self::read(line).ok_or_else(|| StoreError::damaged("a line of an account", CUT_SHORT))
    }

    fn read(line: &[u8]) -> Option<Self> {
        let (first, mut rest) = line.split_first()?;
        let moved = read_sums(&mut rest)?;
        let sums = if first & WITH_SUMS == 0 { None } else { Some(read_sums(&mut rest)?) };
        rest.is_empty().then_some(Self { day: first & !WITH_SUMS, moved, sums })
    }
}

impl Encode for Line {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        encoder.writer().write(&self.bytes)
    }
}

fn write_sums(sums: &Sums, mut push: impl FnMut(u8)) {
    let count = u8::try_from(sums.iter().len()).expect("there are fewer than 256 slots");
    push(count);
    for (slot, number) in sums.iter() {
        push(slot.number());
        let mut zigzag = (number << 1 ^ number >> 127).cast_unsigned();
        while zigzag >= 0x80 {
            push(zigzag.to_le_bytes()[0] | 0x80);
            zigzag >>= 7;
        }
        push(zigzag.to_le_bytes()[0]);
    }
}

fn read_sums(rest: &mut &[u8]) -> Option<Sums> {
    let mut sums = Sums::default();
    add_sums(rest, &mut sums)?;
    Some(sums)
}

/// Reads sums from the beginning of `rest` and adds them to others.
fn add_sums(rest: &mut &[u8], sums: &mut Sums) -> Option<()> {
    let mut next = || rest.split_off_first().copied();
    for _ in 0..next()? {
        let slot = Slot::from_number(next()?);
        let mut zigzag = 0u128;
        for place in 0..MAX_NUMBER_BYTES {
            let byte = next()?;
            zigzag |= u128::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        sums.add(slot, (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
    }
    Some(())
}

/// The lines of an account that a run has so far.
#[derive(Default)]
pub(in crate::store) struct Running {
    account: Option<AccountKey>,
    /// How many lines came since one that says the sums.
    lines: u32,
    sums: Sums,
}

impl Running {
    /// Writes the next line as it stands in a run.
    fn write(&mut self, key: &[u8; LINE_KEY_BYTES], line: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let account = key.first_chunk().map(|account| AccountKey(*account));
        if self.account != account {
            *self = Self { account, ..Self::default() };
        }
        let (first, after) = line.split_first()?;
        let mut rest = after;
        add_sums(&mut rest, &mut self.sums)?;
        let (moved, _) = after.split_at_checked(after.len() - rest.len())?;
        self.lines += 1;
        let with_sums = self.lines == LINES_A_SUM;
        let day = first & !WITH_SUMS;
        out.push(if with_sums { day | WITH_SUMS } else { day });
        out.extend_from_slice(moved);
        if with_sums {
            self.lines = 0;
            write_sums(&self.sums, |byte| out.push(byte));
        }
        Some(())
    }
}

impl Value<LINE_KEY_BYTES> for Line {
    type Memory = Lists<LINE_KEY_BYTES, Self>;
    type Running = Running;

    /// Without what a run says of other lines.
    fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        Parts::of(bytes).map(|parts| Self::new(parts.day, &parts.moved))
    }

    fn write_in_order(
        running: &mut Running,
        key: &[u8; LINE_KEY_BYTES],
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let written = running.write(key, value, out);
        written.ok_or_else(|| StoreError::damaged("a line of an account", CUT_SHORT))
    }
}

/// With whom somebody has dealings; or, of a payout, what came into it of them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct Dealing {
    /// Who owes; nobody, for adjustments in a payout.
    pub merchant: Option<Id>,
    /// Under which program; none for what was brought in.
    pub program: Option<Id>,
    /// Who earns.
    pub affiliate: Id,
    /// In which currency.
    pub currency: Currency,
    /// Of a payout: what moves with it.
    pub share: Sums,
}

impl Value<LINE_KEY_BYTES> for Dealing {
    type Memory = Lists<LINE_KEY_BYTES, Self>;
    type Running = ();

    fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        read_encoded(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::codec;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            day in 0..32u8,
            moved in prop::collection::btree_map(any::<u8>(), any::<i128>(), 0..9),
        ) {
            // Half of all numbers, so that what is summed up can't overflow.
            let slots = moved.iter().map(|(slot, sum)| (Slot::from_number(*slot), sum / 2));
            let moved: Sums = slots.collect();
            let line = Line::new(day, &moved);
            let bytes = codec::encode(&line);
            let expected = Parts { day, moved: moved.clone(), sums: None };
            prop_assert_eq!(Parts::of(&bytes).unwrap(), expected);
            prop_assert_eq!(Line::read(&bytes).unwrap(), line);
            for length in 0..bytes.len() {
                prop_assert!(Parts::read(&bytes[..length]).is_none());
            }
            // In a run, every so many say what there is so far.
            let (mut running, mut out) = (Running::default(), Vec::new());
            for _ in 0..LINES_A_SUM {
                out.clear();
                Line::write_in_order(&mut running, &[1; LINE_KEY_BYTES], &bytes, &mut out).unwrap();
                running.sums = Sums::default();
            }
            let expected = Parts { day, moved: moved.clone(), sums: Some(moved) };
            prop_assert_eq!(Parts::of(&out).unwrap(), expected);
        }
    }
}

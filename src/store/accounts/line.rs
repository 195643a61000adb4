//! A line of an account, and how runs sum lines up.

use bincode::{Decode, Encode};

use super::{AccountKey, LINE_KEY_BYTES};
use crate::protocol::accounts::Sums;
use crate::protocol::codec;
use crate::protocol::id::Id;
use crate::protocol::money::Currency;
use crate::store::error::StoreError;
use crate::store::sorted::{Lists, Value};

/// How many lines of an account a run has from one sum to the next.
const LINES_A_SUM: u32 = 32;

/// What moved.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct Line {
    /// By events of which day of the month, in an account of a month; 0 in others.
    pub day: u8,
    /// By how much.
    pub moved: Sums,
    /// What this and all lines of the account before it in the run come to. Some lines say so.
    pub sums: Option<Sums>,
}

/// The lines of an account that a run has so far.
#[derive(Default)]
pub(in crate::store) struct Running {
    account: Option<AccountKey>,
    /// How many lines came since one that says the sums.
    lines: u32,
    sums: Sums,
}

impl Value<LINE_KEY_BYTES> for Line {
    type Memory = Lists<LINE_KEY_BYTES, Self>;
    type Running = Running;

    fn write_in_order(
        running: &mut Running,
        key: &[u8; LINE_KEY_BYTES],
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let mut line: Self = codec::decode(value, value.len())
            .map_err(|error| StoreError::damaged("a line of an account", error))?;
        let account = key.first_chunk().map(|account| AccountKey(*account));
        if running.account != account {
            *running = Running { account, ..Running::default() };
        }
        running.sums.add_all(&line.moved);
        running.lines += 1;
        line.sums = None;
        if running.lines == LINES_A_SUM {
            running.lines = 0;
            line.sums = Some(running.sums.clone());
        }
        out.extend_from_slice(&codec::encode(&line));
        Ok(())
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

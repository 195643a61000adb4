//! What a synthetic marketplace is like: its size, its pace, how its commissions end.

use crate::protocol::entry::MAX_PAYOUT_LINES;
use crate::protocol::time::{DAY_MS, Timestamp};

/// The most tenants of a marketplace.
pub const MAX_TENANTS: u32 = 100;
/// The most merchants of one tenant.
pub const MAX_MERCHANTS: u32 = 10_000;
/// The most affiliates of one tenant.
pub const MAX_AFFILIATES: u32 = 100_000;
/// The most merchants or affiliates of all tenants together.
pub const MAX_PARTIES: u32 = 1_000_000;
/// The most commissions whose future a marketplace keeps in mind, some 56 bytes each.
pub const MAX_OPEN_COMMISSIONS: usize = 1 << 24;
/// The largest share of decisions and reversals, in parts per million.
pub const MAX_FOLLOW_UPS_PPM: u32 = 600_000;
/// The most digits that numbers in ids are filled up to.
pub const MAX_ID_DIGITS: usize = 64;
/// The pace of [`Profile::benchmark`], in milliseconds, unless it would reach beyond 1970.
pub const BENCHMARK_PACE_MS: u64 = 60_000;
/// The digits of [`Profile::benchmark`].
const BENCHMARK_ID_DIGITS: usize = 60;
/// How far back [`Profile::history`] reaches, in days.
pub const HISTORY_DAYS: u64 = 400;

/// What a marketplace is like. Two of the same profile state the same entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What all chance follows from.
    pub seed: u64,
    /// How many tenants there are: `demo`, `demo-2` and so on, the first the largest.
    pub tenants: u32,
    /// How many merchants each tenant has.
    pub merchants: u32,
    /// How many affiliates each tenant has.
    pub affiliates: u32,
    /// The event time from which on things happen.
    pub start: Timestamp,
    /// The mean time from one event to the next, in milliseconds. Entry number `n`, counted
    /// from 0, happens between `n` and `n + 1` times this after the start.
    pub pace_ms: u64,
    /// The share of decisions and reversals among all entries, in parts per million, once
    /// there is enough to decide. Where it is too small to see every commission to its end,
    /// some are left undecided; where it is larger than there is to decide, it isn't reached.
    pub follow_ups_ppm: u32,
    /// Which commission is decided next, and when.
    pub next_decided: NextDecided,
    /// The most commissions whose future is kept in mind; what comes on top of them stays
    /// undecided for ever.
    pub open_commissions: usize,
    /// The most lines of a payout's part, up to [`MAX_PAYOUT_LINES`].
    pub payout_lines: usize,
    /// Whether programs get new terms now and then.
    ///
    /// By the rules a later version of terms can't begin before the time of its own block.
    /// Here it is announced a week ahead, by event time. So this is for drivers that promise
    /// to seal each entry less than a week of event time after it happened: block time is
    /// event time, say. For history that is recorded long after, it must be off.
    pub new_terms: bool,
    /// How many digits the numbers in external ids and references have at least. More make
    /// longer entries: 9 makes leaves of some 95 bytes on average, 40 of 190, 60 of 250.
    pub id_digits: usize,
}

/// Which commission is decided next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextDecided {
    /// Each when it is due, as in life.
    WhenDue,
    /// When it is a decision's turn, any that is due by then: the hardest on a store, because
    /// it reads records from all of history.
    AtRandom,
}

/// A profile that makes no marketplace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// A number out of its bounds.
    #[error("{field}: from {min} to {max}")]
    OutOfBounds {
        /// The field of [`Profile`]; of two that multiply, both.
        field: &'static str,
        /// The least that it may be.
        min: u64,
        /// The most that it may be.
        max: u64,
    },
    /// There is no currency to trade in.
    #[error("a marketplace needs a currency")]
    NoCurrency,
}

impl Profile {
    /// A middling marketplace whose events follow each other every ten seconds from `start`.
    pub const fn new(seed: u64, start: Timestamp) -> Self {
        Self {
            seed,
            tenants: 1,
            merchants: 200,
            affiliates: 2_000,
            start,
            pace_ms: 10_000,
            follow_ups_ppm: 300_000,
            next_decided: NextDecided::WhenDue,
            open_commissions: 1 << 20,
            payout_lines: MAX_PAYOUT_LINES,
            new_terms: false,
            id_digits: 9,
        }
    }

    /// A history to be recorded at `now`: its first `entries` entries cover the
    /// [`HISTORY_DAYS`] before it, and most of its commissions come to an end. The
    /// marketplace is as large as its entries can fill.
    pub fn history(seed: u64, entries: u64, now: Timestamp) -> Self {
        let span_ms = (HISTORY_DAYS * DAY_MS).min(now.as_millis());
        let start = Timestamp::from_millis(now.as_millis() - span_ms)
            .expect("earlier than a time that is in range");
        let parties = |per_party: u64, least: u32, most: u32| {
            u32::try_from(entries / per_party).unwrap_or(most).clamp(least, most)
        };
        Self {
            merchants: parties(400, 4, 200),
            affiliates: parties(200, 12, 5_000),
            pace_ms: (span_ms / entries.max(1)).clamp(1, DAY_MS),
            follow_ups_ppm: 430_000,
            payout_lines: 50,
            ..Self::new(seed, start)
        }
    }

    /// The hardest on a store: 30% decisions and reversals, each of a random one of the open
    /// commissions, and leaves of some 250 bytes. So that
    /// old ones can still be reversed, half of the programs lock on no date. To be recorded at `now`, when the first
    /// `entries` of them have happened. The full share is reached once the first commissions
    /// lock, after some 50,000 entries.
    pub fn benchmark(seed: u64, entries: u64, now: Timestamp) -> Self {
        let entries = entries.max(1);
        let pace_ms = BENCHMARK_PACE_MS.min(now.as_millis() / entries).max(1);
        let span_ms = entries.saturating_mul(pace_ms);
        let start = Timestamp::from_millis(now.as_millis().saturating_sub(span_ms))
            .expect("earlier than a time that is in range");
        Self {
            pace_ms,
            next_decided: NextDecided::AtRandom,
            id_digits: BENCHMARK_ID_DIGITS,
            ..Self::new(seed, start)
        }
    }

    pub(super) fn check(&self) -> Result<(), ProfileError> {
        let product = |each: u32| u64::from(self.tenants) * u64::from(each);
        let bounds = [
            ("tenants", u64::from(self.tenants), 1, u64::from(MAX_TENANTS)),
            ("merchants", self.merchants.into(), 1, MAX_MERCHANTS.into()),
            ("affiliates", self.affiliates.into(), 1, MAX_AFFILIATES.into()),
            ("tenants × merchants", product(self.merchants), 1, MAX_PARTIES.into()),
            ("tenants × affiliates", product(self.affiliates), 1, MAX_PARTIES.into()),
            ("pace_ms", self.pace_ms, 1, DAY_MS),
            ("follow_ups_ppm", self.follow_ups_ppm.into(), 0, MAX_FOLLOW_UPS_PPM.into()),
            ("open_commissions", self.open_commissions as u64, 1, MAX_OPEN_COMMISSIONS as u64),
            ("payout_lines", self.payout_lines as u64, 1, MAX_PAYOUT_LINES as u64),
            ("id_digits", self.id_digits as u64, 1, MAX_ID_DIGITS as u64),
        ];
        match bounds.into_iter().find(|(_, value, min, max)| !(min..=max).contains(&value)) {
            Some((field, _, min, max)) => Err(ProfileError::OutOfBounds { field, min, max }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_out_of_bounds() {
        let good = || Profile::new(1, Timestamp::MIN);
        let cases = [
            (Profile { tenants: 0, ..good() }, "tenants"),
            (Profile { tenants: MAX_TENANTS + 1, ..good() }, "tenants"),
            (Profile { merchants: 0, ..good() }, "merchants"),
            (Profile { affiliates: MAX_AFFILIATES + 1, ..good() }, "affiliates"),
            (Profile { tenants: 100, merchants: 10_001, ..good() }, "merchants"),
            (Profile { tenants: 11, affiliates: 100_000, ..good() }, "tenants × affiliates"),
            (Profile { pace_ms: 0, ..good() }, "pace_ms"),
            (Profile { follow_ups_ppm: 600_001, ..good() }, "follow_ups_ppm"),
            (Profile { open_commissions: 0, ..good() }, "open_commissions"),
            (Profile { payout_lines: 501, ..good() }, "payout_lines"),
            (Profile { id_digits: 65, ..good() }, "id_digits"),
        ];
        assert_eq!(good().check(), Ok(()));
        for (profile, expected) in cases {
            let error = profile.check().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{expected}: from ")), "{error}");
        }
    }

    #[test]
    fn history_ends_by_now() {
        let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
        for entries in [0, 1, 7, 1_000, 20_000, 3_000_000, u64::from(u32::MAX)] {
            for profile in [Profile::history(1, entries, now), Profile::benchmark(1, entries, now)]
            {
                assert_eq!(profile.check(), Ok(()));
                let end = profile.start.saturating_add(entries * profile.pace_ms);
                assert!(end <= now, "{entries}");
            }
        }
        // A clock that was never set.
        assert_eq!(Profile::history(1, 10, Timestamp::MIN).check(), Ok(()));
        assert_eq!(Profile::benchmark(1, 10, Timestamp::MIN).check(), Ok(()));
    }
}

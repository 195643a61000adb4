//! Who takes part: tenants, merchants, affiliates and who stands above them. All invented.

use super::chance::Random;
use super::coins::Coin;
use super::profile::Profile;
use crate::protocol::id::Id;

/// The most affiliates of a tenant that have an upline.
const MAX_UPLINED: u32 = 64;
/// How often an affiliate that gets another upline gets none, in parts per million.
const NO_UPLINE_PPM: u32 = 250_000;
/// How many affiliates stand directly below another, where any do.
const DOWNLINES: u32 = 4;

/// What names are made of: one of the first and one of the second.
type Words = ([&'static str; 16], [&'static str; 16]);

const MERCHANT_WORDS: Words = (
    [
        "amber", "birch", "cedar", "copper", "harbour", "heath", "juniper", "lantern", "maple",
        "meadow", "north", "orchard", "pebble", "river", "saffron", "willow",
    ],
    [
        "audio", "bikes", "books", "candles", "coffee", "fashion", "flowers", "games", "garden",
        "kitchen", "lamps", "outdoor", "paper", "shoes", "toys", "travel",
    ],
);

const AFFILIATE_WORDS: Words = (
    [
        "bright", "calm", "clever", "daily", "early", "frugal", "honest", "kind", "little",
        "lucky", "merry", "quick", "quiet", "smart", "sunny", "tidy",
    ],
    [
        "badger", "basket", "compass", "deals", "finch", "fox", "guide", "heron", "journal",
        "magpie", "notes", "otter", "picks", "review", "robin", "voucher",
    ],
);

/// The id of a name made of two words; of the 257th and following, with a number too.
fn worded(prefix: &str, (first, second): &Words, number: u32) -> Id {
    let pairs = 256;
    // An odd factor visits every pair once, and not in the order of the alphabet.
    let pair = number * 167 % pairs;
    let (Some(first), Some(second)) =
        (first.get((pair / 16) as usize), second.get((pair % 16) as usize))
    else {
        unreachable!("sixteen of each");
    };
    let name = match number / pairs {
        0 => format!("{prefix}{first}-{second}"),
        again => format!("{prefix}{first}-{second}-{}", again + 1),
    };
    Id::new(&name).expect("words and digits")
}

/// A merchant.
#[derive(Clone, Debug)]
pub struct Merchant {
    /// The tenant, by number.
    pub tenant: u32,
    /// Its name.
    pub name: Id,
    /// What it pays in, by number.
    pub coin: usize,
}

/// Every merchant; merchant number `n` sells at tenant number `n` modulo the tenants.
pub fn merchants(profile: &Profile, coins: &[Coin], random: &mut Random) -> Vec<Merchant> {
    (0..profile.tenants * profile.merchants)
        .map(|number| {
            // Half of all merchants trade in the commonest currency, half of the rest in the
            // next.
            let halvings = random.word().trailing_zeros() as usize;
            let coin = if halvings < coins.len() { halvings } else { 0 };
            let name = worded("m-", &MERCHANT_WORDS, number);
            Merchant { tenant: number % profile.tenants, name, coin }
        })
        .collect()
}

/// Every tenant.
pub fn tenants(profile: &Profile) -> Vec<Id> {
    (1..=profile.tenants)
        .map(|number| match number {
            1 => Id::new("demo"),
            number => Id::new(&format!("demo-{number}")),
        })
        .collect::<Result<_, _>>()
        .expect("words and digits")
}

/// Every affiliate; affiliate number `n` works for tenant number `n` modulo the tenants, and
/// the lower its number, the more popular it is.
pub fn affiliates(profile: &Profile) -> Vec<Id> {
    let count = profile.tenants * profile.affiliates;
    (0..count).map(|number| worded("aff-", &AFFILIATE_WORDS, number)).collect()
}

/// Who stands above whom. Nobody stands above who is more popular, so there is no circle.
#[derive(Clone, Debug)]
pub struct Uplines {
    tenants: u32,
    /// Of the affiliates that may have one.
    of: Vec<Option<u32>>,
}

impl Uplines {
    /// Nobody above anybody yet.
    pub fn new(profile: &Profile) -> Self {
        let each = (profile.affiliates / 2).min(MAX_UPLINED);
        Self { tenants: profile.tenants, of: vec![None; (each * profile.tenants) as usize] }
    }

    /// Who stands above an affiliate.
    pub fn above(&self, affiliate: u32) -> Option<u32> {
        self.of.get(affiliate as usize).copied().flatten()
    }

    /// The affiliates that have one from the beginning, and who that is: the popular, in a tree
    /// for each tenant.
    pub fn first(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let tenants = self.tenants;
        let count = u32::try_from(self.of.len()).expect("counted by a u32");
        (tenants..count).map(move |affiliate| {
            let (rank, tenant) = (affiliate / tenants, affiliate % tenants);
            (affiliate, (rank - 1) / DOWNLINES * tenants + tenant)
        })
    }

    /// Puts another above an affiliate, or nobody.
    pub fn put(&mut self, affiliate: u32, upline: Option<u32>) {
        if let Some(slot) = self.of.get_mut(affiliate as usize) {
            *slot = upline;
        }
    }

    /// Draws an affiliate that gets another upline, and who that is.
    pub fn draw(&self, random: &mut Random) -> Option<(u32, Option<u32>)> {
        let affiliate = u32::try_from(random.below(self.of.len() as u64)).ok()?;
        let (rank, tenant) = (affiliate / self.tenants, affiliate % self.tenants);
        if rank == 0 {
            return None;
        }
        let nobody = random.chance(NO_UPLINE_PPM);
        let upline = u32::try_from(random.below(rank.into())).ok()? * self.tenants + tenant;
        Some((affiliate, (!nobody).then_some(upline)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;

    #[test]
    fn uplines_stay_within_a_tenant_and_run_upwards() {
        let profile = Profile { tenants: 3, affiliates: 100, ..Profile::new(1, Timestamp::MIN) };
        let mut uplines = Uplines::new(&profile);
        let first: Vec<_> = uplines.first().collect();
        assert_eq!(first.len(), 49 * 3);
        for (affiliate, upline) in first {
            uplines.put(affiliate, Some(upline));
        }
        let mut random = Random::new(1);
        for _ in 0..1_000 {
            if let Some((affiliate, upline)) = uplines.draw(&mut random) {
                uplines.put(affiliate, upline);
            }
        }
        for affiliate in 0..300 {
            if let Some(upline) = uplines.above(affiliate) {
                assert!(upline < affiliate && upline % 3 == affiliate % 3, "{affiliate}");
            }
        }
        // With a single affiliate there is nobody to stand above anybody.
        let alone = Uplines::new(&Profile { affiliates: 1, ..profile });
        assert_eq!((alone.first().count(), alone.draw(&mut random)), (0, None));
    }
}

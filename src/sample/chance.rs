//! Chance that is the same on every platform and for ever: integers only.
//!
//! What a seed leads to is pinned by `tests/sample.rs`; whoever changes a constant here
//! changes every sample ledger.

use crate::protocol::money::PPM_WHOLE;

/// A stream of random numbers: `SplitMix64` (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014).
///
/// One word of state, a period of 2^64, good statistics. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64 bits.
    pub const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number less than `bound`, or 0 where there is none.
    ///
    /// Scales a word down without rejecting any: of `bound` numbers some are likelier than
    /// others by one in 2^64 / `bound`, which no sample is large enough to show.
    pub fn below(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.word()) * u128::from(bound)) >> 64;
        u64::try_from(scaled).expect("the upper half of a product of two words")
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True `ppm` times in a million.
    pub fn chance(&mut self, ppm: u32) -> bool {
        self.below(u64::from(PPM_WHOLE)) < u64::from(ppm)
    }

    /// One of `items`, all equally likely.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        let index = self.below(items.len() as u64);
        let index = usize::try_from(index).expect("less than the length of a list");
        *items.get(index).expect("below the length, and no list here is empty")
    }

    /// One of `items`, each as likely as its weight says.
    pub fn weighted<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let total = items.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut rest = self.below(total);
        for (weight, item) in items {
            match rest.checked_sub(u64::from(*weight)) {
                Some(less) => rest = less,
                None => return *item,
            }
        }
        unreachable!("the rest is less than all weights together");
    }

    /// A number around `median`, spread as prices are: as likely twice as half of it.
    ///
    /// Log-normal, roughly: two to the power of a sum of four uniform numbers. From a
    /// sixteenth to sixteen times the median, two thirds of all within a factor of 2.2.
    /// `median` is less than 2^40.
    pub fn around(&mut self, median: u64) -> u64 {
        let word = self.word();
        let sum = (word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff) + (word >> 48);
        // From 0 to 8 octaves, in units of 2^-16.
        let octaves = sum * 2;
        let fraction = octaves & 0xffff;
        // 2^x for x from 0 to 1 by the parabola 1 + x (0.6565 + 0.3435 x), 0.3% off at most.
        let power = 0x1_0000 + ((fraction * (43_025 + ((fraction * 22_511) >> 16))) >> 16);
        // Down again by the four octaves of the mean.
        (((median * power) >> 16) << (octaves >> 16)) >> 4
    }
}

/// Ranks of which the first comes up twice as often as the second and three times as often
/// as the third: how popularity is spread (Zipf's law).
#[derive(Clone, Debug)]
pub struct Zipf {
    /// The weights of each rank and of all ranks before it.
    cumulative: Vec<u64>,
}

impl Zipf {
    /// As many ranks as `count`, at least one.
    pub fn new(count: u32) -> Self {
        let cumulative = (1..=u64::from(count.max(1)))
            .scan(0, |total, rank| {
                *total += (1 << 32) / rank;
                Some(*total)
            })
            .collect();
        Self { cumulative }
    }

    /// A rank, 0 the most popular.
    pub fn rank(&self, random: &mut Random) -> u32 {
        let total = self.cumulative.last().copied().expect("at least one rank");
        let at = random.below(total);
        let rank = self.cumulative.partition_point(|end| *end <= at);
        u32::try_from(rank).expect("as many ranks as a u32 counts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published first outputs of `SplitMix64` for this seed.
    #[test]
    fn is_splitmix64() {
        let mut random = Random::new(1_234_567);
        let words: [u64; 3] = std::array::from_fn(|_| random.word());
        assert_eq!(
            words,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn stays_within_bounds_and_reaches_them() {
        let mut random = Random::new(1);
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[usize::try_from(random.between(0, 5)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(7, 7), 7);
        assert!(!random.chance(0));
        assert!(random.chance(PPM_WHOLE));
    }

    #[test]
    fn weights_hold() {
        let mut random = Random::new(2);
        let mut seen = [0u32; 3];
        for _ in 0..40_000 {
            seen[random.weighted(&[(1, 0), (0, 1), (3, 2)])] += 1;
        }
        assert!((9_500..10_500).contains(&seen[0]) && seen[1] == 0, "{seen:?}");
    }

    #[test]
    fn spreads_around_the_median() {
        let mut random = Random::new(3);
        let mut values: Vec<u64> = (0..100_001).map(|_| random.around(1_000_000)).collect();
        values.sort_unstable();
        let [tenth, median, ninetieth] = [10_000, 50_000, 90_000].map(|index| values[index]);
        assert!((980_000..1_020_000).contains(&median), "{median}");
        // As far above the median as below it, by ratio.
        let skew = tenth * ninetieth / 1_000_000;
        assert!((950_000..1_050_000).contains(&skew), "{skew}");
        assert!((2_600_000..3_000_000).contains(&ninetieth), "{ninetieth}");
        assert!(values[0] >= 62_500 && values[100_000] < 16_000_000);
    }

    #[test]
    fn zipf_is_skewed() {
        let (mut random, zipf) = (Random::new(4), Zipf::new(100));
        let mut seen = [0u32; 100];
        for _ in 0..200_000 {
            seen[zipf.rank(&mut random) as usize] += 1;
        }
        let ratio = |rank: usize| f64::from(seen[0]) / f64::from(seen[rank]);
        assert!((1.9..2.1).contains(&ratio(1)) && (9.0..11.0).contains(&ratio(9)), "{seen:?}");
        assert!(seen[99] > 0);
    }
}

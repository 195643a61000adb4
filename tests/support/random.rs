//! Random numbers that a seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// Marsaglia's xorshift64.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// From the seed in the environment variable `name`, or from the time; says which.
    pub fn seeded(name: &str) -> Self {
        let seed = std::env::var(name).ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            u64::try_from(since.as_millis()).expect("not that late")
        });
        println!("{name}={seed}");
        Self::new(seed)
    }

    pub fn new(seed: u64) -> Self {
        // Spread out, so that neighbours among seeds aren't neighbours in what follows.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An index of something that has `length` items.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }
}

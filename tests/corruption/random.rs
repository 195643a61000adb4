//! Chance that can be played again.

/// Random numbers that a seed repeats (Marsaglia's xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, case: u64) -> Self {
        let mixed = (seed ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
        let mut random = Self(mixed);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// A place in a file, mostly where something other than zeros stands.
    pub fn used(&mut self, content: &[u8]) -> usize {
        let mut place = 0;
        for _ in 0..20 {
            place = usize::try_from(self.below(content.len() as u64)).unwrap();
            if content[place] != 0 {
                break;
            }
        }
        place
    }
}

//! Chances that fall the same way when a turn is told again.

use crate::Turn;

/// SplitMix64: small, good enough for play, and nothing to keep secrets with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng(u64);

impl Turn {
    /// Chances of this turn for a purpose: the same words give the same chances, others give others.
    #[must_use]
    pub fn rng(&self, purpose: &[&str]) -> Rng {
        // FNV-1a, over the length of each word too, so that their borders count.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.seed;
        for word in purpose {
            for byte in word.bytes().chain((word.len() as u64).to_le_bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Rng::new(hash)
    }
}

impl Rng {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, each as likely as the others; 0 if there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // What is left of the range after its last whole multiple of the bound would favour small numbers.
        let whole = u64::MAX - u64::MAX % bound;
        loop {
            let drawn = self.next_u64();
            if drawn < whole {
                return drawn % bound;
            }
        }
    }

    /// One of them, unless there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(items.len() as u64)).ok()?;
        items.get(index)
    }

    /// One of them, each as likely as its weight says. `None` if all weights are 0.
    pub fn pick_weighted<'a, T>(&mut self, items: &'a [(T, u32)]) -> Option<&'a T> {
        let mut left = self.below(items.iter().map(|(_, weight)| u64::from(*weight)).sum());
        for (item, weight) in items {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return Some(item),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;

//! Chance: one stream for what is drawn anew each turn, and a hash for what stays.

use rand::Rng;
use rand::rngs::Xoshiro256PlusPlus;
use sha2::{Digest, Sha256};

const MAX_DICE: u64 = 1_000;
const MAX_SIDES: u64 = 1_000_000_000;

/// A number below `below` (which is at least 1), evenly from 64 random bits; the same bits always give the same.
fn scaled(bits: u64, below: u64) -> u64 {
    let product = u128::from(bits) * u128::from(below.max(1));
    u64::try_from(product >> 64).unwrap_or(0)
}

/// An index into `count` things.
pub(super) fn draw(random: &mut Xoshiro256PlusPlus, count: usize) -> usize {
    index(random.next_u64(), count)
}

fn index(bits: u64, count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    usize::try_from(scaled(bits, count)).unwrap_or(0)
}

/// The hash of a text that picks are made in.
pub(super) fn content_hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The index that a chat keeps for a place in a text.
pub(super) fn pick(chat_seed: u64, content: &[u8; 32], offset: usize, count: usize) -> usize {
    let offset = u64::try_from(offset).unwrap_or(u64::MAX);
    let hash = Sha256::new()
        .chain_update(chat_seed.to_le_bytes())
        .chain_update(content)
        .chain_update(offset.to_le_bytes())
        .finalize();
    let bits = hash.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    index(bits, count)
}

/// The sum of a throw, `XdY`, `XdY+Z`, `dY` or `Y`; `None` if that is not what `formula` is.
pub(super) fn roll(random: &mut Xoshiro256PlusPlus, formula: &str) -> Option<i64> {
    let formula: String = formula.chars().filter(|c| !c.is_whitespace()).take(64).collect();
    let (dice, rest) = match formula.split_once(['d', 'D']) {
        None => (1, formula.as_str()),
        Some(("", rest)) => (1, rest),
        Some((dice, rest)) => (whole(dice)?, rest),
    };
    let (sides, modifier) = match rest.find(['+', '-']) {
        Some(_) if formula == rest => return None,
        Some(at) => {
            let (sides, modifier) = rest.split_at_checked(at)?;
            let amount = i64::try_from(whole(modifier.get(1..)?)?).ok()?;
            (sides, if modifier.starts_with('-') { -amount } else { amount })
        }
        None => (rest, 0),
    };
    let sides = whole(sides)?;
    if !(1..=MAX_DICE).contains(&dice) || !(1..=MAX_SIDES).contains(&sides) {
        return None;
    }
    let thrown: u64 = (0..dice).map(|_| 1 + scaled(random.next_u64(), sides)).sum();
    i64::try_from(thrown).ok()?.checked_add(modifier)
}

/// A number of digits alone, of a size that sums stay exact with.
fn whole(digits: &str) -> Option<u64> {
    let is_number = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

//! The groups of keys that begin alike, found by the bytes they begin with.

use std::ops::Range;

use super::is_word;

/// Bytes that can make a group.
pub(super) const LONGEST: usize = 8;
pub(super) const CLASSES: [u8; 5] = [1, 2, 3, 4, 8];

/// The bytes that make the group of a key that may stand anywhere.
pub(super) fn class_of(length: usize) -> u8 {
    CLASSES
        .into_iter()
        .rfind(|class| usize::from(*class) <= length)
        .unwrap_or(0)
}

/// The bytes that make the group of a key that is found at words.
pub(super) fn first_word(text: &[u8]) -> u8 {
    let length = text.iter().take(LONGEST).take_while(|byte| is_word(**byte)).count();
    u8::try_from(length).unwrap_or(0)
}

/// The first eight bytes as a number, the first one lowest; zeros for those that are not there.
#[inline]
pub(super) fn head_of(text: &[u8]) -> u64 {
    if let Some(eight) = text.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    text.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte))
}

/// The bytes that make a group.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Code {
    bytes: u64,
    pub(super) length: u8,
}

impl Code {
    /// Of the first `length` of eight bytes.
    #[inline]
    pub(super) fn new(head: u64, length: u8) -> Self {
        let unused = u32::from(8_u8.saturating_sub(length)) * 8;
        Self {
            bytes: if unused < 64 { head << unused >> unused } else { 0 },
            length,
        }
    }

    #[inline]
    const fn hash(self) -> u64 {
        let mixed = self.bytes ^ (self.length as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Keys that begin alike.
pub(super) struct Group {
    pub(super) code: Code,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// From the first bytes to the keys that begin with them: open addressing at half load, behind a filter
/// of bits that stays in the fastest cache.
#[derive(Default)]
pub(super) struct Grams {
    filter: Vec<u64>,
    cells: Vec<Cell>,
}

/// Free if its length is 0.
#[derive(Clone, Copy, Default)]
struct Cell {
    code: Code,
    start: u32,
    end: u32,
}

impl Grams {
    pub(super) fn new(groups: &[Group]) -> Self {
        if groups.is_empty() {
            return Self::default();
        }
        let cells = (groups.len() * 2).next_power_of_two();
        let mut grams = Self {
            filter: vec![0; (groups.len() / 4).next_power_of_two()],
            cells: vec![Cell::default(); cells],
        };
        for group in groups {
            let hash = group.code.hash();
            let (word, bit) = grams.bit(hash);
            if let Some(word) = grams.filter.get_mut(word) {
                *word |= 1 << bit;
            }
            let mut at = grams.home(hash);
            while grams.cells.get(at).is_some_and(|cell| cell.code.length != 0) {
                at = (at + 1) & (cells - 1);
            }
            if let Some(cell) = grams.cells.get_mut(at) {
                *cell = Cell {
                    code: group.code,
                    start: group.start,
                    end: group.end,
                };
            }
        }
        grams
    }

    #[inline]
    fn bit(&self, hash: u64) -> (usize, u64) {
        let hash = hash >> 36;
        (((hash >> 6) & (self.filter.len() as u64 - 1)) as usize, hash & 63)
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        ((hash >> 32) & (self.cells.len() as u64 - 1)) as usize
    }

    /// Empty if no key begins so. Not to be asked of an empty table.
    #[inline]
    pub(super) fn get(&self, code: Code) -> Range<u32> {
        let hash = code.hash();
        let (word, bit) = self.bit(hash);
        if self.filter.get(word).is_none_or(|word| word & (1 << bit) == 0) {
            return 0..0;
        }
        let mut at = self.home(hash);
        while let Some(cell) = self.cells.get(at) {
            if cell.code == code {
                return cell.start..cell.end;
            }
            if cell.code.length == 0 {
                break;
            }
            at = (at + 1) & (self.cells.len() - 1);
        }
        0..0
    }

    pub(super) fn weight(&self) -> usize {
        self.filter.capacity() * size_of::<u64>() + self.cells.capacity() * size_of::<Cell>()
    }
}

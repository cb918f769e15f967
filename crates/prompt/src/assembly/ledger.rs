//! What the prompt costs so far, and the account of its pieces.

use tavern_domain::chat::ChatRole;

use super::output::{Block, PromptTooLarge, Source};
use super::parts::Part;
use crate::tokens::Counter;

/// Budget, tokens and blocks of a prompt that is being built.
pub(super) struct Ledger<'a, 'c> {
    pub(super) counter: &'c Counter,
    pub(super) available: u32,
    pub(super) used: u32,
    /// Which place of the prompt what comes next belongs to.
    pub(super) place: usize,
    blocks: Vec<(usize, Block<'a>)>,
    pub(super) warnings: Vec<String>,
}

impl<'a, 'c> Ledger<'a, 'c> {
    pub(super) const fn new(counter: &'c Counter, available: u32, reserved: u32) -> Self {
        Self {
            counter,
            available,
            used: reserved,
            place: 0,
            blocks: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn count(&self, text: &str) -> u32 {
        self.counter.count(text)
    }

    pub(super) const fn room(&self) -> u32 {
        self.available.saturating_sub(self.used)
    }

    pub(super) const fn charge(&mut self, tokens: u32) {
        self.used = self.used.saturating_add(tokens);
    }

    /// Charges what must be there, whatever room there is.
    pub(super) fn include(&mut self, part: Part<'a>, role: ChatRole, depth: Option<u32>, tokens: u32) {
        self.charge(tokens);
        self.note(part, role, depth, tokens, true);
    }

    /// Accounts for what is left out.
    pub(super) fn leave_out(&mut self, part: Part<'a>, role: ChatRole, depth: Option<u32>, reason: &'static str) {
        let tokens = self.count(&part.text);
        self.note(Part { reason, ..part }, role, depth, tokens, false);
    }

    fn note(&mut self, part: Part<'a>, role: ChatRole, depth: Option<u32>, tokens: u32, included: bool) {
        let block = Block {
            source: part.source,
            label: part.label,
            role,
            depth,
            tokens,
            included,
            reason: part.reason,
            text: part.text,
            messages: 0..0,
        };
        self.blocks.push((self.place, block));
    }

    /// Accounts for messages of the chat; [`Self::charge`] has been paid, or never will be.
    pub(super) fn history(&mut self, block: Block<'a>) {
        self.blocks.push((self.place, block));
    }

    /// The blocks by place.
    pub(super) fn into_blocks(mut self) -> (Vec<Block<'a>>, Vec<String>) {
        self.blocks.sort_by_key(|(place, _)| *place);
        (self.blocks.into_iter().map(|(_, block)| block).collect(), self.warnings)
    }

    /// Charges parts that make one text, joined by line breaks; the first one pays `overhead` as well.
    pub(super) fn include_joined(&mut self, parts: Vec<Part<'a>>, role: ChatRole, overhead: u32) -> String {
        let mut text = String::new();
        for (index, part) in parts.into_iter().enumerate() {
            let join = if index == 0 { overhead } else { 1 };
            if index > 0 {
                text.push('\n');
            }
            text.push_str(&part.text);
            let tokens = self.count(&part.text).saturating_add(join);
            self.include(part, role, None, tokens);
        }
        text
    }

    /// Charges parts that stand inside of `text`; the first one pays for what is around them.
    pub(super) fn include_within(&mut self, parts: Vec<Part<'a>>, text: &str, role: ChatRole, overhead: u32) {
        let inside = parts
            .iter()
            .fold(0_u32, |sum, part| sum.saturating_add(self.count(&part.text)));
        let mut around = self.count(text).saturating_sub(inside).saturating_add(overhead);
        for part in parts {
            let tokens = self.count(&part.text).saturating_add(around);
            self.include(part, role, None, tokens);
            around = 0;
        }
    }

    /// # Errors
    /// [`PromptTooLarge`], if what is charged so far, and `newest` for the newest message, does not fit.
    pub(super) fn check(&self, newest: u32) -> Result<(), PromptTooLarge> {
        let needed = self.used.saturating_add(newest);
        if needed <= self.available {
            return Ok(());
        }
        let mut parts: Vec<(Source, u32)> = Vec::new();
        let blocks = self
            .blocks
            .iter()
            .map(|(_, block)| block)
            .filter(|block| block.included);
        let newest = (newest > 0).then_some((Source::History, newest));
        for (source, tokens) in blocks.map(|block| (block.source, block.tokens)).chain(newest) {
            match parts.iter_mut().find(|(other, _)| *other == source) {
                Some((_, sum)) => *sum = sum.saturating_add(tokens),
                None => parts.push((source, tokens)),
            }
        }
        Err(PromptTooLarge {
            needed,
            available: self.available,
            parts,
        })
    }
}

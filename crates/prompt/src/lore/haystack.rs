//! What is scanned in one activation: the texts, and where in them each key was found.
//!
//! A text is scanned once, when it comes into reach: a message when the depth gets to it, an entry's
//! content when the entry activates. Where a literal key was found is kept per key, a message by its
//! distance from the end, so that another depth is another comparison, not another scan. Patterns see
//! the texts joined (each begins with `\x01`), as SillyTavern's do, and are tried anew when these grow.

mod dynamic;
mod patterns;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use dynamic::Dynamic;
use patterns::Joined;
use tavern_domain::lore::ScanAlso;

use super::index::{Inner, KeyKind};
use super::matcher::Work;
use super::report::{MatchedIn, ScannedField};
use super::text::{fold, trim, without_asides};
use super::{LoreScan, ScanMessage};
use crate::js_regex::Allowance;
use crate::macros::Macros;

/// Messages that are ever looked at.
pub(super) const MAX_DEPTH: usize = 1_000;
/// Bytes looked at and steps taken in one activation: a second's worth, at the worst.
const MAX_WORK: u64 = 1 << 27;
/// How many patterns may take as much as one may at most; all share that.
const ALLOWANCE: u64 = 20;

/// What an entry sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct View {
    /// Messages; at 0 nothing at all is seen.
    pub depth: u32,
    /// Bits of [`field_bits`].
    pub fields: u8,
    /// The contents of entries that were activated.
    pub lore: bool,
}

pub(super) const fn field_bits(also: ScanAlso) -> u8 {
    also.persona_description as u8
        | (also.character_description as u8) << 1
        | (also.character_personality as u8) << 2
        | (also.character_depth_prompt as u8) << 3
        | (also.scenario as u8) << 4
        | (also.creator_notes as u8) << 5
}

/// A text that is scanned.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// From the newest.
    Message(u32),
    /// Its bit's number.
    Field(u8),
    Injection(u32),
    /// The rank of the entry.
    Lore(u32),
}

const NOWHERE: u32 = u32::MAX;

/// The first places where a key was found.
#[derive(Clone, Copy)]
struct Hit {
    message: u32,
    injection: u32,
    lore: u32,
    fields: u8,
}

impl Hit {
    const NONE: Self = Self {
        message: NOWHERE,
        injection: NOWHERE,
        lore: NOWHERE,
        fields: 0,
    };

    const fn add(&mut self, place: Place) {
        match place {
            Place::Message(message) if self.message == NOWHERE => self.message = message,
            Place::Injection(injection) if self.injection == NOWHERE => self.injection = injection,
            Place::Lore(rank) if self.lore == NOWHERE => self.lore = rank,
            Place::Field(field) => self.fields |= 1 << field,
            _ => {}
        }
    }

    const fn seen(&self, view: View) -> Option<Place> {
        let fields = self.fields & view.fields;
        if view.depth == 0 {
            None
        } else if self.message < view.depth {
            Some(Place::Message(self.message))
        } else if fields != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "a byte has eight bits")]
            let field = fields.trailing_zeros() as u8;
            Some(Place::Field(field))
        } else if self.injection != NOWHERE {
            Some(Place::Injection(self.injection))
        } else if view.lore && self.lore != NOWHERE {
            Some(Place::Lore(self.lore))
        } else {
            None
        }
    }
}

pub(super) struct Haystack<'a> {
    index: &'a Inner,
    scan: &'a LoreScan<'a>,
    names: bool,
    /// Per slot, of the index's matcher and then of the dynamic one: one more than its place in `hits`.
    hit_of: Vec<u32>,
    hits: Vec<Hit>,
    dynamic: Dynamic,
    messages: usize,
    /// Contents of activated entries, for patterns: one text for each pass, and each with its rank.
    lore: Vec<String>,
    contents: Vec<(u32, String)>,
    joined: HashMap<(u32, u8), Joined>,
    tried: HashMap<(u32, View), bool>,
    /// Entries that a key was found for, in no order, some more than once.
    touched: Vec<u32>,
    /// What patterns may still take.
    allowance: Allowance,
    /// A pattern was not tried to its end.
    pub gave_up: bool,
    pub work: Work,
}

impl<'a> Haystack<'a> {
    /// Scans what does not depend on depth; messages come with [`Self::reach`].
    pub(super) fn new(index: &'a Inner, scan: &'a LoreScan<'a>, macros: &mut Macros<'_>) -> Self {
        let dynamic = Dynamic::new(index, macros);
        let mut haystack = Self {
            index,
            scan,
            names: index.settings.include_names,
            hit_of: vec![0; index.matcher.slots() + dynamic.matcher.slots()],
            hits: Vec::new(),
            dynamic,
            messages: 0,
            lore: Vec::new(),
            contents: Vec::new(),
            joined: HashMap::new(),
            tried: HashMap::new(),
            touched: Vec::new(),
            allowance: Allowance::CALL.times(ALLOWANCE),
            gave_up: false,
            work: Work::new(MAX_WORK),
        };
        for (number, text) in (0..).zip(haystack.fields()) {
            haystack.look_into(&text, Place::Field(number));
        }
        for (number, text) in (0..).zip(&scan.injections) {
            haystack.look_into(&without_asides(trim(text)), Place::Injection(number));
        }
        haystack
    }

    /// In the order of [`field_bits`].
    fn fields(&self) -> [Cow<'a, str>; 6] {
        let scan = self.scan;
        [
            scan.persona_description,
            scan.character_description,
            scan.character_personality,
            scan.character_depth_prompt,
            scan.scenario,
            scan.creator_notes,
        ]
        .map(|text| without_asides(trim(text)))
    }

    fn message(&self, message: &ScanMessage<'a>) -> Cow<'a, str> {
        let text = without_asides(message.text);
        if self.names && !message.name.is_empty() {
            Cow::Owned(format!("{}: {}", message.name, trim(&text)))
        } else {
            match text {
                Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
                Cow::Owned(text) => Cow::Owned(trim(&text).to_owned()),
            }
        }
    }

    /// Scans the messages down to `depth` that were not scanned yet.
    pub(super) fn reach(&mut self, depth: u32) {
        let depth = (depth as usize).min(MAX_DEPTH);
        while self.messages < depth {
            let Some(message) = self.scan.messages.get(self.messages) else {
                break;
            };
            let text = self.message(message);
            self.look_into(&text, Place::Message(u32::try_from(self.messages).unwrap_or(NOWHERE)));
            self.messages += 1;
        }
    }

    /// Scans what the entries of a pass brought in: each text with the rank of its entry.
    pub(super) fn add_lore<'t>(&mut self, texts: impl Iterator<Item = (u32, &'t str)>) {
        let mut joined = String::new();
        for (rank, text) in texts {
            self.look_into(text, Place::Lore(rank));
            if self.uses_patterns() {
                if !joined.is_empty() {
                    joined.push('\n');
                }
                joined.push_str(text);
                self.contents.push((rank, text.to_owned()));
            }
        }
        if !joined.is_empty() {
            self.lore.push(joined);
            self.tried.clear();
        }
    }

    fn uses_patterns(&self) -> bool {
        !self.index.patterns.is_empty() || !self.dynamic.patterns.is_empty()
    }

    fn look_into(&mut self, text: &str, place: Place) {
        if text.is_empty() {
            return;
        }
        let folded = fold(text);
        let index = self.index;
        let (raw, folded) = (text.as_bytes(), folded.as_bytes());
        let Self {
            hit_of,
            hits,
            dynamic,
            touched,
            work,
            ..
        } = self;
        let mut note = |slot: usize| {
            let Some(number) = hit_of.get_mut(slot) else {
                return false;
            };
            let fresh = *number == 0;
            if fresh {
                hits.push(Hit::NONE);
                *number = u32::try_from(hits.len()).unwrap_or_default();
            }
            if let Some(hit) = hits.get_mut((*number as usize).wrapping_sub(1)) {
                hit.add(place);
            }
            fresh
        };
        index.matcher.scan(raw, folded, work, |slot| {
            if note(slot as usize) {
                touched.extend_from_slice(index.matcher.owners(slot));
            }
        });
        let first = index.matcher.slots();
        dynamic.matcher.scan(raw, folded, work, |slot| {
            note(first + slot as usize);
        });
    }

    /// The entries that a key was found for since this was asked last; some more than once.
    pub(super) fn take_touched(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.touched)
    }

    /// Whether a key (of [`Inner::keys`]) is somewhere in what `view` sees.
    pub(super) fn has(&mut self, key: u32, view: View) -> bool {
        match self.kind(key) {
            KeyKind::Literal(slot) => self.hit(slot).is_some_and(|hit| hit.seen(view).is_some()),
            KeyKind::Pattern(pattern) => self.try_pattern(pattern, view),
            KeyKind::Dynamic(_) | KeyKind::Never => false,
        }
    }

    /// How a key is matched in this scan.
    fn kind(&self, key: u32) -> KeyKind {
        match self.index.keys.get(key as usize).map(|key| key.kind) {
            Some(KeyKind::Dynamic(number)) => self
                .dynamic
                .kinds
                .get(number as usize)
                .copied()
                .unwrap_or(KeyKind::Never),
            Some(kind) => kind,
            None => KeyKind::Never,
        }
    }

    fn hit(&self, slot: u32) -> Option<&Hit> {
        let number = *self.hit_of.get(slot as usize)? as usize;
        self.hits.get(number.checked_sub(1)?)
    }

    /// Where a key was found, for people; for a pattern, the first text that has it alone.
    pub(super) fn whereabouts(&mut self, key: u32, view: View) -> Option<MatchedIn> {
        match self.kind(key) {
            KeyKind::Literal(slot) => {
                let place = self.hit(slot)?.seen(view)?;
                Some(self.named(place))
            }
            KeyKind::Pattern(number) => Some(self.locate(number, view)),
            KeyKind::Dynamic(_) | KeyKind::Never => None,
        }
    }

    fn named(&self, place: Place) -> MatchedIn {
        match place {
            Place::Message(message) => MatchedIn::Message(message),
            Place::Injection(injection) => MatchedIn::Injection(injection),
            Place::Field(field) => MatchedIn::Field(match field {
                0 => ScannedField::PersonaDescription,
                1 => ScannedField::CharacterDescription,
                2 => ScannedField::CharacterPersonality,
                3 => ScannedField::CharacterDepthPrompt,
                4 => ScannedField::Scenario,
                _ => ScannedField::CreatorNotes,
            }),
            Place::Lore(rank) => {
                let entry = self.index.entries.get(rank as usize);
                MatchedIn::Lore(
                    entry
                        .map(|entry| {
                            let name = if entry.comment.is_empty() {
                                &entry.key
                            } else {
                                &entry.comment
                            };
                            Arc::clone(name)
                        })
                        .unwrap_or_default(),
                )
            }
        }
    }
}

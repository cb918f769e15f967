//! Escapes and classes of characters.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::sets::{digits, negated, set, space, word};
use super::{Assert, Node, Parser};

/// What an escape stands for.
enum Item {
    Char(char),
    Set(ClassUnicode),
}

impl Parser {
    pub(super) fn escape(&mut self) -> Option<Node> {
        let c = self.peek()?;
        match c {
            'b' | 'B' => {
                self.at += 1;
                return Some(Node::Assert(if c == 'b' { Assert::Word } else { Assert::NotWord }));
            }
            'k' if self.flags.unicode || !self.names.is_empty() => {
                self.at += 1;
                if !self.eat("<") {
                    return None;
                }
                let name = self.name()?;
                let groups: Vec<_> = self
                    .names
                    .iter()
                    .filter(|(other, _)| *other == name)
                    .map(|(_, index)| *index)
                    .collect();
                return if groups.is_empty() {
                    None
                } else {
                    Some(self.backref(groups))
                };
            }
            '1'..='9' => {
                let start = self.at;
                let group = usize::try_from(self.number()?).ok()?;
                if group <= self.total {
                    return Some(self.backref(vec![group]));
                }
                self.at = start;
            }
            _ => {}
        }
        Some(Node::Set(match self.item(false)? {
            Item::Char(c) => self.folded(set(&[(c, c)])),
            Item::Set(class) => class,
        }))
    }

    fn backref(&mut self, groups: Vec<usize>) -> Node {
        self.backtracks = true;
        Node::Backref {
            groups,
            ignore_case: self.flags.ignore_case,
        }
    }

    /// What follows a backslash, where it is one character or a set of them.
    fn item(&mut self, in_class: bool) -> Option<Item> {
        let c = self.next()?;
        Some(match c {
            'd' => Item::Set(digits()),
            'D' => Item::Set(negated(digits())),
            'w' => Item::Set(word()),
            'W' => Item::Set(negated(word())),
            's' => Item::Set(space()),
            'S' => Item::Set(negated(space())),
            'p' | 'P' if self.peek() == Some('{') => Item::Set(self.property(c == 'P')?),
            't' => Item::Char('\t'),
            'n' => Item::Char('\n'),
            'v' => Item::Char('\u{b}'),
            'f' => Item::Char('\u{c}'),
            'r' => Item::Char('\r'),
            'b' if in_class => Item::Char('\u{8}'),
            'c' => match self.peek() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.at += 1;
                    Item::Char(char::from_u32(u32::from(letter) % 32)?)
                }
                _ => {
                    self.at -= 1;
                    Item::Char('\\')
                }
            },
            '0'..='7' => {
                self.at -= 1;
                Item::Char(self.octal())
            }
            'x' => Item::Char(self.hex(2).and_then(char::from_u32).unwrap_or('x')),
            'u' => Item::Char(self.code_point()?),
            c => Item::Char(c),
        })
    }

    /// Up to three octal digits, 255 at the most.
    fn octal(&mut self) -> char {
        let mut value = 0_u8;
        for _ in 0..3 {
            let digit = self
                .peek()
                .and_then(|c| c.to_digit(8))
                .and_then(|d| u8::try_from(d).ok());
            let Some(next) = digit.and_then(|digit| value.checked_mul(8)?.checked_add(digit)) else {
                break;
            };
            self.at += 1;
            value = next;
        }
        char::from(value)
    }

    /// Exactly so many digits, or nothing is read.
    fn hex(&mut self, digits: usize) -> Option<u32> {
        let text = self.chars.get(self.at..self.at + digits)?;
        let value = text
            .iter()
            .try_fold(0_u32, |value, c| Some(value * 16 + c.to_digit(16)?))?;
        self.at += digits;
        Some(value)
    }

    /// Behind `\u`. Half of a surrogate pair alone is no character, so there is no pattern for it.
    fn code_point(&mut self) -> Option<char> {
        if self.eat("{") {
            let mut value = 0_u32;
            loop {
                match self.next()? {
                    '}' => return char::from_u32(value),
                    c => value = value.checked_mul(16)?.checked_add(c.to_digit(16)?)?,
                }
            }
        }
        let Some(unit) = self.hex(4) else {
            return Some('u');
        };
        if (0xd800..0xdc00).contains(&unit) && self.eat("\\u") {
            let low = self.hex(4).filter(|low| (0xdc00..0xe000).contains(low))?;
            return char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        }
        char::from_u32(unit)
    }

    /// `{Name}` or `{Name=Value}`, as the Unicode tables at hand know it.
    fn property(&mut self, negative: bool) -> Option<ClassUnicode> {
        self.at += 1;
        let mut name = String::new();
        loop {
            match self.next()? {
                '}' => break,
                c if c.is_ascii_alphanumeric() || c == '_' || c == '=' => name.push(c),
                _ => return None,
            }
        }
        let hir = regex_syntax::parse(&format!("\\p{{{name}}}")).ok()?;
        let class = match hir.into_kind() {
            HirKind::Class(Class::Unicode(class)) => class,
            // A property of one character only.
            HirKind::Literal(literal) => {
                let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
                set(&[(c, c)])
            }
            _ => return None,
        };
        Some(if negative { negated(class) } else { class })
    }

    /// Behind `[`.
    pub(super) fn class(&mut self) -> Option<ClassUnicode> {
        let negative = self.eat("^");
        let mut class = ClassUnicode::empty();
        while !self.eat("]") {
            let first = self.class_item()?;
            let is_range = self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|&c| c != ']');
            if !is_range {
                add(&mut class, first);
                continue;
            }
            self.at += 1;
            match (first, self.class_item()?) {
                (Item::Char(a), Item::Char(b)) if a <= b => class.push(ClassUnicodeRange::new(a, b)),
                (Item::Char(_), Item::Char(_)) => return None,
                (first, last) => {
                    add(&mut class, first);
                    add(&mut class, Item::Char('-'));
                    add(&mut class, last);
                }
            }
        }
        let class = self.folded(class);
        Some(if negative { negated(class) } else { class })
    }

    fn class_item(&mut self) -> Option<Item> {
        match self.next()? {
            '\\' => self.item(true),
            c => Some(Item::Char(c)),
        }
    }
}

fn add(class: &mut ClassUnicode, item: Item) {
    match item {
        Item::Char(c) => class.push(ClassUnicodeRange::new(c, c)),
        Item::Set(other) => class.union(&other),
    }
}

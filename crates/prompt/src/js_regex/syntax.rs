//! The grammar of JavaScript patterns (ECMAScript with its annex B, which browsers follow), read into a tree.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Characters of a pattern.
const MAX_PATTERN: usize = 16_384;
/// Groups inside groups.
const MAX_DEPTH: usize = 100;

/// A pattern as a tree, no deeper than [`MAX_DEPTH`] groups.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Empty,
    /// One character of a set; case is folded already.
    Set(ClassUnicode),
    Cat(Vec<Self>),
    Alt(Vec<Self>),
    Repeat {
        node: Box<Self>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
        /// The groups inside, which each round forgets.
        groups: (usize, usize),
    },
    Group {
        index: usize,
        node: Box<Self>,
    },
    Assert(Assert),
    Look {
        ahead: bool,
        negative: bool,
        node: Box<Self>,
    },
    /// What one of these groups has matched: several, if they share a name.
    Backref {
        groups: Vec<usize>,
        ignore_case: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assert {
    Start,
    End,
    LineStart,
    LineEnd,
    Word,
    NotWord,
}

/// The flags that say how to read a pattern.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_all: bool,
    pub(super) unicode: bool,
}

/// A pattern that was understood.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: Node,
    /// Capturing groups, the whole match not counted.
    pub(super) groups: usize,
    pub(super) names: Vec<(String, usize)>,
    /// Look-around or back-references: nothing for a finite automaton.
    pub(super) backtracks: bool,
}

pub(super) fn parse(pattern: &str, flags: Flags) -> Option<Parsed> {
    let chars: Vec<char> = pattern.chars().take(MAX_PATTERN + 1).collect();
    if chars.len() > MAX_PATTERN {
        return None;
    }
    let (total, names) = groups_of(&chars);
    let mut parser = Parser {
        chars,
        at: 0,
        flags,
        depth: 0,
        groups: 0,
        total,
        names,
        backtracks: false,
    };
    let node = parser.disjunction()?;
    (parser.at == parser.chars.len()).then_some(Parsed {
        node,
        groups: parser.groups,
        names: parser.names,
        backtracks: parser.backtracks,
    })
}

/// How many groups there are, and which have names: what `\1` and `\k` mean depends on groups further on.
fn groups_of(chars: &[char]) -> (usize, Vec<(String, usize)>) {
    let (mut total, mut names) = (0, Vec::new());
    let mut in_class = false;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        match c {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => match chars.get(at + 1..) {
                Some(['?', '<', next, ..]) if !matches!(next, '=' | '!') => {
                    total += 1;
                    let name = chars.iter().skip(at + 3).take_while(|&&c| c != '>').collect();
                    names.push((name, total));
                }
                Some(['?', ..]) => {}
                _ => total += 1,
            },
            _ => {}
        }
        at += 1;
    }
    (total, names)
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    flags: Flags,
    depth: usize,
    groups: usize,
    total: usize,
    names: Vec<(String, usize)>,
    backtracks: bool,
}

/// What an escape stands for.
enum Item {
    Char(char),
    Set(ClassUnicode),
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let length = text.chars().count();
        let found = rest.len() >= length && rest.iter().copied().zip(text.chars()).all(|(a, b)| a == b);
        if found {
            self.at += length;
        }
        found
    }

    fn disjunction(&mut self) -> Option<Node> {
        let mut branches = vec![self.alternative()?];
        while self.eat("|") {
            branches.push(self.alternative()?);
        }
        match branches.len() {
            1 => branches.pop(),
            _ => Some(Node::Alt(branches)),
        }
    }

    fn alternative(&mut self) -> Option<Node> {
        let mut terms = Vec::new();
        while self.peek().is_some_and(|c| c != '|' && c != ')') {
            terms.push(self.term()?);
        }
        match terms.len() {
            0 => Some(Node::Empty),
            1 => terms.pop(),
            _ => Some(Node::Cat(terms)),
        }
    }

    fn term(&mut self) -> Option<Node> {
        let groups_before = self.groups;
        let node = match self.peek()? {
            '*' | '+' | '?' => return None,
            '{' if self.quantifier().is_some() => return None,
            '(' => self.group()?,
            _ => self.atom()?,
        };
        let repeatable = !matches!(node, Node::Assert(_) | Node::Look { ahead: false, .. });
        let before = self.at;
        let Some((min, max)) = self.quantifier() else {
            self.at = before;
            return Some(node);
        };
        let greedy = !self.eat("?");
        if !repeatable || max.is_some_and(|max| max < min) {
            return None;
        }
        Some(Node::Repeat {
            node: Box::new(node),
            min,
            max,
            greedy,
            groups: (groups_before + 1, self.groups + 1),
        })
    }

    /// Reads a quantifier; where there is none, the position is undefined.
    fn quantifier(&mut self) -> Option<(u32, Option<u32>)> {
        let start = self.at;
        let found = match self.next()? {
            '*' => Some((0, None)),
            '+' => Some((1, None)),
            '?' => Some((0, Some(1))),
            '{' => self.braces(),
            _ => None,
        };
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn braces(&mut self) -> Option<(u32, Option<u32>)> {
        let min = self.number()?;
        let max = if self.eat(",") {
            if self.peek() == Some('}') {
                None
            } else {
                Some(self.number()?)
            }
        } else {
            Some(min)
        };
        self.eat("}").then_some((min, max))
    }

    fn number(&mut self) -> Option<u32> {
        let mut number: Option<u32> = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            self.at += 1;
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        }
        number
    }

    fn group(&mut self) -> Option<Node> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let flags = self.flags;
        let node = if !self.eat("?") {
            self.capture()?
        } else if self.eat("=") {
            self.look(true, false)?
        } else if self.eat("!") {
            self.look(true, true)?
        } else if self.eat("<=") {
            self.look(false, false)?
        } else if self.eat("<!") {
            self.look(false, true)?
        } else if self.eat("<") {
            let name = self.name()?;
            if !name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$') {
                return None;
            }
            self.capture()?
        } else {
            self.modifiers()?;
            self.disjunction()?
        };
        self.flags = flags;
        self.depth -= 1;
        self.eat(")").then_some(node)
    }

    fn capture(&mut self) -> Option<Node> {
        self.groups += 1;
        let index = self.groups;
        Some(Node::Group {
            index,
            node: Box::new(self.disjunction()?),
        })
    }

    fn look(&mut self, ahead: bool, negative: bool) -> Option<Node> {
        self.backtracks = true;
        Some(Node::Look {
            ahead,
            negative,
            node: Box::new(self.disjunction()?),
        })
    }

    /// `name>`
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            match self.next()? {
                '>' => return (!name.is_empty()).then_some(name),
                c if c.is_alphanumeric() || c == '_' || c == '$' => name.push(c),
                _ => return None,
            }
        }
    }

    /// `ims-ims:`
    fn modifiers(&mut self) -> Option<()> {
        let mut value = true;
        loop {
            match self.next()? {
                ':' => return Some(()),
                '-' if value => value = false,
                'i' => self.flags.ignore_case = value,
                'm' => self.flags.multi_line = value,
                's' => self.flags.dot_all = value,
                _ => return None,
            }
        }
    }

    fn atom(&mut self) -> Option<Node> {
        let multi_line = self.flags.multi_line;
        Some(match self.next()? {
            '^' if multi_line => Node::Assert(Assert::LineStart),
            '^' => Node::Assert(Assert::Start),
            '$' if multi_line => Node::Assert(Assert::LineEnd),
            '$' => Node::Assert(Assert::End),
            '.' if self.flags.dot_all => Node::Set(any()),
            '.' => Node::Set(negated(set(&[('\n', '\n'), ('\r', '\r'), ('\u{2028}', '\u{2029}')]))),
            '[' => Node::Set(self.class()?),
            '\\' => self.escape()?,
            c => Node::Set(self.folded(set(&[(c, c)]))),
        })
    }

    fn escape(&mut self) -> Option<Node> {
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
    fn class(&mut self) -> Option<ClassUnicode> {
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

    /// With the other cases of its letters, if case is to be ignored.
    fn folded(&self, class: ClassUnicode) -> ClassUnicode {
        if !self.flags.ignore_case {
            return class;
        }
        let mut folded = class.clone();
        folded.case_fold_simple();
        if !self.flags.unicode {
            // Without the flag `u`, no letter beyond ASCII is the other case of one within it.
            let mut foreign = set(&[('\u{17f}', '\u{17f}'), ('\u{212a}', '\u{212a}')]);
            foreign.difference(&class);
            folded.difference(&foreign);
        }
        folded
    }
}

fn add(class: &mut ClassUnicode, item: Item) {
    match item {
        Item::Char(c) => class.push(ClassUnicodeRange::new(c, c)),
        Item::Set(other) => class.union(&other),
    }
}

fn set(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|&(start, end)| ClassUnicodeRange::new(start, end)))
}

fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}

fn any() -> ClassUnicode {
    set(&[('\0', char::MAX)])
}

fn digits() -> ClassUnicode {
    set(&[('0', '9')])
}

fn word() -> ClassUnicode {
    set(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')])
}

fn space() -> ClassUnicode {
    set(&[
        ('\t', '\r'),
        (' ', ' '),
        ('\u{a0}', '\u{a0}'),
        ('\u{1680}', '\u{1680}'),
        ('\u{2000}', '\u{200a}'),
        ('\u{2028}', '\u{2029}'),
        ('\u{202f}', '\u{202f}'),
        ('\u{205f}', '\u{205f}'),
        ('\u{3000}', '\u{3000}'),
        ('\u{feff}', '\u{feff}'),
    ])
}

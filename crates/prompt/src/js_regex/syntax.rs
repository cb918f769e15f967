//! The grammar of JavaScript patterns (ECMAScript with its annex B, which browsers follow), read into a tree.

mod escape;
mod sets;

use regex_syntax::hir::ClassUnicode;

use sets::{any, negated, set};

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

//! Dice notation: what is rolled, and how much of it at the most.
//!
//! ```text
//! expression = [sign] term { sign term }
//! term       = number | dice
//! dice       = [count] "d" (faces | "%") { "!" | ("kh" | "kl" | "k" | "dh" | "dl") [count] }
//! ```

use std::fmt;

use tavern_extension::Rng;

/// Bytes of an expression.
const MAX_BYTES: usize = 100;
/// Dice of an expression, before any explode.
const MAX_DICE: u32 = 100;
/// Dice that explosions may add to a term.
const MAX_EXPLOSIONS: u32 = 100;
const MAX_FACES: u32 = 10_000;
const MAX_NUMBER: u32 = 1_000_000;

/// Terms that are added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(Vec<Term>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    negative: bool,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Number(u32),
    Dice(Dice),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Dice {
    count: u32,
    faces: u32,
    explode: bool,
    keep: Option<Keep>,
}

/// Which dice count, after sorting them from the lowest to the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Highest(u32),
    Lowest(u32),
}

/// What was rolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    pub total: i64,
    /// Every die, in the order they fell; those that were dropped too.
    pub dice: Vec<u32>,
    /// Such as `[3, 5, (1)] + 1 = 9`: what is in parentheses was dropped.
    pub detail: String,
}

impl Expression {
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("dice have at most {MAX_BYTES} bytes"));
        }
        let compact: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(|byte| byte.to_ascii_lowercase())
            .collect();
        let mut reader = Reader(&compact);
        let mut terms = Vec::new();
        let mut dice = 0;
        loop {
            let negative = reader.take("-");
            if !negative && !reader.take("+") && !terms.is_empty() {
                return Err(format!("`{text}` goes on after its dice; put + or - in between"));
            }
            let value = reader.value().map_err(|error| format!("`{text}`: {error}"))?;
            if let Value::Dice(term) = &value {
                dice += term.count;
            }
            terms.push(Term { negative, value });
            if reader.0.is_empty() {
                break;
            }
        }
        if dice > MAX_DICE {
            return Err(format!("`{text}`: at most {MAX_DICE} dice are rolled at once"));
        }
        Ok(Self(terms))
    }

    pub fn roll(&self, rng: &mut Rng) -> Roll {
        let mut roll = Roll {
            total: 0,
            dice: Vec::new(),
            detail: String::new(),
        };
        for (index, term) in self.0.iter().enumerate() {
            let sign = match (index, term.negative) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            let (sum, detail) = match &term.value {
                Value::Number(number) => (i64::from(*number), number.to_string()),
                Value::Dice(dice) => dice.roll(rng, &mut roll.dice),
            };
            roll.total += if term.negative { -sum } else { sum };
            roll.detail += sign;
            roll.detail += &detail;
        }
        roll.detail += &format!(" = {}", roll.total);
        roll
    }
}

impl Dice {
    /// Its sum, and its dice as text; adds them to `all`.
    fn roll(&self, rng: &mut Rng, all: &mut Vec<u32>) -> (i64, String) {
        let mut fallen = Vec::new();
        let mut explosions = 0;
        for _ in 0..self.count {
            loop {
                // At most `MAX_FACES`, which fits.
                let die = 1 + rng.below(u64::from(self.faces)) as u32;
                fallen.push(die);
                if !self.explode || die < self.faces || explosions == MAX_EXPLOSIONS {
                    break;
                }
                explosions += 1;
            }
        }
        let mut order: Vec<usize> = (0..fallen.len()).collect();
        order.sort_by_key(|&index| fallen[index]);
        let kept = match self.keep {
            None => &order[..],
            Some(Keep::Highest(count)) => &order[order.len().saturating_sub(count as usize)..],
            Some(Keep::Lowest(count)) => &order[..order.len().min(count as usize)],
        };
        let shown: Vec<String> = (0..fallen.len())
            .map(|index| match kept.contains(&index) {
                true => fallen[index].to_string(),
                false => format!("({})", fallen[index]),
            })
            .collect();
        let sum = kept.iter().map(|&index| i64::from(fallen[index])).sum();
        all.append(&mut fallen);
        (sum, format!("[{}]", shown.join(", ")))
    }
}

/// What is left to read, without spaces and in lower case.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text.as_bytes()) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn number(&mut self) -> Result<Option<u32>, String> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        if number.is_empty() {
            return Ok(None);
        }
        std::str::from_utf8(number)
            .ok()
            .and_then(|number| number.parse().ok())
            .filter(|number| *number <= MAX_NUMBER)
            .map(Some)
            .ok_or_else(|| format!("numbers go up to {MAX_NUMBER}"))
    }

    fn value(&mut self) -> Result<Value, String> {
        let count = self.number()?;
        if !self.take("d") {
            return count
                .map(Value::Number)
                .ok_or_else(|| "dice such as 2d6 are missing".into());
        }
        let count = count.unwrap_or(1);
        if !(1..=MAX_DICE).contains(&count) {
            return Err(format!("1 to {MAX_DICE} dice are rolled"));
        }
        let faces = match self.take("%") {
            true => 100,
            false => self.number()?.ok_or("how many faces do the dice have?")?,
        };
        if !(1..=MAX_FACES).contains(&faces) {
            return Err(format!("a die has 1 to {MAX_FACES} faces"));
        }
        let mut dice = Dice {
            count,
            faces,
            explode: false,
            keep: None,
        };
        loop {
            if self.take("!") {
                if faces == 1 {
                    return Err("a die of one face cannot explode".into());
                }
                dice.explode = true;
            } else if let Some(keep) = self.keep(count)? {
                if dice.keep.replace(keep).is_some() {
                    return Err("dice are kept or dropped once".into());
                }
            } else {
                return Ok(Value::Dice(dice));
            }
        }
    }

    /// Dropping some is keeping the others.
    fn keep(&mut self, count: u32) -> Result<Option<Keep>, String> {
        type Make = fn(u32, u32) -> Keep;
        let kinds: [(&str, Make); 5] = [
            ("kh", |_, number| Keep::Highest(number)),
            ("kl", |_, number| Keep::Lowest(number)),
            ("k", |_, number| Keep::Highest(number)),
            ("dh", |count, number| Keep::Lowest(count - number)),
            ("dl", |count, number| Keep::Highest(count - number)),
        ];
        for (name, make) in kinds {
            if self.take(name) {
                let number = self.number()?.unwrap_or(1);
                if number > count {
                    return Err(format!("{number} of {count} dice cannot be kept or dropped"));
                }
                return Ok(Some(make(count, number)));
            }
        }
        Ok(None)
    }
}

impl fmt::Display for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

#[cfg(test)]
mod tests;

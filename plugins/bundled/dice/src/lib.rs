//! Dice and random tables: macros for texts, functions for the model.
//!
//! Chances come from the turn, the name and the arguments: a turn that is told again rolls the same, and two
//! equal calls in a turn are one roll. An index tells them apart.

mod expression;

use std::collections::BTreeMap;

use expression::Expression;
use serde::Deserialize;
use tavern_extension::*;

#[derive(Extension, Deserialize, Default)]
#[hooks(Lifecycle, MacroProvider, Tool)]
#[serde(default)]
pub struct Dice {
    detailed: bool,
    tables: BTreeMap<String, Vec<Entry>>,
}

/// An entry of a table; without a weight, it weighs 1.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(String),
    Weighted { text: String, weight: u32 },
}

impl Entry {
    fn text_and_weight(&self) -> (&str, u32) {
        match self {
            Self::Plain(text) => (text, 1),
            Self::Weighted { text, weight } => (text, *weight),
        }
    }
}

impl Dice {
    fn draw(&self, table: &str, mut rng: Rng) -> std::result::Result<String, String> {
        let entries = self.tables.get(table).ok_or_else(|| {
            let names: Vec<_> = self.tables.keys().map(String::as_str).collect();
            format!("there is no table `{table}`; there are: {}", names.join(", "))
        })?;
        let entries: Vec<_> = entries.iter().map(Entry::text_and_weight).collect();
        let text = rng
            .pick_weighted(&entries)
            .ok_or_else(|| format!("the table `{table}` has no entries"))?;
        roll_inside(text, &mut rng)
    }
}

/// Rolls the dice in double brackets.
fn roll_inside(text: &str, rng: &mut Rng) -> std::result::Result<String, String> {
    let mut rolled = String::new();
    let mut rest = text;
    while let Some((before, (dice, after))) = rest
        .split_once("[[")
        .and_then(|(before, inside)| Some((before, inside.split_once("]]")?)))
    {
        rolled += before;
        rolled += &Expression::parse(dice)?.roll(rng).total.to_string();
        rest = after;
    }
    Ok(rolled + rest)
}

impl Lifecycle for Dice {
    fn validate(&self) -> Result<()> {
        for (name, entries) in &self.tables {
            let invalid = |why: String| HookError::InvalidConfig(format!("tables: `{name}`: {why}"));
            if entries.iter().all(|entry| entry.text_and_weight().1 == 0) {
                return Err(invalid("it needs an entry".into()));
            }
            for entry in entries {
                roll_inside(entry.text_and_weight().0, &mut Rng::new(0)).map_err(invalid)?;
            }
        }
        Ok(())
    }
}

impl MacroProvider for Dice {
    fn expand(&self, turn: &Turn, name: &str, arguments: &[String]) -> Option<String> {
        let purpose: Vec<_> = [name]
            .into_iter()
            .chain(arguments.iter().map(|text| text.trim()))
            .collect();
        let rng = turn.rng(&purpose);
        let what = arguments.first()?.trim();
        let result = match name {
            "dice" => Expression::parse(what).map(|dice| {
                let roll = dice.roll(&mut { rng });
                if self.detailed {
                    format!("{what}: {roll}")
                } else {
                    roll.total.to_string()
                }
            }),
            "table" => self.draw(what, rng),
            _ => return None,
        };
        result.inspect_err(|error| log::warn!("{{{{{name}}}}}: {error}")).ok()
    }
}

/// What the model may say when it rolls or draws.
#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    dice: String,
    #[serde(default)]
    table: String,
    #[serde(default)]
    reason: String,
    #[serde(default = "first")]
    index: u32,
}

fn first() -> u32 {
    1
}

impl Tool for Dice {
    fn call(&self, turn: &Turn, name: &str, arguments: Value) -> Result<Value> {
        let arguments: Arguments = from_value(arguments)?;
        let index = arguments.index.to_string();
        match name {
            "roll_dice" => {
                let roll = Expression::parse(&arguments.dice)?.roll(&mut turn.rng(&[
                    name,
                    arguments.dice.trim(),
                    &arguments.reason,
                    &index,
                ]));
                Ok(json!({ "total": roll.total, "dice": roll.dice, "detail": roll.detail }))
            }
            "draw_from_table" => {
                let text = self.draw(&arguments.table, turn.rng(&[name, &arguments.table, &index]))?;
                Ok(json!({ "text": text }))
            }
            _ => Err(format!("there is no function `{name}`").into()),
        }
    }
}

#[cfg(test)]
mod tests;

//! Dice.
use tavern_extension::*;

#[derive(Extension)]
#[hooks(MacroProvider)]
pub struct Dice;

impl MacroProvider for Dice {
    fn expand(&self, turn: &Turn, name: &str, arguments: &[String]) -> Option<String> {
        (name == "dice").then(|| turn.rng(&[name, &arguments.join(" ")]).below(6).to_string())
    }
}


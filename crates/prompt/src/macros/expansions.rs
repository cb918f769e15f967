//! Macros whose values come from outside of the engine, which does no I/O: a turn is built, what it asked
//! for is found out, and it is built again with the answers, until it asks for nothing new.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use super::CustomMacros;

/// A macro, in lower case, and its arguments, expanded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AskedMacro {
    pub name: String,
    pub arguments: Vec<String>,
}

/// What is known of such macros, and what was asked for and is not known.
#[derive(Debug, Default)]
pub struct Expansions {
    /// In lower case.
    names: BTreeSet<String>,
    /// What `{{hasExtension}}` is true for.
    extensions: BTreeSet<String>,
    known: HashMap<AskedMacro, Option<String>>,
    asked: Mutex<BTreeSet<AskedMacro>>,
}

impl Expansions {
    /// Calls remembered for a turn; more stay in the text as they are written.
    pub const MAX_CALLS: usize = 256;

    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>, extensions: impl IntoIterator<Item = String>) -> Self {
        Self {
            names: names.into_iter().collect(),
            extensions: extensions.into_iter().collect(),
            ..Self::default()
        }
    }

    /// What was asked for since this was last called, in an order that is always the same.
    #[must_use]
    pub fn take_asked(&mut self) -> Vec<AskedMacro> {
        std::mem::take(self.asked.get_mut()).into_iter().collect()
    }

    /// Tells the value of a call; `None` leaves it in the text as it is written.
    pub fn tell(&mut self, call: AskedMacro, value: Option<String>) {
        if self.known.len() < Self::MAX_CALLS {
            self.known.insert(call, value);
        }
    }
}

impl CustomMacros for Expansions {
    fn expand(&self, name: &str, args: &[String]) -> Option<String> {
        if !self.names.contains(name) {
            return None;
        }
        let call = AskedMacro {
            name: name.to_owned(),
            arguments: args.to_vec(),
        };
        match self.known.get(&call) {
            Some(value) => value.clone(),
            None => {
                let mut asked = self.asked.lock();
                if self.known.len() + asked.len() < Self::MAX_CALLS {
                    asked.insert(call);
                }
                None
            }
        }
    }

    fn has_extension(&self, name: &str) -> bool {
        self.extensions.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use tavern_domain::chat::Variables;

    use super::*;
    use crate::macros::{Macros, Scene};

    fn expand(expansions: &Expansions, text: &str) -> String {
        let scene = Scene {
            custom: Some(expansions),
            ..Scene::default()
        };
        Macros::new(scene, Variables::new(), Variables::new(), 7).expand(text)
    }

    #[test]
    fn what_is_asked_for_is_put_in_once_it_is_told() {
        let mut expansions = Expansions::new(["dice".to_owned()], ["tavern/dice".to_owned()]);
        let text = "{{dice::2d6}} and {{Dice::{{dice::1d4}}}} but {{other::x}}";
        assert_eq!(
            expand(&expansions, text),
            "{{dice::2d6}} and {{Dice::{{dice::1d4}}}} but {{other::x}}"
        );
        let mut rounds = 0;
        loop {
            let asked = expansions.take_asked();
            if asked.is_empty() {
                break;
            }
            rounds += 1;
            for call in asked {
                let value = format!("<{}>", call.arguments.join(","));
                expansions.tell(call, Some(value));
            }
            expand(&expansions, text);
        }
        assert_eq!(expand(&expansions, text), "<2d6> and <<1d4>> but {{other::x}}");
        assert!(rounds <= 3, "an argument that is a macro takes one round more");
    }

    #[test]
    fn a_call_without_a_value_stays_as_it_is_written_and_is_asked_for_once() {
        let mut expansions = Expansions::new(["dice".to_owned()], []);
        expand(&expansions, "{{dice::x}}");
        for call in expansions.take_asked() {
            expansions.tell(call, None);
        }
        assert_eq!(expand(&expansions, "{{dice::x}}"), "{{dice::x}}");
        assert!(expansions.take_asked().is_empty());
    }

    #[test]
    fn no_more_calls_are_remembered_than_the_limit() {
        let mut expansions = Expansions::new(["dice".to_owned()], []);
        let calls = |count: usize| {
            (0..count)
                .map(|number| format!("{{{{dice::{number}}}}}"))
                .collect::<String>()
        };
        expand(&expansions, &calls(Expansions::MAX_CALLS));
        assert_eq!(expansions.take_asked().len(), Expansions::MAX_CALLS);
        expand(&expansions, &calls(Expansions::MAX_CALLS + 1));
        let asked = expansions.take_asked();
        assert_eq!(asked.len(), Expansions::MAX_CALLS);
        for call in asked {
            expansions.tell(call, Some(String::new()));
        }
        expand(&expansions, "{{dice::one more}}");
        assert!(expansions.take_asked().is_empty());
    }
}

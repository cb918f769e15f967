//! What the macros stand for.

use std::borrow::Cow;

use super::evaluate::{Arguments, Evaluator, Outcome};
use super::head::{Operator, Shorthand};
use super::scene::{Scene, SceneMessage};
use super::table::{Card, Chat, Macro, Name, Setting, Template, Variable};
use super::text::{is_falsy, trim_content};
use super::variables::{Refused, Store, number, number_or_zero};
use super::{MAX_BANNED, MAX_BANNED_BYTES, dice, time};

impl<'s> Evaluator<'s, '_> {
    pub(super) fn value(&mut self, what: Macro, arguments: &Arguments<'_>) -> Outcome<'s> {
        let scene = self.scene;
        let first = arguments.get(0);
        match what {
            Macro::Name(which) => Outcome::Value(Cow::Borrowed(name(scene, which))),
            Macro::Card(which) => card(scene, which),
            Macro::Greeting => greeting(scene, first),
            Macro::Chat(which) => Outcome::Value(chat(scene, which)),
            Macro::Clock(which) => {
                let second = arguments.get(1).unwrap_or_default();
                time::value(scene, which, first, second).map_or(Outcome::Keep, Outcome::Value)
            }
            Macro::Local(action) => self.act(action, false, arguments),
            Macro::Global(action) => self.act(action, true, arguments),
            Macro::Setting(which) => Outcome::Value(setting(scene, which)),
            Macro::Template(which) => Outcome::Source(Cow::Borrowed(template(scene, which))),
            Macro::HasExtension => {
                let has = scene
                    .custom
                    .is_some_and(|custom| custom.has_extension(first.unwrap_or_default()));
                Outcome::Value(truth(has))
            }
            Macro::Input => Outcome::Value(Cow::Borrowed(&scene.input)),
            Macro::Original => self
                .original
                .take()
                .map_or(Outcome::EMPTY, |text| Outcome::Source(Cow::Borrowed(text))),
            Macro::Outlet => {
                let outlet = scene.outlets.get(first.unwrap_or_default());
                Outcome::Value(Cow::Borrowed(outlet.map_or("", String::as_str)))
            }
            Macro::Newline => self.repeated("\n", first),
            Macro::Space => self.repeated(" ", first),
            Macro::Reverse => Outcome::Value(first.unwrap_or_default().chars().rev().collect()),
            Macro::Trim => arguments
                .spans
                .first()
                .map_or(Outcome::EMPTY, |span| Outcome::Argument(span.clone())),
            Macro::Random => {
                let index = dice::draw(&mut self.state.random, arguments.spans.len());
                arguments
                    .spans
                    .get(index)
                    .map_or(Outcome::EMPTY, |span| Outcome::Argument(span.clone()))
            }
            Macro::Roll => self.roll(first.unwrap_or_default()),
            Macro::Banned => {
                self.ban(first.unwrap_or_default());
                Outcome::EMPTY
            }
            // Their values depend on more than arguments; where they come here, they stand for nothing.
            Macro::If | Macro::Else | Macro::Comment | Macro::Noop | Macro::Pick => Outcome::EMPTY,
        }
    }

    /// The value an extension has; `trims` if the last argument is content whose blanks do not count.
    pub(super) fn custom(&self, name: &str, arguments: &Arguments<'_>, trims: bool) -> Outcome<'s> {
        let Some(custom) = self.scene.custom else {
            return Outcome::Keep;
        };
        let mut arguments: Vec<_> = (0..arguments.spans.len())
            .map(|index| arguments.get(index).unwrap_or_default().to_owned())
            .collect();
        if let Some(content) = arguments.last_mut().filter(|_| trims) {
            trim_content(content, 0);
        }
        let value = custom.expand(&name.to_ascii_lowercase(), &arguments);
        value.map_or(Outcome::Keep, |value| Outcome::Value(Cow::Owned(value)))
    }

    /// Whether the expression needs its value at all.
    pub(super) fn wants_value(&mut self, shorthand: Shorthand, name: &str) -> bool {
        let store = self.store(shorthand.is_global);
        match shorthand.operator {
            Operator::Get | Operator::Increment | Operator::Decrement => false,
            Operator::Or | Operator::OrSet => is_falsy(store.get(name)),
            Operator::Default | Operator::DefaultSet => !store.has(name),
            _ => true,
        }
    }

    /// The value of an expression over a variable; `value` counts only where it is wanted.
    pub(super) fn expression(&mut self, shorthand: Shorthand, name: &str, value: &str) -> Outcome<'s> {
        let is_wanted = self.wants_value(shorthand, name);
        let store = self.store(shorthand.is_global);
        let old = store.get(name);
        let result = match shorthand.operator {
            Operator::Get => Ok(old.to_owned()),
            Operator::Increment => store.count(name, 1.0),
            Operator::Decrement => store.count(name, -1.0),
            Operator::Set => store.set(name, value).map(|()| String::new()),
            Operator::Add => store.add(name, value).map(|()| String::new()),
            Operator::Subtract => number(value)
                .ok_or(Refused::NoNumber)
                .and_then(|value| store.count(name, -value))
                .map(|_| String::new()),
            Operator::Or | Operator::OrSet | Operator::Default | Operator::DefaultSet if !is_wanted => {
                Ok(old.to_owned())
            }
            Operator::Or | Operator::Default => Ok(value.to_owned()),
            Operator::OrSet | Operator::DefaultSet => store.set(name, value).map(|()| value.to_owned()),
            Operator::Equal => Ok(truth(old == value).into_owned()),
            Operator::NotEqual => Ok(truth(old != value).into_owned()),
            Operator::Greater => compare(old, value, |old, value| old > value),
            Operator::GreaterEqual => compare(old, value, |old, value| old >= value),
            Operator::Less => compare(old, value, |old, value| old < value),
            Operator::LessEqual => compare(old, value, |old, value| old <= value),
        };
        self.done(name, result)
    }

    fn act(&mut self, action: Variable, is_global: bool, arguments: &Arguments<'_>) -> Outcome<'s> {
        let name = arguments.get(0).unwrap_or_default();
        let value = arguments.get(1).unwrap_or_default();
        // What is appended to is copied.
        let copied = if action == Variable::Add {
            self.store(is_global).get(name).len()
        } else {
            0
        };
        if !self.charge(copied) {
            return Outcome::Keep;
        }
        let store = self.store(is_global);
        let result = match action {
            Variable::Get => Ok(store.get(name).to_owned()),
            Variable::Has => Ok(truth(store.has(name)).into_owned()),
            Variable::Set => store.set(name, value).map(|()| String::new()),
            Variable::Add => store.add(name, value).map(|()| String::new()),
            Variable::Increment => store.count(name, 1.0),
            Variable::Decrement => store.count(name, -1.0),
            Variable::Delete => {
                store.delete(name);
                Ok(String::new())
            }
        };
        self.done(name, result)
    }

    fn done(&mut self, name: &str, result: Result<String, Refused>) -> Outcome<'s> {
        let refused = match result {
            Ok(value) => return Outcome::Value(Cow::Owned(value)),
            Err(refused) => refused,
        };
        self.state.warn(|| {
            let name = shortened(name);
            match refused {
                Refused::Full => format!("There is no room for the variable `{name}`; it stays as it was."),
                Refused::NoNumber => format!("The variable `{name}` is counted or compared with what is no number."),
                Refused::NoName => "A variable without a name was to be set.".to_owned(),
            }
        });
        Outcome::Keep
    }

    fn store(&mut self, is_global: bool) -> &mut Store {
        if is_global {
            &mut self.state.global
        } else {
            &mut self.state.local
        }
    }

    fn repeated(&mut self, piece: &str, count: Option<&str>) -> Outcome<'s> {
        match count.map_or(Ok(1), str::parse::<usize>) {
            // Nothing is made that is not used.
            Ok(count) if self.has_room(count) => Outcome::Value(Cow::Owned(piece.repeat(count))),
            _ => Outcome::Keep,
        }
    }

    fn roll(&mut self, formula: &str) -> Outcome<'s> {
        let Some(sum) = dice::roll(&mut self.state.random, formula) else {
            self.state
                .warn(|| format!("`{}` is no throw of dice that can be made.", shortened(formula)));
            return Outcome::Keep;
        };
        Outcome::Value(Cow::Owned(sum.to_string()))
    }

    fn ban(&mut self, word: &str) {
        let word = word.strip_prefix('"').unwrap_or(word);
        let word = word.strip_suffix('"').unwrap_or(word);
        if word.is_empty() || self.state.banned.iter().any(|banned| banned == word) {
            return;
        }
        if self.state.banned.len() >= MAX_BANNED || word.len() > MAX_BANNED_BYTES {
            self.state.warn(|| {
                format!(
                    "The word `{}` is too long or one too many to be banned.",
                    shortened(word)
                )
            });
            return;
        }
        self.state.banned.push(word.to_owned());
    }
}

/// Enough of it for a warning.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

fn truth(holds: bool) -> Cow<'static, str> {
    Cow::Borrowed(if holds { "true" } else { "false" })
}

fn compare(old: &str, value: &str, holds: impl Fn(f64, f64) -> bool) -> Result<String, Refused> {
    match (number_or_zero(old), number_or_zero(value)) {
        (Some(old), Some(value)) => Ok(truth(holds(old, value)).into_owned()),
        _ => Err(Refused::NoNumber),
    }
}

pub(super) fn name<'s>(scene: &'s Scene<'_>, which: Name) -> &'s str {
    let or_char = |name: &'s str| if name.is_empty() { &*scene.char } else { name };
    match which {
        Name::User => &scene.user,
        Name::Char => &scene.char,
        Name::Group => or_char(&scene.group),
        Name::GroupNotMuted => or_char(&scene.group_not_muted),
        Name::NotChar => &scene.not_char,
    }
}

fn card<'s>(scene: &'s Scene<'_>, which: Card) -> Outcome<'s> {
    let card = &scene.card;
    let text: &'s str = match which {
        Card::Description => &card.description,
        Card::Personality => &card.personality,
        Card::Scenario => &card.scenario,
        Card::Persona => &scene.persona,
        Card::Prompt => &card.system_prompt,
        Card::Instruction => &card.post_history_instructions,
        Card::DepthPrompt => &card.depth_prompt,
        Card::CreatorNotes => &card.creator_notes,
        Card::ExamplesRaw => &card.example_dialogue,
        Card::Examples => return Outcome::Source(Cow::Owned(examples(scene))),
        Card::Version => return Outcome::Value(Cow::Borrowed(&card.version)),
    };
    Outcome::Source(Cow::Borrowed(text))
}

/// The blocks of the examples, each under the separator of the context template.
fn examples(scene: &Scene<'_>) -> String {
    const START: &str = "<start>";
    let separator = match template(scene, Template::ExampleSeparator) {
        "" => "<START>",
        separator => separator,
    };
    let mut blocks = String::new();
    let mut push = |block: &str| {
        let block = block.trim();
        if !block.is_empty() {
            blocks.extend([separator, "\n", block, "\n"]);
        }
    };
    let mut rest: &str = &scene.card.example_dialogue;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|text| text.find('<')).map(|at| from + at) {
        let is_start = rest
            .get(at..at + START.len())
            .is_some_and(|mark| mark.eq_ignore_ascii_case(START));
        if is_start {
            push(rest.get(..at).unwrap_or_default());
            rest = rest.get(at + START.len()..).unwrap_or_default();
            from = 0;
        } else {
            from = at + 1;
        }
    }
    push(rest);
    blocks
}

fn greeting<'s>(scene: &'s Scene<'_>, index: Option<&str>) -> Outcome<'s> {
    let Ok(index) = index.map_or(Ok(0), str::parse::<usize>) else {
        return Outcome::Keep;
    };
    let text = scene.card.greetings.get(index).map_or("", |text| &**text);
    Outcome::Source(Cow::Borrowed(text))
}

fn chat<'s>(scene: &'s Scene<'_>, which: Chat) -> Cow<'s, str> {
    let chat = &scene.chat;
    let last = chat.messages.last();
    // A message that waits for its next swipe is not there yet.
    let last_that = |wanted: fn(&SceneMessage<'_>) -> bool| {
        let mut messages = chat.messages.iter().rev();
        messages.find(|message| (message.swipes == 0 || message.active_swipe < message.swipes) && wanted(message))
    };
    let text = |message: Option<&'s SceneMessage<'_>>| {
        message.map_or(Cow::Borrowed(""), |message| Cow::Borrowed(&*message.text))
    };
    let number = |number: Option<usize>| number.map_or(Cow::Borrowed(""), |number| Cow::Owned(number.to_string()));
    let id = |message: Option<&SceneMessage<'_>>| number(message.map(|message| message.id));
    let swiped = last.filter(|message| message.swipes > 0);
    match which {
        Chat::LastMessage => text(last_that(|_| true)),
        Chat::LastMessageId => id(last_that(|_| true)),
        Chat::LastUserMessage => text(last_that(|message| message.is_user && !message.is_system)),
        Chat::LastCharMessage => text(last_that(|message| !message.is_user && !message.is_system)),
        Chat::FirstIncludedId => id(chat.first_included.and_then(|index| chat.messages.get(index))),
        Chat::FirstId => id(chat.messages.first()),
        Chat::LastSwipe => number(swiped.map(|message| message.swipes)),
        Chat::CurrentSwipe => number(swiped.map(|message| message.active_swipe.saturating_add(1))),
        Chat::Range => last.map_or(Cow::Borrowed(""), |last| Cow::Owned(format!("0-{}", last.id))),
        Chat::Summary => Cow::Borrowed(&chat.summary),
    }
}

fn setting<'s>(scene: &'s Scene<'_>, which: Setting) -> Cow<'s, str> {
    let number = |number: i32| Cow::Owned(number.to_string());
    match which {
        Setting::MaxPrompt => number(scene.max_context_tokens.saturating_sub(scene.max_response_tokens)),
        Setting::MaxContext => number(scene.max_context_tokens),
        Setting::MaxResponse => number(scene.max_response_tokens),
        Setting::Model => Cow::Borrowed(&scene.model),
        Setting::GenerationType => Cow::Borrowed(scene.generation_type),
        Setting::IsMobile => truth(false),
    }
}

fn template<'s>(scene: &'s Scene<'_>, which: Template) -> &'s str {
    let is_named = |name: &str| which.names().iter().any(|other| other.eq_ignore_ascii_case(name));
    let text = scene
        .template
        .iter()
        .find(|(name, text)| !text.is_empty() && is_named(name));
    match (text, which.fallback()) {
        (Some((_, text)), _) => text,
        (None, Some(fallback)) => template(scene, fallback),
        (None, None) => "",
    }
}

//! Sticky, cooldown and delay along a chat.

use super::super::chance::entry_hash;
use super::*;

/// A chat that grows: the text of each message, and which entries are in after it.
struct Chat {
    world: World,
    timed: TimedEffects,
}

impl Chat {
    fn of(entry: LoreEntry) -> Self {
        Self {
            world: World::of(&[("e", entry)]).set(|it| it.depth = 1),
            timed: TimedEffects::default(),
        }
    }

    /// Whether the entry is in once `text` is said.
    fn say(&mut self, text: &str) -> bool {
        self.world.messages.insert(0, ("", text.to_owned(), true));
        self.again()
    }

    /// The same turn once more.
    fn again(&mut self) -> bool {
        let activation = self.world.run_with(|scan| scan.timed = self.timed.clone());
        self.timed = activation.timed.clone();
        !activation.entries.is_empty()
    }

    fn edit(&mut self, change: impl FnOnce(&mut LoreEntry)) {
        change(&mut self.world.books[0].entries[0].1);
    }
}

fn timed(sticky: u32, cooldown: u32) -> LoreEntry {
    changed(entry(&["key"]), |entry| {
        entry.sticky = Some(sticky);
        entry.cooldown = Some(cooldown);
    })
}

/// `K` says the key, anything else does not; what is expected is `x` for in.
fn timeline(entry: LoreEntry, said: &str) -> String {
    let mut chat = Chat::of(entry);
    said.chars()
        .map(|said| {
            if chat.say(if said == 'K' { "key" } else { "…" }) {
                'x'
            } else {
                '.'
            }
        })
        .collect()
}

#[test]
fn effects_run_along_the_chat() {
    for (what, sticky, cooldown, said, expected) in [
        ("neither", 0, 0, "K.K..", "x.x.."),
        ("sticky for three holds for two more", 3, 0, "K.....", "xxx..."),
        ("a key does not renew it", 3, 0, "K.K...", "xxx..."),
        ("it can begin again", 2, 0, "K..K..", "xx.xx."),
        ("cooldown of two skips one more", 0, 2, "KKKKKK", "x.x.x."),
        ("cooldown without the key", 0, 3, "K..KK", "x..x."),
        ("cooldown begins when sticky ends", 2, 2, "KKKKKKK", "xx..xx."),
    ] {
        assert_eq!(timeline(timed(sticky, cooldown), said), expected, "{what}");
    }
}

#[test]
fn delay_waits_for_messages() {
    let delayed = changed(entry(&["key"]), |entry| entry.delay = Some(3));
    assert_eq!(timeline(delayed, "KKKK"), "..xx");
}

#[test]
fn a_swipe_takes_an_effect_back() {
    let mut chat = Chat::of(timed(0, 5));
    assert!(chat.say("key"));
    assert!(chat.again(), "the same turn is no later one");
    assert!(!chat.say("key"));
    chat.world.messages.clear();
    assert!(chat.say("key"), "the messages are gone, and so is the effect");
}

#[test]
fn an_edit_ends_an_effect_until_it_is_taken_back() {
    let mut chat = Chat::of(timed(5, 0));
    assert!(chat.say("key"));
    chat.edit(|entry| entry.order += 1);
    assert!(!chat.say("…"));
    chat.edit(|entry| entry.order -= 1);
    assert!(chat.say("…"));
    chat.edit(|entry| entry.sticky = None);
    assert!(!chat.say("…"));
}

#[test]
fn an_effect_follows_its_entry_to_another_key() {
    let mut chat = Chat::of(timed(5, 0));
    assert!(chat.say("key"));
    chat.world.books[0].entries[0].0 = "anew".into();
    assert!(chat.say("…"));
    assert_eq!(chat.timed.sticky.keys().collect::<Vec<_>>(), ["anew"]);
}

#[test]
fn an_effect_outlasts_its_books_absence() {
    let mut chat = Chat::of(timed(9, 0));
    assert!(chat.say("key"));
    let books = std::mem::take(&mut chat.world.books);
    assert!(!chat.say("…"));
    chat.world.books = books;
    assert!(chat.say("…"));
}

#[test]
fn sticky_ignores_chance_cooldown_and_recursion_rules() {
    let mut chat = Chat::of(timed(3, 3));
    assert!(chat.say("key"));
    chat.edit(|entry| {
        entry.probability = 0.0;
        entry.delay_until_recursion = 2;
        entry.exclude_recursion = true;
    });
    // As if it had always been so.
    let hash = entry_hash(&chat.world.books[0].entries[0].1);
    for effects in [&mut chat.timed.sticky, &mut chat.timed.cooldown] {
        effects.get_mut("e").expect("it activated").hash = hash;
    }
    assert!(chat.say("…"));
}

#[test]
fn a_dry_run_changes_nothing_but_heeds_what_is_there() {
    let mut chat = Chat::of(timed(3, 0));
    let dry = chat.world.clone().saying(&["key"]).run_with(|scan| scan.dry_run = true);
    assert_eq!((active(&dry).len(), dry.timed), (1, TimedEffects::default()));
    assert!(chat.say("key"));
    chat.world.messages.insert(0, ("", "…".into(), true));
    let dry = chat.world.run_with(|scan| {
        scan.timed = chat.timed.clone();
        scan.dry_run = true;
    });
    assert_eq!((active(&dry).len(), dry.timed), (1, chat.timed.clone()));
}

#[test]
fn a_resting_entry_says_until_when() {
    let mut chat = Chat::of(timed(0, 4));
    assert!(chat.say("key"));
    chat.world.messages.insert(0, ("", "key".into(), true));
    let activation = chat.world.run_with(|scan| scan.timed = chat.timed.clone());
    assert_eq!(reason(&activation, "e"), "cooldown until message 5");
}

#[test]
fn the_hash_says_what_an_entry_is_and_not_what_it_is_called() {
    use serde_json::json;
    let entry = timed(1, 1);
    let with = |extensions: serde_json::Value| changed(entry.clone(), |entry| entry.extensions = extensions);
    assert_eq!(
        entry_hash(&with(json!({"a": 1, "b": 2}))),
        entry_hash(&with(json!({"b": 2, "a": 1})))
    );
    assert_ne!(
        entry_hash(&entry),
        entry_hash(&changed(entry.clone(), |entry| entry.content.push('x')))
    );
    assert_ne!(
        entry_hash(&entry),
        entry_hash(&changed(entry.clone(), |entry| entry.enabled = false))
    );
}

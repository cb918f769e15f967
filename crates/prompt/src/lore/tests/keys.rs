//! What is scanned, and when a key is found in it.

use tavern_domain::lore::{ScanAlso, SelectiveLogic};

use super::*;

/// Whether an entry with this key activates on this message.
fn finds(key: &str, text: &str, change: impl FnOnce(&mut LoreEntry)) -> bool {
    let world = World::of(&[("e", changed(entry(&[key]), change))]).saying(&[text]);
    !world.active().is_empty()
}

#[test]
fn keys_are_found_as_javascript_finds_them() {
    let whole = |entry: &mut LoreEntry| entry.match_whole_words = Some(true);
    let part = |entry: &mut LoreEntry| entry.match_whole_words = Some(false);
    let cased = |entry: &mut LoreEntry| entry.case_sensitive = Some(true);
    type Change = fn(&mut LoreEntry);
    let rows: &[(&str, &str, &str, Change, bool)] = &[
        ("a word", "dragon", "a dragon came", whole, true),
        ("a word at both ends", "dragon", "dragon", whole, true),
        ("no part of a word", "dragon", "dragons", whole, false),
        ("no end of a word", "dragon", "snapdragon", whole, false),
        ("an underscore is a letter", "dragon", "_dragon", whole, false),
        ("a digit is a letter", "dragon", "dragon2", whole, false),
        ("a later place counts", "dragon", "dragons, dragon!", whole, true),
        ("part of a word, if asked for", "dragon", "snapdragons", part, true),
        (
            "two words are found anywhere",
            "red dragon",
            "hundred dragons",
            whole,
            true,
        ),
        ("two words need their space", "red dragon", "red  dragon", whole, false),
        ("an accent ends a word", "caf", "café", whole, true),
        ("an accent within a key", "café", "le café noir", whole, true),
        ("a letter behind an accent", "café", "cafés", whole, false),
        ("ideographs bound each other", "龙", "红龙来了", whole, true),
        ("ideographs after letters", "龙", "a龙b", whole, false),
        ("a key of other signs", "c++", "I like c++!", whole, true),
        ("a key that begins with a sign", "!bang", "a!bang", whole, false),
        ("case does not count", "Dragon", "DRAGON", whole, true),
        ("case counts, if asked for", "Dragon", "dragon", cased, false),
        ("case counts and is right", "Dragon", "a Dragon", cased, true),
        ("spaces around a key", "  dragon ", "dragon", whole, true),
        ("one letter", "x", "x marks it", whole, true),
        ("two letters", "ox", "an ox", whole, true),
        ("three letters", "owl", "an owl", whole, true),
        ("three letters within", "owl", "a bowl", whole, false),
        ("an empty key", "", "anything", whole, false),
        ("a blank key", "  ", "  ", part, false),
        ("dotted capital I", "İstanbul", "İSTANBUL", whole, true),
        ("capital sharp s", "Straẞe", "straße", whole, true),
        ("long s is its own letter", "ſun", "sun", whole, false),
        ("final sigma", "ΟΔΟΣ", "οδος", whole, true),
        ("sigma before a letter", "ΟΔΟΣ", "οδοσα", part, true),
        ("an emoji", "🐉", "look: 🐉!", whole, true),
        ("across lines", "red\ndragon", "red\ndragon", whole, true),
    ];
    for (what, key, text, change, expected) in rows {
        assert_eq!(finds(key, text, *change), *expected, "{what}");
    }
}

#[test]
fn patterns_are_told_from_texts() {
    let rows = [
        ("a pattern", "/drag[oa]n/", "a dragan", true),
        ("patterns know letter case", "/dragon/", "Dragon", false),
        ("a flag", "/dragon/i", "Dragon", true),
        ("whole words do not concern it", "/drag/", "dragon", true),
        ("without an end it is a text", "/foo", "say /foo!", true),
        ("a slash within makes it a text", "/a/b/", "x /a/b/ y", true),
        ("an unknown flag makes it a text", "/foo/q", "foo", false),
        ("one that does not compile is a text", "/fo(o/", "see /fo(o/ here", true),
        ("a look ahead", "/drag(?=on)/", "dragon", true),
        ("the start of a message", r"/\x01Zoe: hi/", "hi", false),
    ];
    for (what, key, text, expected) in rows {
        assert_eq!(finds(key, text, |_| {}), expected, "{what}");
    }
}

#[test]
fn bare_patterns_stand_alone() {
    let rows = [
        ("a pattern", "drag[oa]n", true),
        ("one that does not compile", "drag(on", false),
        ("one with slashes", "/DRAGON/i", true),
        ("letter case", "DRAGON", true),
    ];
    for (what, key, expected) in rows {
        assert_eq!(
            finds(key, "a dragon", |entry| entry.use_regex = true),
            expected,
            "{what}"
        );
    }
    let heedless = |entry: &mut LoreEntry| {
        entry.use_regex = true;
        entry.constant = true;
        entry.secondary_keys = vec!["absent".into()];
    };
    assert!(finds("dragon", "a dragon", heedless), "secondary keys do not count");
    assert!(!finds("dragon", "a wyvern", heedless), "nor does constant");
}

#[test]
fn a_pattern_sees_who_speaks_and_where_messages_end() {
    let mut world = World::of(&[
        ("tom", entry(&[r"/\x01{{user}}:[^\x01]*?hello/"])),
        ("across", entry(&[r"/there[^]*hello/"])),
    ]);
    world.messages = vec![("Tom", "oh, hello".into(), true), ("Mira", "hello there".into(), false)];
    assert_eq!(world.active(), ["tom"], "newest first, so nothing comes behind `there`");
    world.messages.swap(0, 1);
    assert_eq!(world.active(), ["across", "tom"]);
    world.messages = vec![("Mira", "hello".into(), true)];
    assert_eq!(world.active(), [""; 0]);
}

#[test]
fn macros_in_keys_are_what_they_are_this_turn() {
    for (what, key, text, expected) in [
        ("a name", "{{char}}", "where is mira?", true),
        ("in a phrase", "{{user}} the brave", "it is tom the brave", true),
        ("whole words still", "{{char}}", "miracle", false),
        ("a heart is a text", "<3", "I <3 you", true),
        ("nobody is called so", "{{char}}", "{{char}}", false),
    ] {
        assert_eq!(finds(key, text, |_| {}), expected, "{what}");
    }
    let secondary = |entry: &mut LoreEntry| entry.secondary_keys = vec!["{{user}}".into()];
    assert!(finds("dragon", "a dragon ate Tom", secondary));
    assert!(!finds("dragon", "a dragon ate Tim", secondary));
}

#[test]
fn secondary_keys_follow_their_logic() {
    use SelectiveLogic::{AndAll, AndAny, NotAll, NotAny};
    for (logic, none, some, all) in [
        (AndAny, false, true, true),
        (AndAll, false, false, true),
        (NotAny, true, false, false),
        (NotAll, true, true, false),
    ] {
        for (text, expected) in [("key", none), ("key one", some), ("key one two", all)] {
            let change = |entry: &mut LoreEntry| {
                entry.logic = logic;
                entry.secondary_keys = vec!["one".into(), "two".into()];
            };
            assert_eq!(finds("key", text, change), expected, "{logic:?}: {text}");
            let unselective = |entry: &mut LoreEntry| {
                change(entry);
                entry.selective = false;
            };
            assert!(finds("key", text, unselective), "{logic:?} does not count: {text}");
        }
    }
    for (logic, expected) in [(AndAny, false), (AndAll, false), (NotAny, true), (NotAll, true)] {
        let blank = |entry: &mut LoreEntry| {
            entry.logic = logic;
            entry.secondary_keys = vec![String::new()];
        };
        assert_eq!(
            finds("key", "key", blank),
            expected,
            "a blank one is never found: {logic:?}"
        );
    }
}

#[test]
fn depth_is_the_entrys_or_the_books_or_the_settings() {
    for (what, entry_depth, book_depth, expected) in [
        ("the settings' two", None, None, vec!["0", "1"]),
        ("the book's one", None, Some(1), vec!["0"]),
        ("the entry's three", Some(3), Some(1), vec!["0", "1", "2"]),
        ("none", Some(0), None, vec![]),
        (
            "more than there are",
            Some(2_000_000_000),
            None,
            vec!["0", "1", "2", "3"],
        ),
    ] {
        let keys = ["0", "1", "2", "3"];
        let entries = keys.map(|key| (key, changed(entry(&[key]), |entry| entry.scan_depth = entry_depth)));
        let mut world = World::of(&entries).saying(&keys);
        for book in &mut world.books {
            book.scan_depth = book_depth;
        }
        assert_eq!(world.active(), expected, "{what}");
    }
}

#[test]
fn at_depth_none_nothing_at_all_is_seen() {
    let world = World::of(&[("e", entry(&["note"])), ("c", constant("note"))])
        .saying(&["note"])
        .set(|it| it.depth = 0);
    let activation = world.run_with(|scan| scan.injections = vec!["note"]);
    assert_eq!(active(&activation), ["c"]);
}

#[test]
fn names_are_scanned_if_they_are_to_be() {
    let mut world = World::of(&[("e", entry(&["Mira"]))]);
    world.messages = vec![("Mira", "hello".into(), false)];
    assert_eq!(world.active(), ["e"]);
    assert!(world.set(|it| it.include_names = false).active().is_empty());
}

#[test]
fn other_texts_are_scanned_for_those_who_ask() {
    type Ask = fn(&mut ScanAlso);
    type Put = fn(&mut LoreScan<'_>);
    let rows: [(&str, Ask, Put); 6] = [
        (
            "persona",
            |it| it.persona_description = true,
            |scan| scan.persona_description = "key",
        ),
        (
            "description",
            |it| it.character_description = true,
            |scan| scan.character_description = "key",
        ),
        (
            "personality",
            |it| it.character_personality = true,
            |scan| scan.character_personality = "key",
        ),
        (
            "depth prompt",
            |it| it.character_depth_prompt = true,
            |scan| scan.character_depth_prompt = "key",
        ),
        ("scenario", |it| it.scenario = true, |scan| scan.scenario = "key"),
        (
            "creator's notes",
            |it| it.creator_notes = true,
            |scan| scan.creator_notes = "key",
        ),
    ];
    for (asked, ask, _) in rows {
        for (put, _, text) in rows {
            for key in ["key", "/k[e]y/"] {
                let world = World::of(&[("e", changed(entry(&[key]), |entry| ask(&mut entry.scan_also)))]);
                let found = !world.run_with(text).entries.is_empty();
                assert_eq!(found, asked == put, "asked for {asked}, put in {put}: {key}");
            }
        }
    }
}

#[test]
fn injected_texts_are_scanned_for_all() {
    for key in ["key", "/k[e]y/"] {
        let activation = World::of(&[("e", entry(&[key]))]).run_with(|scan| scan.injections = vec!["", "a key"]);
        assert_eq!(active(&activation), ["e"], "{key}");
    }
}

#[test]
fn notes_are_not_scanned() {
    for (what, text, expected) in [
        ("a note", "{{// key }}", false),
        ("a comment", "{{comment: key}}", false),
        ("letter case and spaces", "{{ Comment : key }}", false),
        ("a hidden key", "{{hidden_key:key}}", false),
        ("a long note", "{{//}} key {{///}}", false),
        ("a long note without an end", "{{//}} key", true),
        ("a note with macros", "{{// a {{char}} key }}", false),
        ("a note without an end", "{{// key", true),
        ("another macro", "{{key}}", true),
        ("behind a note", "{{// a }} key", true),
    ] {
        for key in ["key", "/key/"] {
            assert_eq!(finds(key, text, |_| {}), expected, "{what}: {key}");
        }
    }
}

#[test]
fn a_key_that_is_too_long_is_told() {
    let long = "x".repeat(513);
    let activation = World::of(&[("e", entry(&[&long]))]).saying(&[&long]).run();
    assert!(activation.entries.is_empty());
    assert_eq!(activation.warnings.len(), 1, "{:?}", activation.warnings);
    let just_so = "x".repeat(512);
    assert_eq!(
        World::of(&[("e", entry(&[&just_so]))]).saying(&[&just_so]).active(),
        ["e"]
    );
}

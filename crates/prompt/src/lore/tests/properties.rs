//! What holds for any books and any chat.

use proptest::prelude::*;
use tavern_domain::lore::{LoreStrategy, SelectiveLogic};

use super::super::matcher::{Builder, Work};
use super::super::text::{fold, hidden_keys, is_space, without_asides};
use super::*;

/// What a key must do, in the plainest way: every place of the text is looked at.
fn naive(key: &str, text: &str, sensitive: bool, whole: bool) -> bool {
    let lower = |text: &str| {
        let letters = text.chars().flat_map(char::to_lowercase);
        letters
            .map(|letter| if letter == 'ς' { 'σ' } else { letter })
            .collect::<String>()
    };
    let (key, text) = if sensitive {
        (key.to_owned(), text.to_owned())
    } else {
        (lower(key), lower(text))
    };
    let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    text.char_indices().any(|(at, _)| {
        let Some(behind) = text[at..].strip_prefix(&key) else {
            return false;
        };
        let touches = is_word(text[..at].chars().next_back()) || is_word(behind.chars().next());
        !(whole && !key.contains(is_space) && touches)
    })
}

fn word() -> impl Strategy<Value = String> {
    "[abAB]{1,6}|[a-c ]{2,5}|(red|Red|RED)( dragon)?|caf[eéÉ]?s?|[龙红来]{1,3}|İ|i\u{307}|ẞ|ß|ſs?|ΟΔΟΣ|οδος|οδοσ|[!a_1]{1,4}"
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec((word(), "[ ,.!]?"), 0..12)
        .prop_map(|words| words.into_iter().map(|(word, gap)| word + &gap).collect())
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        any::<String>(),
        "(@@|@@@|depth|role|activate|exclude_keys|additional_keys|is_greeting|scan_depth| |\n|5|a,b|user|\\{\\{|\\}\\}|//|hidden_key:|comment:|/){0,12}",
    ]
}

prop_compose! {
    fn any_entry()(
        texts in (prop::collection::vec(anything(), 0..3), prop::collection::vec(anything(), 0..3), anything()),
        flags in prop::array::uniform12(any::<bool>()),
        logic in prop::sample::select(vec![
            SelectiveLogic::AndAny, SelectiveLogic::AndAll, SelectiveLogic::NotAny, SelectiveLogic::NotAll,
        ]),
        numbers in (any::<i32>(), any::<Option<i32>>(), any::<f64>(), any::<f64>(), 0..4_u32),
        counts in prop::array::uniform4(prop::option::of(prop_oneof![0..5_u32, Just(u32::MAX)])),
        group in "|g|h|g, h|,",
        outlet in "|map",
        at_outlet in any::<bool>(),
    ) -> LoreEntry {
        let (keys, secondary_keys, content) = texts;
        let [enabled, constant, selective, use_probability, ignore_budget, exclude_recursion, prevent_recursion,
            use_regex, case, whole, scoring, group_override] = flags;
        let (order, priority, probability, group_weight, delay_until_recursion) = numbers;
        let [scan_depth, sticky, cooldown, delay] = counts;
        LoreEntry {
            keys, secondary_keys, content, enabled, constant, selective, logic, order, priority, probability,
            use_probability, ignore_budget, exclude_recursion, prevent_recursion, delay_until_recursion,
            scan_depth, sticky, cooldown, delay, use_regex, group, group_override, group_weight, outlet,
            case_sensitive: Some(case),
            match_whole_words: Some(whole),
            use_group_scoring: Some(scoring),
            position: if at_outlet { LorePosition::Outlet } else { LorePosition::AtDepth },
            ..LoreEntry::default()
        }
    }
}

fn any_settings() -> impl Strategy<Value = LoreSettings> {
    let numbers = (0..4_u32, any::<f64>(), 0..200_u32, 0..5_u32, 0..5_u32, 0..5_u32);
    (numbers, any::<[bool; 4]>()).prop_map(|(numbers, flags)| {
        let (depth, budget_percent, budget_cap, min_activations, min_activations_depth_max, max_recursion_steps) =
            numbers;
        let [include_names, recursive, case_sensitive, match_whole_words] = flags;
        LoreSettings {
            depth,
            budget_percent,
            budget_cap,
            min_activations,
            min_activations_depth_max,
            max_recursion_steps,
            include_names,
            recursive,
            case_sensitive,
            match_whole_words,
            use_group_scoring: false,
            strategy: LoreStrategy::Evenly,
        }
    })
}

prop_compose! {
    fn any_world()(
        settings in any_settings(),
        books in prop::collection::vec(
            (
                prop::collection::vec(any_entry(), 0..6),
                prop::option::of(0..3_u32),
                prop::option::of(0..40_u32),
                any::<Option<bool>>(),
            ),
            0..4,
        ),
        messages in prop::collection::vec(anything(), 0..5),
    ) -> World {
        let kinds = [BookKind::Global, BookKind::Chat, BookKind::Character, BookKind::Persona];
        let mut number = 0;
        let books = books.into_iter().zip(kinds).map(|((entries, scan_depth, token_budget, recursive), kind)| Book {
            kind,
            name: match kind {
                BookKind::Global => "g",
                BookKind::Chat => "h",
                BookKind::Character => "c",
                BookKind::Persona => "p",
            },
            scan_depth,
            token_budget,
            recursive,
            entries: entries.into_iter().map(|entry| { number += 1; (number.to_string(), entry) }).collect(),
        }).collect();
        World { settings, books, messages: messages.into_iter().map(|text| ("Ann", text, false)).collect() }
    }
}

proptest! {
    #[test]
    fn the_matcher_finds_what_the_plainest_search_finds(
        keys in prop::collection::vec((word(), any::<bool>(), any::<bool>()), 1..40),
        text in text(),
    ) {
        let mut builder = Builder::default();
        let ids: Vec<_> = keys.iter().map(|(key, sensitive, whole)| {
            let key = if *sensitive { key.clone() } else { fold(key).into_owned() };
            builder.add(&key, *sensitive, *whole && !key.contains(is_space), None).expect("short")
        }).collect();
        let (matcher, slots) = builder.finish();
        let mut found = vec![false; matcher.slots()];
        let folded = fold(&text);
        matcher.scan(text.as_bytes(), folded.as_bytes(), &mut Work::new(1 << 30), |slot| found[slot as usize] = true);
        for ((key, sensitive, whole), id) in keys.iter().zip(ids) {
            let slot = slots[id as usize] as usize;
            prop_assert_eq!(found[slot], naive(key, &text, *sensitive, *whole), "{:?} {} {} in {:?}", key, sensitive, whole, text);
        }
    }

    #[test]
    fn entries_activate_as_the_plainest_search_has_it(
        keys in prop::collection::vec((word(), any::<bool>(), any::<bool>(), prop::option::of(0..4_u32)), 1..12),
        texts in prop::collection::vec(text(), 0..4),
    ) {
        let names: Vec<_> = (0..keys.len()).map(|number| number.to_string()).collect();
        let entries: Vec<_> = names.iter().zip(&keys).map(|(name, (key, sensitive, whole, depth))| {
            (name.as_str(), changed(with_content(&[key], "…"), |entry| {
                entry.case_sensitive = Some(*sensitive);
                entry.match_whole_words = Some(*whole);
                entry.scan_depth = *depth;
            }))
        }).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let active = World::of(&entries).saying(&texts).active();
        for (name, (key, sensitive, whole, depth)) in names.iter().zip(&keys) {
            let key = key.trim();
            let seen = texts.iter().take(depth.unwrap_or(2) as usize);
            let expected = !key.is_empty() && seen.into_iter().any(|text| naive(key, text.trim(), *sensitive, *whole));
            prop_assert_eq!(active.contains(name), expected, "{:?} {} {} {:?} in {:?}", key, sensitive, whole, depth, texts);
        }
    }

    #[test]
    fn anything_ends_within_its_budget_and_twice_the_same(world in any_world(), seed in any::<u64>(), dry in any::<bool>()) {
        let run = |timed: &TimedEffects| world.run_with(|scan| {
            scan.seed = seed;
            scan.dry_run = dry;
            scan.instruct = dry;
            scan.timed = timed.clone();
            scan.injections = vec!["red dragon"];
            scan.prompt_budget = 400;
        });
        let first = run(&TimedEffects::default());
        prop_assert_eq!(&first, &run(&TimedEffects::default()));
        let ignoring = |key: &str| world.books.iter().flat_map(|book| &book.entries)
            .any(|(other, entry)| other == key && entry.ignore_budget);
        let counted: u32 = first.entries.iter().filter(|entry| !ignoring(&entry.key)).map(|entry| entry.tokens).sum();
        prop_assert!(counted < first.budget.max(1), "{counted} of {}", first.budget);
        prop_assert!(first.entries.iter().all(|entry| !entry.content.trim().is_empty()));
        let all: usize = world.books.iter().map(|book| book.entries.len()).sum();
        prop_assert_eq!(first.decisions.iter().count(), all);
        let active = first.decisions.iter().filter(|decision| decision.activated).count();
        prop_assert_eq!(active, first.entries.len());
        let _ = run(&first.timed);
    }

    #[test]
    fn the_order_of_books_of_different_kinds_does_not_matter(world in any_world(), turn in 0..4_usize) {
        let mut turned = world.clone();
        let places = turned.books.len().max(1);
        turned.books.rotate_left(turn % places);
        prop_assert_eq!(world.run(), turned.run());
    }

    #[test]
    fn an_unrelated_entry_changes_nobodys_luck(world in any_world(), seed in any::<u64>()) {
        let mut more = world.clone();
        more.books.push(Book::new(BookKind::Chat, "more", &[("unrelated", entry(&["\u{1f9ff}"]))]));
        let run = |world: &World| active(&world.run_with(|scan| scan.seed = seed));
        prop_assert_eq!(run(&world), run(&more));
    }

    #[test]
    fn asides_of_any_text_end(text in anything()) {
        prop_assert!(without_asides(&text).len() <= text.len());
        let _ = hidden_keys(&text);
    }

    #[test]
    fn content_is_what_is_left_of_any_decorators(text in anything(), instruct in any::<bool>()) {
        let (_, rest) = super::super::decorators::parse(&text, instruct);
        prop_assert!(text.contains(rest));
    }
}

#[test]
fn entries_that_all_activate_each_other_end() {
    let names: Vec<_> = (0..200).map(|number| format!("n{number}")).collect();
    let all = names.join(" ");
    let entries: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), with_content(&[name], &all)))
        .collect();
    let world = World::of(&entries).saying(&["n7"]).set(|it| it.budget_percent = 1e9);
    assert_eq!(world.active().len(), 200);
}

#[test]
fn a_long_chain_ends() {
    let names: Vec<_> = (0..2_000).map(|number| format!("n{number}")).collect();
    let entries: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(number, name)| (name.as_str(), with_content(&[name], &format!("n{}", number + 1))))
        .collect();
    let activation = World::of(&entries).saying(&["n0"]).run();
    assert_eq!(activation.entries.len(), 2_000);
    assert_eq!(decision(&activation, "n1999").pass, 1_999);
}

#[test]
fn keys_within_keys_end_with_the_work() {
    let text = "ab".repeat(1_000);
    for (work, is_enough) in [(100_000, false), (1_000_000, true)] {
        let mut builder = Builder::default();
        for length in 1..=200 {
            builder.add(&"ab".repeat(length), false, false, None).expect("short");
        }
        let (matcher, _) = builder.finish();
        let mut work = Work::new(work);
        let mut hits = 0;
        matcher.scan(text.as_bytes(), text.as_bytes(), &mut work, |_| hits += 1);
        assert_eq!((work.spent, hits == 180_100), (!is_enough, is_enough), "{hits}");
    }
}

#[test]
fn ten_megabytes_in_one_line_are_scanned() {
    let mut line = "ab".repeat(5_000_000);
    line.push_str(" needle");
    for (what, key, found, warned) in [
        ("a word", "needle", true, false),
        ("a pattern", "/n(e|ed)*le/", true, false),
        ("a pattern that must try", r"/(a+b)+\1c/", false, true),
    ] {
        let activation = World::of(&[("e", entry(&[key]))]).saying(&[&line]).run();
        assert_eq!(!activation.entries.is_empty(), found, "{what}");
        assert_eq!(
            !activation.warnings.is_empty(),
            warned,
            "{what}: {:?}",
            activation.warnings
        );
    }
}

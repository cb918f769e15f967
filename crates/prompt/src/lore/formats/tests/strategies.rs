//! Books as programs write them: any of their fields, and some of nobody's.

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::Map;

use super::*;

fn text() -> BoxedStrategy<Value> {
    "[a-zé/@ ,\n]{0,8}".prop_map(Value::from).boxed()
}

fn texts() -> BoxedStrategy<Value> {
    proptest::collection::vec("[a-zé/ ,]{0,6}", 0..3)
        .prop_map(Value::from)
        .boxed()
}

fn flag() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn number(range: std::ops::Range<i64>) -> BoxedStrategy<Value> {
    range.prop_map(Value::from).boxed()
}

fn or_null(strategy: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![Just(Value::Null), strategy].boxed()
}

fn anything() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        text(),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| json!(number)),
        Just(json!({ "a": [1, { "b": null }] })),
    ]
    .boxed()
}

type Named = (&'static str, BoxedStrategy<Value>);

fn object(fields: Vec<Named>) -> BoxedStrategy<Value> {
    let pairs: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| value.prop_map(move |value| (name.to_owned(), value)))
        .collect();
    pairs
        .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
        .boxed()
}

/// Some of the fields of `whole`, and some it does not know.
fn part_of(whole: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let unknown = proptest::collection::vec(("x_[a-c]", anything()), 0..3);
    (whole, unknown)
        .prop_flat_map(|(whole, unknown)| {
            let fields: Vec<_> = whole.as_object().expect("an object").clone().into_iter().collect();
            let count = fields.len();
            subsequence(fields, 0..=count)
                .prop_map(move |fields| Value::Object(fields.into_iter().chain(unknown.clone()).collect()))
        })
        .boxed()
}

/// Every field that SillyTavern writes, but for the number.
pub fn whole_silly_tavern_entry() -> BoxedStrategy<Value> {
    let filter = (any::<bool>(), texts(), texts())
        .prop_map(|(exclude, names, tags)| json!({ "isExclude": exclude, "names": names, "tags": tags }));
    let unset = |most| or_null(number(0..most));
    object(vec![
        ("key", texts()),
        ("keysecondary", texts()),
        ("comment", text()),
        ("content", text()),
        ("constant", flag()),
        ("vectorized", flag()),
        ("selective", flag()),
        ("selectiveLogic", number(0..4)),
        ("addMemo", flag()),
        ("order", number(-100..1000)),
        ("position", number(0..8)),
        ("disable", flag()),
        ("ignoreBudget", flag()),
        ("excludeRecursion", flag()),
        ("preventRecursion", flag()),
        ("matchPersonaDescription", flag()),
        ("matchCharacterDescription", flag()),
        ("matchCharacterPersonality", flag()),
        ("matchCharacterDepthPrompt", flag()),
        ("matchScenario", flag()),
        ("matchCreatorNotes", flag()),
        ("delayUntilRecursion", number(0..4)),
        ("probability", number(0..101)),
        ("useProbability", flag()),
        ("depth", number(0..100)),
        ("outletName", text()),
        ("group", text()),
        ("groupOverride", flag()),
        ("groupWeight", number(1..1000)),
        ("scanDepth", unset(100)),
        ("caseSensitive", or_null(flag())),
        ("matchWholeWords", or_null(flag())),
        ("useGroupScoring", or_null(flag())),
        ("automationId", text()),
        ("role", number(0..3)),
        ("sticky", unset(9)),
        ("cooldown", unset(9)),
        ("delay", unset(9)),
        ("triggers", texts()),
        ("characterFilter", filter.boxed()),
        ("displayIndex", number(0..50)),
        ("extensions", Just(json!({})).boxed()),
    ])
}

fn card_entry() -> BoxedStrategy<Value> {
    let extensions = object(vec![
        ("position", number(0..8)),
        ("depth", number(0..9)),
        ("probability", number(0..101)),
        ("useProbability", flag()),
        ("selectiveLogic", number(0..4)),
        ("group", text()),
        ("role", or_null(number(0..3))),
        ("case_sensitive", or_null(flag())),
        ("display_index", number(0..9)),
        ("delay_until_recursion", flag()),
        ("risu_case_sensitive", flag()),
        ("theirs", anything()),
    ]);
    let id = prop_oneof![number(0..9), text()].boxed();
    part_of(object(vec![
        ("keys", texts()),
        ("secondary_keys", texts()),
        ("comment", text()),
        ("name", text()),
        ("content", text()),
        ("constant", or_null(flag())),
        ("selective", flag()),
        ("insertion_order", number(-9..999)),
        ("enabled", flag()),
        ("priority", or_null(number(0..99))),
        (
            "position",
            prop_oneof![Just(json!("before_char")), Just(json!("after_char")), Just(json!(""))].boxed(),
        ),
        ("case_sensitive", or_null(flag())),
        ("use_regex", flag()),
        ("id", id),
        ("extensions", or_null(part_of(extensions))),
    ]))
}

fn risu_entry() -> BoxedStrategy<Value> {
    part_of(object(vec![
        ("key", text()),
        ("secondkey", text()),
        ("insertorder", number(0..999)),
        ("comment", text()),
        ("content", text()),
        (
            "mode",
            prop_oneof![Just(json!("normal")), Just(json!("folder"))].boxed(),
        ),
        ("alwaysActive", flag()),
        ("selective", flag()),
        ("activationPercent", number(0..101)),
        ("useRegex", flag()),
        ("folder", text()),
        ("extentions", or_null(object(vec![("risu_case_sensitive", flag())]))),
    ]))
}

fn agnai_entry() -> BoxedStrategy<Value> {
    part_of(object(vec![
        ("name", text()),
        ("entry", text()),
        ("keywords", texts()),
        ("priority", number(0..99)),
        ("weight", number(0..99)),
        ("enabled", flag()),
        ("id", number(0..9)),
        ("secondaryKeys", texts()),
    ]))
}

fn novel_ai_entry() -> BoxedStrategy<Value> {
    let config = object(vec![
        ("budgetPriority", number(-400..800)),
        ("prefix", text()),
        ("insertionPosition", number(-4..4)),
    ]);
    part_of(object(vec![
        ("text", text()),
        ("displayName", text()),
        ("keys", texts()),
        ("enabled", flag()),
        ("forceActivation", flag()),
        ("id", text()),
        ("contextConfig", part_of(config)),
    ]))
}

fn entries(entry: BoxedStrategy<Value>) -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(entry, 0..4)
}

fn book_fields() -> BoxedStrategy<Value> {
    part_of(object(vec![
        ("name", text()),
        ("description", text()),
        ("scan_depth", or_null(number(0..9))),
        ("token_budget", number(0..999)),
        ("recursive_scanning", flag()),
        (
            "extensions",
            prop_oneof![Just(json!({ "tags": ["t"], "y": 1 })), Just(Value::Null)].boxed(),
        ),
    ]))
}

fn with(mut book: Value, name: &str, entries: Value) -> Value {
    book[name] = entries;
    book
}

/// World files: under the entries' numbers or not, or in a list; with the card's book they came from.
pub fn silly_tavern_file() -> BoxedStrategy<Value> {
    let entry = (part_of(whole_silly_tavern_entry()), any::<bool>());
    (
        book_fields(),
        entries(
            entry
                .prop_map(|(entry, marked)| with(entry, "key", json!([marked])))
                .boxed(),
        ),
        0..4,
    )
        .prop_map(|(book, entries, form)| {
            let numbered = entries.into_iter().enumerate().map(|(index, mut entry)| {
                entry["key"] = json!(["k"]);
                if form != 2 {
                    entry["uid"] = json!(index);
                }
                (index, entry)
            });
            match form {
                0 => with(
                    book,
                    "entries",
                    Value::Object(numbered.map(|(index, it)| (index.to_string(), it)).collect()),
                ),
                1 => with(
                    book,
                    "entries",
                    Value::Object(numbered.map(|(index, it)| (format!("n{index}"), it)).collect()),
                ),
                2 => with(
                    book,
                    "entries",
                    Value::Object(numbered.map(|(index, it)| ((index + 7).to_string(), it)).collect()),
                ),
                _ => with(book, "entries", numbered.map(|(_, it)| it).collect()),
            }
        })
        .boxed()
}

/// A bare book; the first entry says that it is one.
pub fn card_book() -> BoxedStrategy<Value> {
    (book_fields(), entries(card_entry()))
        .prop_map(|(book, mut entries)| {
            if let Some(first) = entries.first_mut() {
                first["keys"] = json!(["k"]);
            }
            with(book, "entries", Value::from(entries))
        })
        .boxed()
}

/// A file of every format.
pub fn any_file() -> BoxedStrategy<Value> {
    let marked = |entry: BoxedStrategy<Value>, container: &'static str, marks: Value| {
        (entries(entry), part_of(Just(json!({ "name": "B" })).boxed())).prop_map(move |(entries, book)| {
            let mut book = with(book, container, Value::from(entries));
            for (name, value) in marks.as_object().unwrap_or(&Map::new()) {
                book[name] = value.clone();
            }
            book
        })
    };
    prop_oneof![
        silly_tavern_file(),
        card_book(),
        card_book().prop_map(|book| json!({ "spec": "lorebook_v3", "data": book, "x": 1 })),
        marked(risu_entry(), "data", json!({ "type": "risu", "ver": 1 })),
        marked(agnai_entry(), "entries", json!({ "kind": "memory", "_id": "i" })),
        marked(
            novel_ai_entry(),
            "entries",
            json!({ "lorebookVersion": 5, "categories": [] })
        ),
    ]
    .boxed()
}

use proptest::prelude::*;

use super::*;

const PIECES: [&str; 54] = [
    "{{",
    "}}",
    "{",
    "}",
    "::",
    ":",
    "//",
    "/",
    "#",
    "!",
    ".",
    "$",
    "\\",
    ",",
    " ",
    "\n",
    "<USER>",
    "<",
    ">",
    "a",
    "é🐉",
    "0",
    "9",
    "1d6",
    "++",
    "--",
    "=",
    "||=",
    "?? ",
    "==",
    "-",
    "if ",
    "/if}}",
    "{{else}}",
    "{{/",
    "trim}}",
    "{{trim}}",
    "char}}",
    "{{char}}",
    "setvar::",
    "getvar::",
    "addvar::a::",
    "reverse::",
    "random:",
    "pick::",
    "roll:",
    "newline::",
    "description}}",
    "datetimeformat::",
    "timeDiff::",
    "original}}",
    "time_UTC+",
    "unknown ",
    "comment}}",
];

fn grammar() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60).prop_map(|pieces| pieces.concat())
}

fn full_scene() -> Scene<'static> {
    let mut scene = scene();
    scene.now = Some(tavern_domain::Timestamp(NOW));
    scene.card.description = "{{char}} {{persona}}\n{{random:a,b}}".into();
    scene.persona = "{{description}}{{persona}}".into();
    scene
}

proptest! {
    #[test]
    fn texts_of_the_grammar_never_panic(text in grammar()) {
        let mut macros = macros(full_scene());
        let expanded = macros.expand_with_original(&text, "{{char}}{{original}}");
        prop_assert!(expanded.len() <= text.len() + MAX_BYTES);
        let _ = macros.expand_names(&text);
        let _ = macros.finish();
    }

    #[test]
    fn arbitrary_texts_never_panic(text in ".{0,200}") {
        let mut macros = macros(full_scene());
        macros.expand(&text);
        let _ = macros.expand_names(&text);
    }

    #[test]
    fn the_same_seed_gives_the_same(text in grammar(), seed in any::<u64>()) {
        let run = || {
            let mut macros = Macros::new(full_scene(), Variables::new(), Variables::new(), seed);
            (macros.expand(&text), macros.expand(&text), macros.finish())
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn a_text_without_marks_stays_as_it_is(text in "[^{<\\\\]{0,80}") {
        prop_assert!(!has_macros(&text));
        prop_assert_eq!(expand(&text), text);
    }

    #[test]
    fn where_has_macros_says_no_nothing_changes(text in grammar()) {
        if !has_macros(&text) {
            prop_assert_eq!(expand(&text), text.clone());
            prop_assert_eq!(macros(scene()).expand_names(&text), text);
        }
    }

    #[test]
    fn the_tokens_cover_the_text(text in grammar()) {
        let document = Document::parse(&text);
        let covered: usize = document.tokens.iter().map(|token| match token {
            Token::Text(span) | Token::Escape(span) | Token::Marker(_, span) => span.end - span.start,
            Token::Open(open) => open.head.end - open.head.start,
            Token::Separator { .. } | Token::Close { .. } => 2,
        }).sum();
        prop_assert_eq!(covered, text.len());
    }

    #[test]
    fn names_put_in_are_never_read_again(text in grammar()) {
        let name = "{{setvar::injected::1}}{{description}}<BOT>";
        let mut macros = macros(Scene { user: name.into(), char: name.into(), ..Scene::default() });
        macros.expand(&text);
        prop_assert!(!macros.finish().local.contains_key("injected"));
    }
}

#[test]
fn deep_nesting_ends_and_is_told() {
    for (about, open, close) in [
        ("arguments", "{{reverse::", "}}"),
        ("unknown macros", "{{unknown::", "}}"),
        ("no macros", "{{§", "}}"),
        ("contents", "{{reverse}}", "{{/reverse}}"),
        ("conditions", "{{if 1}}", "{{/if}}"),
        ("conditions of conditions", "{{if {{noop}}", "}}{{/if}}"),
        ("variables", "{{.a = ", "}}"),
        ("lists", "{{random:", "}}"),
        ("without an end", "{{reverse::", ""),
        ("without a beginning", "", "}}"),
        ("braces", "{", "}"),
        ("backslashes", "\\", "\\{"),
        ("blanks", "{{ ", " }}"),
    ] {
        for depth in [MAX_DEPTH, 1_000, 20_000] {
            let text = format!("{}x{}", open.repeat(depth), close.repeat(depth));
            let mut macros = macros(scene());
            let expanded = macros.expand(&text);
            let _ = macros.expand_names(&text);
            assert!(expanded.len() <= text.len() + MAX_BYTES, "{about}");
        }
    }
    assert!(warnings(&format!("{}x{}", "{{reverse::".repeat(100), "}}".repeat(100)))[0].contains("deep"));
}

#[test]
fn nesting_up_to_the_limit_is_evaluated() {
    let nested = |depth: usize| format!("{}ab{}", "{{reverse::".repeat(depth), "}}".repeat(depth));
    assert_eq!(expand(&nested(MAX_DEPTH)), "ab");
    assert!(expand(&nested(MAX_DEPTH + 1)).contains("{{reverse::ab}}"));
}

#[test]
fn what_is_put_into_a_text_is_bounded() {
    let mut macros = macros(scene());
    let half = format!("{{{{space::{}}}}}", MAX_BYTES / 2);
    assert_eq!(
        macros.expand(&format!("{half}{{{{space::{}}}}}x", MAX_BYTES / 4)).len(),
        MAX_BYTES / 4 * 3 + 1
    );
    let expanded = macros.expand(&half.repeat(3));
    assert_eq!(expanded, format!("{}{half}", " ".repeat(MAX_BYTES)));
    assert!(macros.finish().warnings[0].contains("too much text"));
}

#[test]
fn what_is_put_into_a_turn_is_bounded() {
    let mut macros = macros(scene());
    let text = format!("{{{{space::{}}}}}", MAX_BYTES / 2);
    let total: usize = (0..2 * MAX_TURN_BYTES / MAX_BYTES + 8)
        .map(|_| macros.expand(&text).len())
        .sum();
    assert!(total <= MAX_TURN_BYTES + 1_000, "{total}");
}

#[test]
fn the_macros_of_a_text_and_of_a_turn_are_bounded() {
    let mut macros = macros(scene());
    let text = "{{char}}".repeat(MAX_STEPS + 1);
    assert!(macros.expand(&text).ends_with("Mira{{char}}"));
    for _ in 1..MAX_TURN_STEPS / MAX_STEPS {
        macros.expand(&text);
    }
    assert_eq!(macros.expand("{{char}}"), "{{char}}");
    assert!(macros.finish().warnings[0].contains("too many macros"));
}

#[test]
fn a_text_of_too_many_marks_is_read_to_a_limit() {
    let text = "{{a ".repeat(200_000);
    assert_eq!(expand(&text), text);
    assert!(warnings(&text)[0].contains("too many macros"));
}

#[test]
fn tags_without_their_macros_are_searched_for_to_a_limit() {
    let text = format!("{}{}", "{{x}}".repeat(15_000), "{{/y}}".repeat(15_000));
    let scene = scene();
    assert_eq!(macros(scene).expand(&text), text);
}

#[test]
fn texts_that_grow_by_each_other_end() {
    let mut scene = scene();
    scene.card.description = "{{personality}}".repeat(100).into();
    scene.card.personality = "{{scenario}}".repeat(100).into();
    scene.card.scenario = "{{persona}}".repeat(100).into();
    scene.persona = "x".repeat(100).into();
    let mut macros = macros(scene);
    assert!(macros.expand("{{description}}").len() <= MAX_BYTES);
}

#[test]
fn warnings_are_few_and_different() {
    let text: String = (0..500)
        .map(|index| format!("{{{{roll::x{index}}}}}{{{{roll::x}}}}"))
        .collect();
    let warnings = warnings(&text);
    assert_eq!(warnings.len(), MAX_WARNINGS);
    assert_eq!(warnings.iter().filter(|warning| warning.starts_with("`x` ")).count(), 1);
}

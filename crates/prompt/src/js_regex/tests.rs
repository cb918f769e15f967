use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, flags: &str, text: &str) -> bool {
    JsRegex::new(pattern, flags)
        .unwrap_or_else(|| panic!("no pattern: {pattern}"))
        .is_match(text)
}

/// Each match in brackets, its groups behind it.
fn marked(pattern: &str, flags: &str, text: &str) -> String {
    let regex = JsRegex::new(pattern, flags).unwrap_or_else(|| panic!("no pattern: {pattern}"));
    let replaced = regex.replace(text, |groups| {
        let mut mark = format!("[{}", groups.get(0).expect("a match"));
        for index in 1..=groups.count() {
            mark.push('|');
            mark.push_str(groups.get(index).unwrap_or("-"));
        }
        mark + "]"
    });
    replaced.unwrap_or_else(|| panic!("gave up: {pattern}")).into_owned()
}

#[test]
fn literals_are_told_from_plain_text() {
    for (literal, is_pattern) in [
        ("/a/", true),
        ("/a/gimsuy", true),
        (r"/a\/b/", true),
        (r"/a\\/", true),
        ("/a/b/", false),
        ("/[/]/", false),
        (r"/a\\/b/", false),
        ("//", false),
        ("/", false),
        ("/a", false),
        (r"/a\/", false),
        ("a/", false),
        ("/a/x", false),
        ("/a/gg", false),
        ("/(/", false),
        (" /a/", false),
    ] {
        assert_eq!(JsRegex::parse(literal).is_some(), is_pattern, "{literal}");
    }
}

#[test]
fn syntax_means_what_it_means_in_javascript() {
    for (name, pattern, flags, text, expected) in [
        ("an escaped slash", r"a\/b", "", "a/b", true),
        ("digits are ASCII", r"\d", "", "٣", false),
        ("words are ASCII", r"\w", "", "é", false),
        ("what is no word is not", r"\W", "", "é", true),
        ("word ends are ASCII", r"caf\b", "", "café", true),
        ("inside a word", r"a\Bb", "", "ab", true),
        ("no inside between others", r"^é\Bé$", "", "éé", true),
        (
            "blanks are Unicode",
            r"^\s+$",
            "",
            "\u{feff}\u{3000}\u{a0}\u{2028}",
            true,
        ),
        ("a control character", r"\cJ", "", "\n", true),
        ("a backslash before c alone", r"^\c$", "", r"\c", true),
        ("four hexadecimal digits", r"\u00e9", "", "é", true),
        ("a surrogate pair", r"^\ud83d\udc09$", "", "🐉", true),
        ("a code point", r"^\u{1F409}$", "u", "🐉", true),
        ("u alone", r"^\u12$", "", "u12", true),
        ("two hexadecimal digits", r"\x41", "", "A", true),
        ("x alone", r"^\xg$", "", "xg", true),
        ("zero", r"^\0$", "", "\0", true),
        ("octal", r"^\101$", "", "A", true),
        ("anything", "^[^]$", "", "\n", true),
        ("nothing", "[]", "", "a", false),
        ("a bracket first in a class", r"^[\]]$", "", "]", true),
        ("a lone bracket", "^]$", "", "]", true),
        ("a lone brace", "^{$", "", "{", true),
        ("braces that count nothing", "^a{,5}$", "", "a{,5}", true),
        ("a macro", "^{{char}}$", "", "{{char}}", true),
        ("a class in a class", "^[[]$", "", "[", true),
        ("a dash last", "^[a-]+$", "", "a-", true),
        ("a dash behind a set", r"^[\w-.]+$", "", "a-.", true),
        ("a backspace", r"^[\b]$", "", "\u{8}", true),
        ("an end before a line end", "a$", "", "a\n", false),
        ("an end of a line", "a$", "m", "a\nb", true),
        ("a start of a line", "^b", "m", "a\nb", true),
        ("a dot is no line end", "a.b", "", "a\u{2028}b", false),
        ("a dot is a line end", "a.b", "s", "a\nb", true),
        ("a dot is a character", "^.$", "", "🐉", true),
        ("case", "ÄB", "i", "äb", true),
        ("case of a class", "^[a-z]$", "i", "Z", true),
        ("case of ASCII stays within", "^k$", "i", "\u{212a}", false),
        ("case of ASCII under u", "^k$", "iu", "\u{212a}", true),
        ("a category", r"^\p{Lu}$", "u", "Ä", true),
        ("no category", r"^\P{Lu}$", "u", "ä", true),
        ("a script", r"^\p{Script=Greek}+$", "u", "αβ", true),
        ("lazy", r"^a+?$", "", "aaa", true),
        ("sticky", "b", "y", "ab", false),
        ("sticky with look-ahead", "b(?=c)", "y", "abc", false),
        ("modifiers", "^(?i:a)b$", "", "Ab", true),
        ("modifiers end", "^(?i:a)b$", "", "AB", false),
        ("look-ahead", "a(?=b)", "", "ab", true),
        ("negative look-ahead", "a(?!b)", "", "ab", false),
        ("look-behind", "(?<=a)b", "", "ab", true),
        ("look-behind of any length", r"(?<=\$\d+\.)\d\d", "", "$12.34", true),
        ("negative look-behind", "(?<!a)b", "", "ab", false),
        ("repeated look-ahead", "^(?=a)*a$", "", "a", true),
        ("a back-reference", r"^(.)\1$", "", "éé", true),
        ("a back-reference ignoring case", r"^(.)\1$", "i", "éÉ", true),
        ("a named back-reference", r"^(?<q>['*]).\k<q>$", "", "*a*", true),
        ("a back-reference to nothing", r"^(?:(a)|b)\1$", "", "b", true),
        ("a back-reference ahead", r"^\1(a)$", "", "a", true),
        ("k alone", r"^\k$", "", "k", true),
        ("a line end in look-around", "(?=a)a$", "m", "a\rb", true),
    ] {
        assert_eq!(matches(pattern, flags, text), expected, "{name}");
    }
}

#[test]
fn what_is_wrong_or_too_large_is_refused() {
    let nested = format!("{}a{}", "(".repeat(101), ")".repeat(101));
    let long = "a".repeat(16_385);
    for pattern in [
        "(",
        ")",
        "a)",
        "[",
        "[b-a]",
        r"\",
        "*",
        "a**",
        "^*",
        "(?<=a)*",
        "{1}",
        "a{2,1}",
        "(?<>a)",
        "(?<1>a)",
        "(?P<a>b)",
        "(?i)a",
        "(?>a)",
        r"(?<a>.)\k<b>",
        r"\ud83d",
        r"\u{110000}",
        r"\p{Nothing}",
        "a{1,100000}",
        "a{100000}",
        "(?:a{200}){200}",
        "(?=a){1,99999999999999999999}",
        &nested,
        &long,
    ] {
        assert!(JsRegex::new(pattern, "").is_none(), "{pattern}");
    }
}

#[test]
fn replacing_finds_what_javascript_finds() {
    for (name, pattern, flags, text, expected) in [
        ("the first only", "a", "", "aa", "[a]a"),
        ("all", "a", "g", "aba", "[a]b[a]"),
        ("empty matches, behind others too", "a*", "g", "baaac", "[]b[aaa][]c[]"),
        ("empty matches between characters", "", "g", "é🐉", "[]é[]🐉[]"),
        ("groups", "(a)|(b)", "g", "ab", "[a|a|-][b|-|b]"),
        ("a round forgets groups", "(?=a)(?:(a)|b)*", "", "ab", "[ab|-]"),
        ("look-behind has its groups", "(?<=(a)(b+))c", "", "abbc", "abb[c|a|bb]"),
        ("look-around is not consumed", "a(?=(b))", "g", "abab", "[a|b]b[a|b]b"),
        ("lazy", "<.+?>", "g", "<a><b>", "[<a>][<b>]"),
        ("lazy with look-ahead", "<.+?(?=>)", "g", "<a><b>", "[<a]>[<b]>"),
        ("sticky goes on", "a", "gy", "aaba", "[a][a]ba"),
        ("a start is not behind a match", "^a", "g", "aa", "[a]a"),
        ("a word end behind a match", r"a\b", "g", "aa a", "a[a] [a]"),
        ("bounded rounds", "(?=a)a{2,3}?", "g", "aaaaa", "[aa][aa]a"),
        ("bounded greedy rounds", "(?=a)a{2,3}", "g", "aaaaa", "[aaa][aa]"),
    ] {
        assert_eq!(marked(pattern, flags, text), expected, "{name}");
    }
}

#[test]
fn groups_have_names() {
    let regex = JsRegex::parse("/(?<first>a)|(?<second>b)/g").expect("a pattern");
    let replaced = regex.replace("abc", |groups| {
        format!("{:?}{:?}", groups.name("first"), groups.name("second"))
    });
    assert_eq!(replaced.as_deref(), Some(r#"Some("a")NoneNoneSome("b")c"#));
}

#[test]
fn a_text_without_a_match_is_not_copied() {
    let regex = JsRegex::new("x", "g").expect("a pattern");
    assert!(matches!(
        regex.replace("abc", |_| String::new()),
        Some(Cow::Borrowed("abc"))
    ));
}

#[test]
fn catastrophic_patterns_are_linear_without_look_around() {
    let text = "a".repeat(20_000) + "!";
    for pattern in [
        "(a+)+$",
        "(a|a)+$",
        "(a*)*b",
        "(.*)*x",
        "(a+){10}$",
        "^(([a-z])+.)+[A-Z]$",
    ] {
        assert!(!matches(pattern, "", &text), "{pattern}");
    }
}

#[test]
fn catastrophic_patterns_give_up_with_look_around() {
    let text = "a".repeat(20_000) + "!";
    for pattern in [
        "(?=a)(a+)+$",
        "(?=a)(a|a)+$",
        r"(a+)+\1$",
        "(?=(a*)*$)b",
        "(?=(?:.*)*x)",
    ] {
        let regex = JsRegex::new(pattern, "").expect("a pattern");
        assert!(regex.replace(&text, |_| String::new()).is_none(), "{pattern}");
        assert!(!regex.is_match(&text), "{pattern}");
    }
}

#[test]
fn a_pattern_too_large_for_an_automaton_is_matched_by_trying() {
    let text = format!("<{}>", "é".repeat(3000));
    assert!(matches("<.{0,4000}>", "", &text));
    assert!(!matches("<.{0,2000}>", "", &text));
}

#[test]
fn many_matches_that_each_read_the_whole_text_give_up() {
    let regex = JsRegex::new(".*[^A-Z]|[A-Z]", "gs").expect("a pattern");
    assert!(regex.replace(&"A".repeat(100_000), |_| String::new()).is_none());
    assert!(regex.replace(&"A".repeat(1000), |_| String::new()).is_some());
}

#[test]
fn many_matches_that_read_only_themselves_are_found() {
    let text = "word ".repeat(20_000);
    for pattern in [r"\s+", "word", r"\w+", "o|r"] {
        let regex = JsRegex::new(pattern, "g").expect("a pattern");
        assert!(regex.replace(&text, |_| String::new()).is_some(), "{pattern}");
    }
}

#[test]
fn a_result_that_grows_without_bound_gives_up() {
    let regex = JsRegex::new("", "g").expect("a pattern");
    assert!(regex.replace(&"a".repeat(2000), |_| "b".repeat(1000)).is_none());
}

proptest! {
    #[test]
    fn no_pattern_panics(
        pattern in r"(a|b|\.|\||\(|\)|\(\?:|\(\?=|\(\?<!|\(\?<n>|\*|\+|\?|\{2\}|\{0,3\}|\[|\]|\^|-|\$|\\|\\1|\\k<n>|\\b|\\B|é|🐉){0,14}",
        flags in "g?i?m?s?u?y?",
        text in "[ab\n é🐉]{0,12}",
    ) {
        if let Some(regex) = JsRegex::new(&pattern, &flags) {
            let _ = regex.is_match(&text);
            let _ = regex.replace(&text, |groups| groups.get(1).unwrap_or_default().to_owned());
        }
    }

    #[test]
    fn both_engines_find_the_same(
        pattern in r"(a|b|c|\.|\(a\)|\(b\|\)|\(\?:ab\|a\)|\*|\+|\?|\{2\}|\{0,2\}|\[ab\]|\[\^a\]|\^|\$|\\b|\\B|\||\(|\)){1,8}",
        text in "[abc é]{0,10}",
    ) {
        let node = syntax::parse(&pattern, Flags::default());
        if let (Some(linear), Some(parsed)) = (JsRegex::new(&pattern, "g"), node) {
            let tried = JsRegex(Arc::new(Inner {
                engine: Engine::Backtrack(Backtrack::new(&parsed.node, parsed.groups)),
                groups: parsed.groups,
                names: Vec::new(),
                global: true,
                sticky: false,
            }));
            let mark = |regex: &JsRegex| regex
                .replace(&text, |groups| format!("[{}]", groups.get(0).unwrap_or("?")))
                .map(Cow::into_owned);
            prop_assert_eq!(mark(&linear), mark(&tried));
        }
    }
}

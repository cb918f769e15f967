use super::*;

fn with(local: &[(&str, &str)], global: &[(&str, &str)], text: &str) -> (String, Effects) {
    let mut macros = Macros::new(scene(), variables(local), variables(global), 7);
    let expanded = macros.expand(text);
    (expanded, macros.finish())
}

#[test]
fn each_macro_does_its_part() {
    for (text, expected, after) in [
        ("{{getvar::n}}{{getvar::none}}", "5", "5"),
        ("{{setvar::n::a}}", "", "a"),
        ("{{addvar::n::2}}", "", "7"),
        ("{{addvar::n::-7.5}}", "", "-2.5"),
        ("{{addvar::n::x}}", "", "5x"),
        ("{{incvar::n}}", "6", "6"),
        ("{{decvar::n}}", "4", "4"),
        ("{{hasvar::n}} {{varexists::m}}", "true false", "5"),
        ("{{deletevar::n}}", "", ""),
        ("{{flushvar::n}}", "", ""),
    ] {
        let (expanded, effects) = with(&[("n", "5")], &[], text);
        assert_eq!(expanded, expected, "{text}");
        assert_eq!(effects.local.get("n").map_or("", String::as_str), after, "{text}");

        let text = text
            .replace("varexists", "globalvarexists")
            .replace("var::", "globalvar::");
        let (expanded, effects) = with(&[], &[("n", "5")], &text);
        assert_eq!(expanded, expected, "{text}");
        assert_eq!(effects.global.get("n").map_or("", String::as_str), after, "{text}");
    }
}

#[test]
fn each_shorthand_does_its_part() {
    for (text, expected, after) in [
        ("{{.n}}", "5", "5"),
        ("{{ .n }}", "5", "5"),
        ("{{.n = a b }}", "", "a b"),
        ("{{.n={{char}}!}}", "", "Mira!"),
        ("{{.n =}}", "", ""),
        ("{{.n++}}", "6", "6"),
        ("{{.n -- }}", "4", "4"),
        ("{{.n += 2}}", "", "7"),
        ("{{.n += x}}", "", "5x"),
        ("{{.n -= 2}}", "", "3"),
        ("{{.n-=2}}", "", "3"),
        ("{{.n || a}}", "5", "5"),
        ("{{.n ?? a}}", "5", "5"),
        ("{{.n ||= a}}", "5", "5"),
        ("{{.n ??= a}}", "5", "5"),
        ("{{.n == 5}} {{.n == 6}}", "true false", "5"),
        ("{{.n != 5}} {{.n != 6}}", "false true", "5"),
        ("{{.n > 4}} {{.n > 5}}", "true false", "5"),
        ("{{.n >= 5}} {{.n >= 6}}", "true false", "5"),
        ("{{.n < 10}} {{.n < 5}}", "true false", "5"),
        ("{{.n <= 5}} {{.n <= 4.9}}", "true false", "5"),
        ("{{.my-n}}{{.n_1}}", "", "5"),
    ] {
        let (expanded, effects) = with(&[("n", "5")], &[], text);
        assert_eq!(expanded, expected, "{text}");
        assert_eq!(effects.local["n"], after, "{text}");

        let text = text.replace("{{.", "{{$").replace("{{ .", "{{ $");
        let (expanded, effects) = with(&[], &[("n", "5")], &text);
        assert_eq!(expanded, expected, "{text}");
        assert_eq!(effects.global["n"], after, "{text}");
    }
}

#[test]
fn what_is_missing_or_falsy_gives_way() {
    for (text, expected, zero, none) in [
        ("{{.zero || a}} {{.none || a}}", "a a", "0", None),
        ("{{.zero ?? a}} {{.none ?? a}}", "0 a", "0", None),
        ("{{.zero ||= a}} {{.none ||= a}}", "a a", "a", Some("a")),
        ("{{.zero ??= a}} {{.none ??= a}}", "0 a", "0", Some("a")),
        ("{{.none++}}", "1", "0", Some("1")),
        ("{{.none -= 2}}", "", "0", Some("-2")),
        ("{{.none < 1}}", "true", "0", None),
    ] {
        let (expanded, effects) = with(&[("zero", "0")], &[], text);
        assert_eq!(expanded, expected, "{text}");
        assert_eq!(effects.local["zero"], zero, "{text}");
        assert_eq!(effects.local.get("none").map(String::as_str), none, "{text}");
    }
}

#[test]
fn a_value_that_is_not_wanted_is_not_evaluated() {
    let (expanded, effects) = with(&[("n", "5")], &[], "{{.n || {{.m = 1}}}}{{.n ??= {{.m = 1}}}}");
    assert_eq!((expanded.as_str(), effects.local.contains_key("m")), ("55", false));
}

#[test]
fn sums_are_written_as_people_write_numbers() {
    for (text, expected) in [
        ("{{.a += 1.5}}{{.a += 1.5}}{{.a}}", "3"),
        ("{{.a += -1}}{{.a++}}", "0"),
        ("{{.a = 007}}{{.a}} {{.a++}}", "007 8"),
        ("{{.a = 1e3}}{{.a++}}", "1001"),
        ("{{.a = inf}}{{.a += 1}}{{.a}}", "inf1"),
    ] {
        assert_eq!(expand(text), expected, "{text}");
    }
}

#[test]
fn a_list_takes_one_more() {
    let text = r#"{{setvar::l::["a"]}}{{addvar::l::b}}{{getvar::l}}"#;
    assert_eq!(expand(text), r#"["a","b"]"#);
}

#[test]
fn what_cannot_be_counted_stays_and_is_told() {
    for text in ["{{incvar::n}}", "{{.n--}}", "{{.n -= 1}}", "{{.n > 1}}", "{{.m -= x}}"] {
        let (expanded, effects) = with(&[("n", "word"), ("m", "1")], &[], text);
        assert_eq!(expanded, text);
        assert_eq!(effects.local, variables(&[("n", "word"), ("m", "1")]), "{text}");
        assert!(
            effects.warnings[0].contains("no number"),
            "{text}: {:?}",
            effects.warnings
        );
        assert!(!effects.local_changed);
    }
}

#[test]
fn a_variable_needs_a_name() {
    assert_eq!(expand("{{setvar::::a}}"), "{{setvar::::a}}");
}

#[test]
fn no_shorthand_stays_text() {
    check(&[
        ("no name", "{{.}} {{$}} {{.1}}", "{{.}} {{$}} {{.1}}"),
        ("something behind", "{{.a b}} {{.a++ 1}}", "{{.a b}} {{.a++ 1}}"),
        ("a macro inside", "{{.{{char}}}}", "{{.Mira}}"),
    ]);
}

#[test]
fn only_changes_count_as_changes() {
    for (text, local, global) in [
        ("{{getvar::n}}{{.n}}{{hasvar::m}}{{deletevar::m}}", false, false),
        ("{{setvar::n::5}}", false, false),
        ("{{setvar::n::6}}", true, false),
        ("{{deletevar::n}}", true, false),
        ("{{$n++}}", false, true),
    ] {
        let (_, effects) = with(&[("n", "5")], &[], text);
        assert_eq!(
            (effects.local_changed, effects.global_changed),
            (local, global),
            "{text}"
        );
    }
}

#[test]
fn values_are_not_read_again() {
    let (expanded, effects) = with(&[("v", "{{setvar::x::1}}{{user}}")], &[], "{{getvar::v}}|{{.v}}");
    assert_eq!(expanded, "{{setvar::x::1}}{{user}}|{{setvar::x::1}}{{user}}");
    assert!(!effects.local.contains_key("x"));
}

#[test]
fn variables_are_bounded_in_number_and_bytes() {
    let many: Variables = (0..MAX_VARIABLES).map(|n| (n.to_string(), String::new())).collect();
    let mut full = Macros::new(scene(), many, Variables::new(), 7);
    assert_eq!(
        full.expand("{{setvar::new::a}}{{setvar::0::a}}{{getvar::0}}"),
        "{{setvar::new::a}}a"
    );
    assert_eq!(full.expand("{{deletevar::1}}{{setvar::new::a}}{{getvar::new}}"), "a");

    let value = "x".repeat(MAX_VALUE_BYTES);
    let mut bytes = Macros::new(scene(), Variables::new(), Variables::new(), 7);
    assert_eq!(bytes.expand(&format!("{{{{setvar::a::{value}}}}}")), "");
    assert_eq!(bytes.expand("{{addvar::a::x}}"), "{{addvar::a::x}}");
    for index in 1..MAX_VARIABLE_BYTES / MAX_VALUE_BYTES {
        bytes.expand(&format!("{{{{setvar::{index}::{}}}}}", &value[8..]));
    }
    let refused = format!("{{{{.b = {}}}}}", "x".repeat(64));
    assert_eq!(bytes.expand(&refused), refused);
    let effects = bytes.finish();
    let weight: usize = effects.local.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(weight <= MAX_VARIABLE_BYTES && weight > MAX_VARIABLE_BYTES - 128);
    assert!(effects.warnings[0].contains("no room"));
}

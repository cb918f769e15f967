use super::*;

#[test]
fn a_condition_holds_unless_it_is_falsy() {
    for falsy in [
        "",
        "false",
        "0",
        "off",
        "no",
        "FALSE",
        "Off",
        "{{noop}}",
        "{{space}}",
        "{{getvar::none}}",
    ] {
        assert_eq!(expand(&format!("{{{{if::{falsy}::a}}}}")), "", "{falsy}");
        assert_eq!(expand(&format!("{{{{if::!{falsy}::a}}}}")), "a", "not {falsy}");
    }
    for truthy in ["1", "true", "yes", "on", "00", "word", "two words", "{{char}}", "-"] {
        assert_eq!(expand(&format!("{{{{if::{truthy}::a}}}}")), "a", "{truthy}");
        assert_eq!(expand(&format!("{{{{if::!{truthy}::a}}}}")), "", "not {truthy}");
    }
}

#[test]
fn conditions_are_written_in_several_ways() {
    check(&[
        ("scoped", "{{if yes}}a{{/if}}{{if no}}b{{/if}}", "a"),
        ("as handlebars have it", "{{#if yes}} a {{/if}}", " a "),
        ("inline", "{{if::1::a}}{{if::0::b}}", "a"),
        (
            "by the name of a macro",
            "{{if char}}a{{/if}}{{if persona}}b{{/if}}",
            "a",
        ),
        ("by no name of a macro", "{{if nothing}}a{{/if}}", "a"),
        ("by a name that needs arguments", "{{if reverse}}a{{/if}}", "a"),
        (
            "inverted",
            "{{if !char}}a{{else}}b{{/if}}{{if ! persona}}c{{/if}}",
            "bc",
        ),
        ("nothing inverted", "{{if !}}a{{/if}}", "a"),
        (
            "a value with a mark is not inverted",
            "{{setvar::x::!a}}{{if {{.x}}}}b{{/if}}",
            "b",
        ),
        (
            "a value that names a macro is text",
            "{{setvar::x::persona}}{{if {{.x}}}}a{{/if}}",
            "a",
        ),
        ("without content", "{{if yes}}", "{{if yes}}"),
    ]);
}

#[test]
fn one_branch_is_taken() {
    check(&[
        ("the first", "{{if 1}} a {{else}} b {{/if}}", "a"),
        ("the second", "{{if 0}} a {{else}} b {{/if}}", "b"),
        ("the second inline", "{{if::0::a{{else}}b}}", "b"),
        ("none", "[{{if 0}}a{{/if}}]", "[]"),
        (
            "nested in the first",
            "{{if 1}}a{{if 0}}b{{else}}c{{/if}}{{else}}d{{/if}}",
            "ac",
        ),
        (
            "nested in the second",
            "{{if 0}}a{{else}}b{{if 1}}c{{else}}d{{/if}}{{/if}}",
            "bc",
        ),
        (
            "beside an inline one",
            "{{if 0}}{{if::1::a}}{{if::1::b}}{{else}}c{{/if}}",
            "c",
        ),
        ("indented", "{{if 0}}\n  a\n{{else}}\n  # b\n  c\n{{/if}}", "# b\nc"),
        ("an else of nothing", "a{{else}}b", "ab"),
    ]);
}

#[test]
fn the_other_branch_has_no_effects() {
    check(&[
        (
            "the second",
            "{{if 1}}{{.a = 1}}{{else}}{{.b = 1}}{{/if}}{{hasvar::a}} {{hasvar::b}}",
            "true false",
        ),
        (
            "the first",
            "{{if 0}}{{.a = 1}}{{else}}{{.b = 1}}{{/if}}{{hasvar::a}} {{hasvar::b}}",
            "false true",
        ),
        ("inline", "{{if::0::{{.a = 1}}}}{{hasvar::a}}", "false"),
    ]);
}

#[test]
fn conditions_ask_variables() {
    let rows = [
        ("local", "{{if .one}}a{{/if}}", "a"),
        ("global", "{{if $two}}a{{/if}}", "a"),
        ("zero", "{{if .zero}}a{{else}}b{{/if}}", "b"),
        ("none", "{{if .none}}a{{else}}b{{/if}}", "b"),
        ("inverted", "{{if !.zero}}a{{/if}}{{if ! $two}}b{{/if}}", "a"),
        (
            "compared",
            "{{if .one == 1}}a{{/if}}{{if $two > 3}}b{{/if}}{{if !$two > 3}}c{{/if}}",
            "ac",
        ),
        ("compared with a value", "{{if .one == {{getvar::one}}}}a{{/if}}", "a"),
        ("with hyphens", "{{if .is-on}}a{{/if}}", "a"),
        ("set before", "{{.now = 1}}{{if .now}}a{{/if}}", "a"),
    ];
    for (about, text, expected) in rows {
        let local = variables(&[("one", "1"), ("zero", "0"), ("is-on", "yes")]);
        let global = variables(&[("two", "2")]);
        let mut macros = Macros::new(scene(), local, global, 7);
        assert_eq!(macros.expand(text), expected, "{about}: {text}");
    }
}

#[test]
fn to_ask_for_the_original_does_not_use_it_up() {
    let mut macros = macros(scene());
    let text = "{{if original}}[{{original}}]{{/if}}";
    assert_eq!(macros.expand_with_original(text, "a"), "[a]");
    assert_eq!(macros.expand_with_original(text, ""), "");
}

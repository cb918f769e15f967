use super::*;

#[test]
fn names_are_found_however_they_are_written() {
    check(&[
        ("lower case", "{{char}}", "Mira"),
        ("any case", "{{CHAR}} {{cHaR}}", "Mira Mira"),
        ("blanks inside", "{{ char }} {{\tuser\n}}", "Mira Tom"),
        ("side by side", "{{char}}{{user}}", "MiraTom"),
        (
            "flags without a meaning",
            "{{!char}} {{ ? ~ > user }} {{#char}}",
            "Mira Tom Mira",
        ),
        (
            "old markers",
            "<USER> <bot> <Char> <GROUP> <charIfNotGroup>",
            "Tom Mira Mira Mira Mira",
        ),
        ("no marker", "<USER <b> < user> <>", "<USER <b> < user> <>"),
        (
            "a name goes on",
            "{{charm}} {{char-x}} {{char_x}}",
            "{{charm}} {{char-x}} {{char_x}}",
        ),
        ("other letters", "{{ｃhar}} {{é}}", "{{ｃhar}} {{é}}"),
    ]);
}

#[test]
fn arguments_are_separated_as_their_first_sign_says() {
    check(&[
        ("two colons", "{{reverse::abc}}", "cba"),
        ("one colon", "{{reverse:abc}}", "cba"),
        ("one colon takes all", "{{reverse:ab::c:d}}", "d:c::ba"),
        ("a blank", "{{reverse abc}}", "cba"),
        ("a blank takes all", "{{reverse ab cd::e}}", "e::dc ba"),
        (
            "blanks before the colons",
            "{{reverse :: abc}} {{reverse : abc}}",
            "cba cba",
        ),
        (
            "blanks around arguments",
            "{{setvar:: x :: a b }}[{{getvar:: x }}]",
            "[a b]",
        ),
        ("several lines", "{{reverse::a\nb}}", "b\na"),
        ("an empty argument", "{{setvar::x::}}[{{getvar::x}}]", "[]"),
        ("a third colon", "{{reverse:::a}}", "a:"),
        (
            "braces in arguments",
            "{{reverse::a { b}}{{reverse::a } b}}",
            "b { ab } a",
        ),
        ("blanks that macros make stay", "{{reverse::{{space}}a}}|", "a |"),
    ]);
}

#[test]
fn macros_nest_inside_out_and_from_left_to_right() {
    check(&[
        ("in an argument", "{{reverse::{{char}}}}", "ariM"),
        ("among text", "{{reverse::<{ {{user}} }>}}", ">} moT {<"),
        (
            "in a name",
            "{{setvar::k::x}}{{setvar::{{getvar::k}}::1}}{{getvar::x}}",
            "1",
        ),
        (
            "in both arguments",
            "{{setvar::{{char}}::{{user}}}}{{getvar::Mira}}",
            "Tom",
        ),
        (
            "in order",
            "{{setvar::x::1}}{{getvar::x}}{{setvar::x::2}}{{getvar::x}}",
            "12",
        ),
        (
            "an argument before its macro",
            "{{setvar::x::{{setvar::x::1}}2{{getvar::x}}}}{{getvar::x}}",
            "21",
        ),
        ("markers in arguments", "{{reverse::<USER>}}", "moT"),
    ]);
}

#[test]
fn what_is_no_macro_stays_but_for_what_is_inside() {
    check(&[
        (
            "unknown",
            "{{nothing}} {{nothing::a: b }}",
            "{{nothing}} {{nothing::a: b }}",
        ),
        (
            "unknown around known",
            "{{nothing::my {{char}} :: b}}",
            "{{nothing::my Mira :: b}}",
        ),
        (
            "too many arguments",
            "{{char::x}} {{user a {{char}}}}",
            "{{char::x}} {{user a Mira}}",
        ),
        (
            "too few arguments",
            "{{reverse}} {{setvar::x}}",
            "{{reverse}} {{setvar::x}}",
        ),
        ("no name", "{{}} {{§ {{char}} }} {{1}}", "{{}} {{§ Mira }} {{1}}"),
        ("no name inside of a macro", "{{reverse::{{§}}}}", "}}§{{"),
        (
            "a wrong end of a name",
            "{{char.x}} {{char} }}",
            "{{char.x}} {{char} }}",
        ),
        ("no end", "a {{ char", "a {{ char"),
        ("no end, and a macro behind", "a {{ b {{user}}", "a {{ b Tom"),
        (
            "no end, with arguments",
            "{{setvar::x::{{user}} :: b",
            "{{setvar::x::Tom :: b",
        ),
        ("no beginning", "a }} {{user}} }}", "a }} Tom }}"),
        ("one brace", "{char} { {user} }", "{char} { {user} }"),
    ]);
}

#[test]
fn of_many_braces_the_inner_ones_are_the_macros() {
    check(&[
        ("three before", "{{{char}}", "{Mira"),
        ("three behind", "{{char}}}", "Mira}"),
        ("three", "{{{char}}}", "{Mira}"),
        ("four", "{{{{char}}}}", "{{Mira}}"),
        ("in an argument", "{{reverse::{{{char}}}}}", "ariM{}"),
    ]);
}

#[test]
fn a_backslash_makes_a_brace_text() {
    check(&[
        ("both braces", r"\{\{char\}\}", "{{char}}"),
        ("one brace", r"\{ \}", "{ }"),
        ("in an argument", r"{{reverse::\{a\}}}", "}a{"),
        ("not before two braces", r"\{{char}}", r"\Mira"),
        ("not before an end", r"{{reverse::c:\}}", r"\:c"),
        ("before a brace and a macro", r"\{{{char}}\}", "{Mira}"),
        ("other backslashes", r"\n \\ \", r"\n \\ \"),
    ]);
}

#[test]
fn comments_are_nothing_and_do_nothing() {
    check(&[
        ("short", "a{{// b }}c", "ac"),
        ("any text", "a{{//!@#$%^&*::(_+}}b", "ab"),
        ("several lines", "a{{// b\nc // d}}e", "ae"),
        ("by name", "a{{comment: b}}{{comment::b::c}}{{hidden_key:k}}d", "ad"),
        ("scoped", "a{{//}} b {{char}} {{///}}c", "ac"),
        ("scoped by name", "a{{comment}} b {{/comment}}c", "ac"),
        ("a line of slashes", "a{{//////}}b", "ab"),
        ("macros in them", "{{// {{setvar::x::1}} }}{{hasvar::x}}", "false"),
    ]);
}

#[test]
fn trim_takes_the_line_ends_around_it() {
    check(&[
        ("both sides", "a\n\n{{trim}}\r\n\nb", "ab"),
        ("several", "a\n{{trim}}\nb\n{{trim}}\nc", "abc"),
        ("only line ends", "a \n{{trim}}\n b", "a  b"),
        ("from values", "a{{newline}}{{trim}}{{newline::2}}b", "ab"),
        (
            "into a value",
            "{{setvar::x}}{{#if 1}}\n\nb{{/if}}{{/setvar}}{{trim}}\n{{getvar::x}}",
            "b",
        ),
        ("not past noop", "a\n{{noop}}{{trim}}{{noop}}\nb", "a\n\nb"),
        ("scoped", "[{{trim}}\n a {{char}} \n{{/trim}}]", "[a Mira]"),
        ("nested", "{{trim}} a {{trim}} b {{/trim}} c {{/trim}}", "a b c"),
        ("within its argument", "a\n{{reverse::b{{trim}}}}\nc", "a\nb\nc"),
    ]);
}

#[test]
fn the_old_spelling_of_a_time_is_read() {
    let scene = Scene {
        now: Some(tavern_domain::Timestamp(NOW)),
        ..scene()
    };
    check_in(
        &scene,
        &[
            ("east", "{{time_UTC+2}}", "4:05 PM"),
            ("west", "{{time_utc-10}}", "4:05 AM"),
            (
                "nothing else",
                "{{time_UTC}} {{time_UTC2}}",
                "{{time_UTC}} {{time_UTC2}}",
            ),
        ],
    );
}

#[test]
fn what_cannot_be_evaluated_is_warned_of() {
    for (text, warning) in [
        ("{{char::x}}", "`{{char}}` does not take 1 arguments"),
        ("{{char {{user}}", "without its end"),
        ("{{roll::x}}", "no throw of dice"),
    ] {
        let warnings = warnings(text);
        assert!(
            warnings.len() == 1 && warnings[0].contains(warning),
            "{text}: {warnings:?}"
        );
    }
}

#[test]
fn unknown_macros_and_stray_braces_are_not_warned_of() {
    for text in ["{{nothing::a}}", "a }} b", "{{§ a }}", "{{// x }}", "{{/char}}"] {
        assert_eq!(warnings(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn has_macros_says_whether_a_text_can_change() {
    for (text, expected) in [
        ("", false),
        ("plain { text } of <b>any</b> kind \\n", false),
        ("{{", true),
        ("a <user>", true),
        ("\\}", true),
        ("é{ {", false),
    ] {
        assert_eq!(has_macros(text), expected, "{text}");
    }
}

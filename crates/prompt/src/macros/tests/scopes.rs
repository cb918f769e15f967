use super::*;

#[test]
fn content_is_the_last_argument() {
    check(&[
        ("the only one", "{{reverse}}abc{{/reverse}}", "cba"),
        ("the second", "{{setvar::x}}a b{{/setvar}}[{{getvar::x}}]", "[a b]"),
        ("empty", "{{setvar::x}}{{/setvar}}[{{getvar::x}}]", "[]"),
        ("any case and blanks", "{{Reverse}}abc{{/ REVERSE }}", "cba"),
        (
            "with macros",
            "{{setvar::x}}Hi {{user}}!{{/setvar}}{{getvar::x}}",
            "Hi Tom!",
        ),
        (
            "with colons and braces",
            "{{setvar::x}}{ a :: b }{{/setvar}}{{getvar::x}}",
            "{ a :: b }",
        ),
        (
            "one after another",
            "{{setvar::a}}1{{/setvar}}-{{setvar::b}}2{{/setvar}}{{.a}}{{.b}}",
            "-12",
        ),
        ("inside of arguments", "{{reverse::a{{reverse}}bc{{/reverse}}}}", "bca"),
    ]);
}

#[test]
fn scopes_nest() {
    check(&[
        (
            "of one name",
            "{{setvar::a}}1{{setvar::b}}2{{/setvar}}3{{/setvar}}{{.a}}|{{.b}}",
            "13|2",
        ),
        ("of several names", "{{reverse}}a{{trim}} b {{/trim}}{{/reverse}}", "ba"),
        (
            "three deep",
            "{{reverse}}1{{reverse}}2{{reverse}}3{{/reverse}}4{{/reverse}}5{{/reverse}}",
            "52341",
        ),
        ("around one without an end", "{{trim}} a {{ b {{/trim}}", "a {{ b"),
        (
            "around one that is not closed",
            "{{trim}} {{setvar::x}} {{/trim}}",
            "{{setvar::x}}",
        ),
        (
            "around one that is complete",
            "{{if 0}}{{if::1::a}}{{else}}b{{/if}}",
            "b",
        ),
    ]);
}

#[test]
fn tags_that_belong_to_nothing_stay() {
    check(&[
        ("alone", "a {{/setvar}} b", "a {{/setvar}} b"),
        ("twice", "{{setvar::x}}a{{/setvar}}{{/setvar}}{{.x}}", "{{/setvar}}a"),
        ("of an unknown macro", "{{/nothing}}", "{{/nothing}}"),
        ("with arguments", "{{/getvar::x}}", "{{/getvar::x}}"),
        (
            "of another macro",
            "{{setvar::x}}a{{/getvar}}{{.x}}",
            "{{setvar::x}}a{{/getvar}}",
        ),
        (
            "of one that takes no content",
            "{{user}} {{char}}{{/user}}",
            "Tom Mira{{/user}}",
        ),
        (
            "of one that is complete",
            "{{setvar::x::a}}b{{/setvar}}{{.x}}",
            "b{{/setvar}}a",
        ),
        (
            "across an argument",
            "{{reverse::{{trim}} a}} {{/trim}}",
            "a  {{/trim}}",
        ),
        ("of a comment", "a{{///}}", "a{{///}}"),
        (
            "an unknown scope stays whole",
            "{{nothing}} {{char}} {{/nothing}}",
            "{{nothing}} Mira {{/nothing}}",
        ),
    ]);
}

#[test]
fn content_loses_its_blanks_and_indentation() {
    check(&[
        ("around", "[{{reverse}}\n  ab \n{{/reverse}}]", "[ba]"),
        ("all blank", "[{{reverse}} \n {{/reverse}}]", "[]"),
        (
            "the indentation of the first line",
            "{{setvar::x}}\n  a\n  b\n{{/setvar}}{{.x}}",
            "a\nb",
        ),
        (
            "deeper lines stay deeper",
            "{{setvar::x}}\n  a\n    b\n  c\n{{/setvar}}{{.x}}",
            "a\n  b\nc",
        ),
        (
            "shallower lines lose what they have",
            "{{trim}}\n    a\n  b\n{{/trim}}",
            "a\nb",
        ),
        ("empty lines stay", "{{trim}}\n  a\n\n  b\n{{/trim}}", "a\n\nb"),
        ("tabs", "{{trim}}\n\ta\n\t\tb\n{{/trim}}", "a\n\tb"),
        ("what was put in", "{{trim}}\n  {{user}}\n  b\n{{/trim}}", "Tom\nb"),
        ("without the flag of old", "{{#reverse}} a\n{{/reverse}}|", "\na |"),
        (
            "the flag keeps all",
            "{{#setvar::x}}\n  a  \n{{/setvar}}[{{.x}}]",
            "[\n  a  \n]",
        ),
        (
            "the flag keeps blanks alone",
            "{{#setvar::x}}   {{/setvar}}[{{.x}}]",
            "[   ]",
        ),
    ]);
}

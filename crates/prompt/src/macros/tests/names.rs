use super::*;

#[test]
fn groups_are_named_as_the_scene_has_them() {
    let scene = Scene {
        group: "Mira, Ada".into(),
        group_not_muted: "Mira".into(),
        not_char: "Ada, Tom".into(),
        is_group: true,
        ..scene()
    };
    check_in(
        &scene,
        &[
            (
                "all",
                "{{group}} {{charIfNotGroup}} <GROUP>",
                "Mira, Ada Mira, Ada Mira, Ada",
            ),
            ("who speaks", "{{groupNotMuted}}", "Mira"),
            ("the others", "{{notChar}}", "Ada, Tom"),
        ],
    );
}

#[test]
fn a_chat_of_two_is_a_group_of_its_speaker() {
    assert_eq!(
        expand("{{group}} {{groupNotMuted}} {{charIfNotGroup}}"),
        "Mira Mira Mira"
    );
}

#[test]
fn names_are_not_read_again() {
    let scene = Scene {
        user: "{{setvar::x::1}}{{char}}<BOT>\\{".into(),
        ..scene()
    };
    check_in(
        &scene,
        &[(
            "a name",
            "{{user}}{{hasvar::x}}",
            "{{setvar::x::1}}{{char}}<BOT>\\{false",
        )],
    );
}

#[test]
fn foreign_text_gets_names_and_nothing_else() {
    let macros = Macros::new(scene(), variables(&[("v", "1")]), Variables::new(), 7);
    for (about, text, expected) in [
        (
            "names",
            "{{char}} {{ USER }} <user> <BOT> {{group}}",
            "Mira Tom Tom Mira Mira",
        ),
        (
            "variables",
            "{{setvar::x::{{user}}}}{{getvar::v}}",
            "{{setvar::x::Tom}}{{getvar::v}}",
        ),
        ("the card", "{{description}}", "{{description}}"),
        ("chance", "{{random:{{char}},b}}", "{{random:Mira,b}}"),
        ("comments", "{{// a }}", "{{// a }}"),
        (
            "conditions",
            "{{if 0}}{{char}}{{else}}b{{/if}}",
            "{{if 0}}Mira{{else}}b{{/if}}",
        ),
        ("escapes", r"\{\{char\}\} \{", r"\{\{char\}\} \{"),
        ("trim", "a\n{{trim}}\nb", "a\n{{trim}}\nb"),
        ("names with arguments", "{{char::x}}", "{{char::x}}"),
        ("no end", "{{char {{user}}", "{{char Tom"),
    ] {
        assert_eq!(macros.expand_names(text), expected, "{about}");
    }
    let effects = macros.finish();
    assert!(!effects.local_changed && effects.warnings.is_empty());
}

use proptest::prelude::*;
use serde_json::json;
use tavern_domain::chat::Variables;

use super::*;
use crate::macros::{Macros, Scene};
use crate::preset::PresetConfig;

fn macros() -> Macros<'static> {
    let scene = Scene {
        char: "Mira".into(),
        user: "Ana".into(),
        ..Scene::default()
    };
    Macros::new(scene, Variables::new(), Variables::new(), 1)
}

fn story(template: &str, values: &[(&str, &str)]) -> String {
    let names: Vec<[&str; 1]> = values.iter().map(|(name, _)| [*name]).collect();
    let values: Vec<TemplateValue<'_>> = names
        .iter()
        .zip(values)
        .map(|(names, (_, text))| TemplateValue { names, text })
        .collect();
    render(template, &values, &mut macros(), &mut Vec::new()).0
}

#[test]
fn stories_are_rendered() {
    let values = [("a", "A"), ("b", "B"), ("blank", " "), ("persona", "PERSONA")];
    for (name, template, expected) in [
        ("text", "just text", "just text"),
        ("a value", "{{a}}, {{ b }}", "A, B"),
        ("any case", "{{A}}{{Persona}}", "APERSONA"),
        ("three braces", "{{{a}}}", "A"),
        ("if", "{{#if a}}yes {{a}}{{/if}}", "yes A"),
        ("if blank", "{{#if blank}}yes{{/if}}", ""),
        ("if unknown", "{{#if what}}yes{{/if}}no", "no"),
        ("else", "{{#if blank}}yes{{else}}no{{/if}}", "no"),
        ("else of what is there", "{{#if a}}yes{{else}}no{{/if}}", "yes"),
        ("else if", "{{#if blank}}1{{else if a}}2{{else}}3{{/if}}", "2"),
        ("only one branch", "{{#if a}}1{{else if b}}2{{else}}3{{/if}}", "1"),
        (
            "unless",
            "{{#unless blank}}yes{{/unless}}{{#unless a}}no{{/unless}}",
            "yes",
        ),
        ("nested", "{{#if a}}({{#if blank}}1{{else}}2{{/if}}){{/if}}", "(2)"),
        (
            "nested in what is hidden",
            "{{#if blank}}{{#if a}}1{{else}}2{{/if}}{{else}}3{{/if}}",
            "3",
        ),
        ("comments", "a{{! no }}b{{!-- no --}}c", "abc"),
        ("blocks on lines of their own", "1\n{{#if a}}\n2\n{{/if}}\n3", "1\n2\n3"),
        ("blocks inside of a line", "1 {{#if a}}\n2{{/if}}\n3", "1 \n2\n3"),
        ("blanks taken away", "1 {{~#if a~}} 2 {{~/if~}} 3", "123"),
        ("macros", "{{char}} and {{newline}}{{user}}", "Mira and \nAna"),
        ("macros inside of blocks", "{{#if a}}{{char}}{{/if}}", "Mira"),
        ("line breaks before it", "\n\n{{a}}\n", "A\n"),
        ("never closed", "{{#if a}}1", "1"),
        ("never opened", "1{{else}}2", "12"),
        ("no tag", "{{a", "{{a"),
    ] {
        assert_eq!(story(template, &values), expected, "{name}");
    }
}

#[test]
fn what_is_inserted_is_no_template_and_no_macro() {
    let text = "{{b}} {{char}} {{#if b}}x{{/if}} {{/if}}";
    assert_eq!(
        story("{{#if a}}{{a}}|{{/if}}", &[("a", text), ("b", "B")]),
        format!("{text}|")
    );
}

#[test]
fn a_rendered_story_is_bounded() {
    let value = "x".repeat(256 * 1024);
    let template = "{{a}}".repeat(10_000);
    let mut warnings = Vec::new();
    let values = [TemplateValue {
        names: &["a"],
        text: &value,
    }];
    let (story, used) = render(&template, &values, &mut macros(), &mut warnings);
    assert!(story.len() <= RENDERED_BYTES);
    assert!(story.len() > RENDERED_BYTES / 2);
    assert_eq!(used, [true]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn a_templates_end_is_left_out_if_it_is_too_long() {
    let mut warnings = Vec::new();
    let template = "é".repeat(TEMPLATE_BYTES);
    let (story, _) = render(&template, &[], &mut macros(), &mut warnings);
    assert_eq!(story.len(), TEMPLATE_BYTES);
    assert_eq!(warnings.len(), 1);
}

#[test]
fn values_that_are_used_are_told_from_the_others() {
    let value = |names, text| TemplateValue { names, text };
    let values = [
        value(&["a"] as &[&str], "A"),
        value(&["b"], "B"),
        value(&["c"], "C"),
        value(&["d"], ""),
    ];
    let template = "{{a}}{{#if b}}{{/if}}{{#unless a}}{{c}}{{/unless}}{{d}}";
    let (_, used) = render(template, &values, &mut macros(), &mut Vec::new());
    assert_eq!(used, [true, false, false, false]);
}

#[test]
fn a_template_says_which_models_it_is_for() {
    for (pattern, model, expected) in [
        ("", "anything", false),
        ("llama-?3", "Meta-Llama-3-8B", true),
        ("/llama-?3/", "Meta-Llama-3-8B", false),
        ("/llama-?3/i", "Meta-Llama-3-8B", true),
        ("(", "(", false),
    ] {
        let preset = PresetConfig::read(&json!({ "instruct": { "activation_regex": pattern } }));
        let template = preset.instruct.expect("the section is there");
        assert_eq!(template.is_for(model), expected, "{pattern} for {model}");
    }
}

proptest! {
    #[test]
    fn any_template_renders(template in "(\\{\\{|\\}\\}|~|#if |#unless |else|/if|if |a|b|!|\\n| |é|\u{f0000}){0,60}") {
        let _ = story(&template, &[("a", "{{a}}"), ("b", "")]);
    }

    #[test]
    fn a_text_without_braces_stays_as_it_is(text in "[^{}<\u{f0000}-\u{f0040}\n]{0,80}") {
        prop_assert_eq!(story(&text, &[("a", "A")]), text);
    }
}

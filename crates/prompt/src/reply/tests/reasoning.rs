use proptest::prelude::*;
use serde_json::json;

use super::*;

fn template() -> ReasoningTemplate {
    ReasoningTemplate {
        auto_parse: true,
        ..ReasoningTemplate::default()
    }
}

fn split(template: &ReasoningTemplate, pieces: &[&str]) -> (String, String) {
    let mut splitter = ReasoningSplitter::new(template);
    let mut all = Split::default();
    for piece in pieces {
        let part = splitter.push(piece);
        all.reasoning.push_str(&part.reasoning);
        all.text.push_str(&part.text);
    }
    let part = splitter.finish();
    (all.reasoning + &part.reasoning, all.text + &part.text)
}

#[test]
fn reasoning_is_taken_off_the_start() {
    let on = template();
    let off = ReasoningTemplate::default();
    let blank = ReasoningTemplate {
        prefix: " ".to_owned(),
        ..template()
    };
    for (name, template, text, reasoning, rest) in [
        (
            "as templates have it",
            &on,
            "<think>\nHm.\n</think>\n\nHello.",
            "Hm.",
            "Hello.",
        ),
        ("without line ends", &on, "<think>Hm.</think>Hello.", "Hm.", "Hello."),
        ("behind blanks", &on, "\n <think>Hm.</think>", "Hm.", ""),
        (
            "not at the start",
            &on,
            "Hello. <think>Hm.</think>",
            "",
            "Hello. <think>Hm.</think>",
        ),
        ("no end", &on, "<think>Hm.\n\n</thi", "Hm.\n\n</thi", ""),
        ("no end, blanks", &on, "<think>Hm.\n\n", "Hm.", ""),
        ("the start of a start", &on, " <thi", "", " <thi"),
        ("an empty one", &on, "<think>\n\n</think>\nHello.", "", "Hello."),
        ("an end inside a start", &on, "<think><</think>a", "<", "a"),
        ("blanks inside stay", &on, "<think>a\n\nb</think>", "a\n\nb", ""),
        (
            "a second one is text",
            &on,
            "<think>a</think>b<think>c</think>",
            "a",
            "b<think>c</think>",
        ),
        ("text keeps its end", &on, "<think>a</think> b \n", "a", "b \n"),
        ("not asked for", &off, "<think>a</think>b", "", "<think>a</think>b"),
        ("a blank prefix", &blank, " a</think>b", "", " a</think>b"),
    ] {
        assert_eq!(
            split(template, &[text]),
            (reasoning.to_owned(), rest.to_owned()),
            "{name}"
        );
    }
}

#[test]
fn reasoning_is_given_out_as_it_comes() {
    let mut splitter = ReasoningSplitter::new(&template());
    for (piece, reasoning, text) in [
        ("<thi", "", ""),
        ("nk>\nHm", "Hm", ""),
        (". ", ".", ""),
        ("</b", " </b", ""),
        ("</thin", "", ""),
        ("k>\n", "", ""),
        ("Hello. ", "", "Hello. "),
    ] {
        let expected = Split {
            reasoning: reasoning.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(splitter.push(piece), expected, "{piece}");
    }
}

#[test]
fn a_section_is_read_with_defaults() {
    let read = ReasoningTemplate::read(&json!({ "prefix": "[", "auto_parse": true, "max_additions": "x" }));
    let expected = ReasoningTemplate {
        prefix: "[".to_owned(),
        ..template()
    };
    assert_eq!(read, expected);
    assert_eq!(ReasoningTemplate::read(&Value::Null), ReasoningTemplate::default());
}

#[test]
fn prompts_show_as_much_reasoning_as_the_template_says() {
    let shows = |max_additions| ReasoningTemplate {
        prefix: "<".to_owned(),
        suffix: ">".to_owned(),
        separator: " ".to_owned(),
        auto_parse: false,
        add_to_prompts: true,
        max_additions,
    };
    let hides = ReasoningTemplate {
        add_to_prompts: false,
        ..shows(9)
    };
    let messages = [("c", Some("3")), ("b", None), ("a", Some("1")), ("0", Some(""))];
    let only = [("", Some("3")), ("a", Some("1"))];
    for (name, template, messages, continues, expected) in [
        ("none", &hides, &messages[..], false, vec!["c", "b", "a", "0"]),
        (
            "the newest",
            &shows(1),
            &messages[..],
            false,
            vec!["<3> c", "b", "a", "0"],
        ),
        ("all", &shows(9), &messages[..], true, vec!["<3> c", "b", "<1> a", "0"]),
        (
            "nothing but reasoning to go on with",
            &hides,
            &only[..],
            true,
            vec!["<3", "a"],
        ),
        ("which counts", &shows(1), &only[..], true, vec!["<3", "a"]),
    ] {
        assert_eq!(add_reasoning(template, messages, continues), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        text in "( |\n|<think>|</think>|</thi|<|a|é){0,14}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = split(&template(), &[&text]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&str> = at.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect();
        prop_assert_eq!(split(&template(), &pieces), whole);
    }

    #[test]
    fn what_is_held_back_is_bounded(text in "[ \n<a]{1,9}", times in 1_usize..400) {
        let mut splitter = ReasoningSplitter::new(&template());
        for _ in 0..times {
            let _ = splitter.push(&text);
            prop_assert!(splitter.held.len() <= 2 * MAX_MARK);
        }
    }
}

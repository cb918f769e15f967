use proptest::prelude::*;

use super::*;

const NAMES: ExampleNames<'_> = ExampleNames {
    user: "Ada",
    char: "Mira",
    members: &[],
};

/// `name: text` for each message, blocks apart.
fn parsed(dialogue: &str, names: &ExampleNames<'_>) -> String {
    let shown = blocks(dialogue, names).into_iter().map(|block| {
        let messages = block.into_iter().map(|(speaker, text)| match speaker {
            Speaker::User => format!("user={text}"),
            Speaker::Character(name) => format!("{name}={text}"),
        });
        messages.collect::<Vec<_>>().join("|")
    });
    shown.collect::<Vec<_>>().join(" / ")
}

#[test]
fn dialogue_becomes_blocks_of_messages() {
    let group = ExampleNames {
        members: &["Bo", "Mira", "Ann", "Ann Lee"],
        ..NAMES
    };
    for (name, names, dialogue, expected) in [
        ("nothing", NAMES, "", ""),
        ("a mark only", NAMES, "<START>", ""),
        (
            "one block",
            NAMES,
            "<START>\nAda: Hi\nMira: Hello",
            "user=Hi|Mira=Hello",
        ),
        ("no mark at the start", NAMES, "Mira: Hello", "Mira=Hello"),
        (
            "marks in any case",
            NAMES,
            "<start>\nAda: a\n<Start>\nMira: b",
            "user=a / Mira=b",
        ),
        ("a mark in a line", NAMES, "Ada: a <START> Mira: b", "user=a / Mira=b"),
        ("lines that follow", NAMES, "Mira: a\nb\n\nc", "Mira=a\nb\n\nc"),
        ("the prefix once", NAMES, "Mira: Mira: a", "Mira=Mira: a"),
        ("the same speaker again", NAMES, "Mira: a\nMira: b", "Mira=a|Mira=b"),
        (
            "text before the first speaker",
            NAMES,
            "A room.\nMira: a",
            "Mira=A room.\na",
        ),
        ("nobody speaks", NAMES, "A room.\n<START>\nMira: a", "Mira=a"),
        ("a name in a sentence", NAMES, "Mira: a\nSo Ada: b", "Mira=a\nSo Ada: b"),
        (
            "others are text outside of a group",
            NAMES,
            "Mira: a\nBo: b",
            "Mira=a\nBo: b",
        ),
        (
            "members of a group",
            group,
            "Bo: a\nAnn Lee: b\nAda: c",
            "Bo=a|Ann Lee=b|user=c",
        ),
        (
            "Windows line ends",
            NAMES,
            "<START>\r\nAda: a\r\nMira: b\r\n",
            "user=a|Mira=b",
        ),
        (
            "no name",
            ExampleNames { user: "", ..NAMES },
            ": a\nMira: b",
            "Mira=: a\nb",
        ),
    ] {
        assert_eq!(parsed(dialogue, &names), expected, "{name}");
    }
}

#[test]
fn raw_blocks_keep_what_nobody_says() {
    assert_eq!(
        raw_blocks("A room.\n<START> \n<START>\nMira: a\n"),
        ["A room.", "Mira: a"]
    );
}

proptest! {
    #[test]
    fn no_dialogue_panics(dialogue in "(<START>|<|Ada|Mira|:|\n|é| ){0,20}") {
        let _ = blocks(&dialogue, &NAMES);
    }
}

use super::*;
use crate::macros::Scene;

const PLAIN: StopOptions<'_> = StopOptions {
    user: "Ada",
    char: "Mira",
    members: &[],
    impersonate: false,
    names: true,
    single_line: false,
    sequences: &[],
    custom: &[],
};

#[test]
fn every_source_gives_its_strings_in_order_of_importance() {
    let custom = ["***".to_owned(), "<|im_end|>".to_owned()];
    for (name, options, expected) in [
        ("a chat of two", PLAIN, vec!["\nAda:"]),
        (
            "impersonation",
            StopOptions {
                impersonate: true,
                ..PLAIN
            },
            vec!["\nMira:"],
        ),
        ("no names", StopOptions { names: false, ..PLAIN }, vec![]),
        (
            "one line",
            StopOptions {
                single_line: true,
                ..PLAIN
            },
            vec!["\n", "\nAda:"],
        ),
        (
            "a group",
            StopOptions {
                members: &["Bo", "Mira", "Cy"],
                ..PLAIN
            },
            vec!["\nAda:", "\nBo:", "\nCy:"],
        ),
        (
            "all of it",
            StopOptions {
                members: &["Bo"],
                single_line: true,
                sequences: &["<|im_end|>", "\n### Input:"],
                custom: &custom,
                ..PLAIN
            },
            vec!["\n", "\nAda:", "***", "<|im_end|>", "\n### Input:", "\nBo:"],
        ),
        (
            "blank ones",
            StopOptions {
                user: " ",
                members: &[""],
                sequences: &["", " ", "\n\n"],
                ..PLAIN
            },
            vec![],
        ),
    ] {
        assert_eq!(stop_strings(&options), expected, "{name}");
    }
}

#[test]
fn their_number_and_length_are_bounded() {
    let custom: Vec<String> = (0..200).map(|index| format!("stop {index}")).collect();
    assert_eq!(
        stop_strings(&StopOptions {
            custom: &custom,
            ..PLAIN
        })
        .len(),
        MAX_STOPS
    );
    let custom = ["x".repeat(MAX_STOP_BYTES + 1)];
    assert_eq!(
        stop_strings(&StopOptions {
            custom: &custom,
            ..PLAIN
        }),
        ["\nAda:"]
    );
}

#[test]
fn custom_ones_are_read_from_json() {
    let scene = Scene {
        user: "Ada".into(),
        ..Scene::default()
    };
    let mut macros = Macros::new(scene, Default::default(), Default::default(), 1);
    for (name, json, expected) in [
        ("a list", r#"["\n{{user}}:", "", 5, "x"]"#, vec!["\nAda:", "x"]),
        ("no list", r#""x""#, vec![]),
        ("no JSON", "x", vec![]),
        ("nothing", "", vec![]),
    ] {
        assert_eq!(custom_stop_strings(json, Some(&mut macros)), expected, "{name}");
    }
    assert_eq!(custom_stop_strings(r#"["{{user}}"]"#, None), ["{{user}}"]);
}

//! Twenty macros of several families in two kilobytes.

use std::hint::black_box;

use memchr::memmem;
use tavern_domain::Timestamp;
use tavern_domain::chat::Variables;
use tavern_prompt::macros::{CardScene, ChatScene, Macros, Scene, SceneMessage};

use crate::data;
use crate::measure::{heading, rounds, row};

const MACROS: [&str; 20] = [
    "{{char}}",
    "{{user}}",
    "{{char}}",
    "{{user}}",
    "{{random::red::green::blue}}",
    "{{char}}",
    "{{roll:2d6}}",
    "{{user}}",
    "{{getvar::mood}}",
    "{{setvar::seen::yes}}",
    "{{personality}}",
    "{{lastMessage}}",
    "{{time}}",
    "{{weekday}}",
    "{{pick::north,south}}",
    "{{newline}}",
    "{{// a comment }}",
    "{{reverse:lamp}}",
    "{{if mood}}calm{{else}}loud{{/if}}",
    "{{incvar::turns}}",
];

pub fn run() {
    heading("macros");
    let mut random = data::random(6);
    let text: String = MACROS
        .iter()
        .map(|source| format!("{} {source} ", data::prose(12, &mut random)))
        .collect();
    let copy = || {
        let mut copy = String::with_capacity(text.len());
        let mut from = 0;
        for at in memmem::find_iter(text.as_bytes(), "{{") {
            copy.push_str(&text[from..at]);
            from = at;
        }
        copy + &text[from..]
    };
    let [ours, floor] = rounds([&mut || drop(black_box(expand(&text))), &mut || {
        drop(black_box(copy()));
    }]);
    let what = format!("{} in {:.1} KB", MACROS.len(), text.len() as f64 / 1000.0);
    row(&what, ours, Some(floor), "10 µs", "72 µs");
}

/// As a turn does it, with a scene of its own.
fn expand(text: &str) -> String {
    let scene = Scene {
        user: "Ana".into(),
        char: "Mira".into(),
        card: CardScene {
            personality: "calm".into(),
            ..CardScene::default()
        },
        chat: ChatScene {
            messages: vec![SceneMessage {
                is_user: true,
                name: "Ana".into(),
                text: "Good evening.".into(),
                ..SceneMessage::default()
            }],
            ..ChatScene::default()
        },
        now: Some(Timestamp(1_700_000_000_000)),
        ..Scene::default()
    };
    let variables = Variables::from([("mood".to_owned(), "calm".to_owned())]);
    Macros::new(scene, variables, Variables::new(), 1).expand(text)
}

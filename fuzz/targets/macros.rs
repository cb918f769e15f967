//! A text with macros: the same seed gives the same text, and what it makes is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::Timestamp;
use tavern_domain::chat::Variables;
use tavern_prompt::macros::{
    CardScene, ChatScene, MAX_BANNED, MAX_BYTES, MAX_VARIABLES, Macros, Scene, SceneMessage, has_macros,
};

fuzz_target!(|text: &str| {
    let evaluate = || {
        let mut macros = Macros::new(scene(text), Variables::new(), Variables::new(), 7);
        let expanded = macros.expand(text);
        let with_original = macros.expand_with_original(text, text);
        let names = macros.expand_names(text);
        (expanded, with_original, names, macros.finish())
    };
    let first = evaluate();
    assert_eq!(first, evaluate());
    let (expanded, with_original, names, effects) = first;
    if !has_macros(text) {
        assert_eq!(expanded, text);
    }
    for made in [&expanded, &with_original, &names] {
        assert!(made.len() <= text.len() + MAX_BYTES, "{} bytes", made.len());
    }
    assert!(effects.local.len() <= MAX_VARIABLES && effects.global.len() <= MAX_VARIABLES);
    assert!(effects.banned.len() <= MAX_BANNED);
});

/// Whose card quotes the text, and itself.
fn scene(text: &str) -> Scene<'_> {
    let message = |id, is_user| SceneMessage {
        id,
        is_user,
        name: "Ana".into(),
        text: text.into(),
        swipes: 2,
        sent_at: Some(Timestamp(1_700_000_000_000)),
        ..SceneMessage::default()
    };
    Scene {
        user: "Ana".into(),
        char: "Mira".into(),
        card: CardScene {
            description: text.into(),
            personality: "{{description}}{{personality}}".into(),
            greetings: vec![text.into()],
            ..CardScene::default()
        },
        chat: ChatScene {
            messages: vec![message(0, false), message(1, true)],
            ..ChatScene::default()
        },
        input: text.into(),
        now: Some(Timestamp(1_700_000_100_000)),
        ..Scene::default()
    }
}

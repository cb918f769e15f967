use super::*;
use tavern_extension::testing::turn;

fn tagged(config: Value, text: &str) -> (String, f64) {
    let tagger = EmotionTagger::from_config(&config.to_string()).expect("it fits");
    let reply = Message::new("1", Role::Assistant, text);
    let effects = tagger.after_reply(&turn(), &[], None, &reply).expect("effects");
    let annotation = |key: &str| -> Value {
        let found = effects.iter().find_map(|effect| match effect {
            Effect::Annotate(pair) if pair.key == key => serde_json::from_str(&pair.value).ok(),
            _ => None,
        });
        found.expect(key)
    };
    (
        annotation("emotion").as_str().expect("a text").to_owned(),
        annotation("intensity").as_f64().expect("a number"),
    )
}

fn emotion(text: &str) -> String {
    tagged(json!({}), text).0
}

#[test]
fn a_reply_has_the_emotion_it_tells() {
    for (text, label) in [
        ("*smiles happily* What a lovely day.", "joy"),
        ("\"Get out!\" she yells, furious. *slams the door*", "anger"),
        ("I… I'm so sorry. Please forgive me.", "remorse"),
        ("*trembles* Something is in there. I'm afraid.", "fear"),
        ("*blushes* I-it's nothing.", "embarrassment"),
        ("Thank you, thank you so much!", "gratitude"),
        ("Oh, darling, I love you. *kisses him*", "love"),
        ("*her eyes widen and she gasps*", "surprise"),
        ("😢", "sadness"),
        ("The table is made of oak.", "neutral"),
        ("", "neutral"),
    ] {
        assert_eq!(emotion(text), label, "{text}");
    }
}

#[test]
fn what_is_denied_is_not_told() {
    assert_eq!(emotion("I am not happy."), "sadness");
    assert_eq!(emotion("I am not afraid of you."), "neutral");
    assert_eq!(emotion("No. I am happy."), "joy", "a denial ends with its sentence");
}

#[test]
fn the_last_of_equals_counts() {
    assert_eq!(emotion("She was angry once. Now she is happy."), "joy");
    assert_eq!(emotion("She was happy once. Now she is angry."), "anger");
}

#[test]
fn more_is_stronger() {
    let intensity = |text: &str| tagged(json!({ "minimum": 0 }), text).1;
    assert!(intensity("slightly happy") < intensity("happy"));
    assert!(intensity("happy") < intensity("very happy"));
    assert!(intensity("happy") < intensity("happy!"));
    assert!(intensity("happy") < intensity("*happy*"));
    assert!(intensity(&"so happy! ".repeat(1000)) <= 1.0);
}

#[test]
fn a_weak_emotion_is_none() {
    assert_eq!(tagged(json!({ "minimum": 0.9 }), "happy"), ("neutral".into(), 0.0));
}

#[test]
fn words_and_labels_are_the_owners() {
    let config = json!({ "words": { "joy": ["Freut*"] }, "labels": { "joy": "happy", "neutral": "calm" } });
    assert_eq!(tagged(config.clone(), "Sie freute sich sehr.").0, "happy");
    assert_eq!(tagged(config, "Der Tisch ist aus Eiche.").0, "calm");
    for (config, reason) in [
        (json!({ "words": { "bliss": ["yes"] } }), "no emotion `bliss`"),
        (json!({ "words": { "joy": ["*"] } }), "in every word"),
    ] {
        let error = EmotionTagger::from_config(&config.to_string()).err().expect(reason);
        assert!(
            matches!(&error, HookError::InvalidConfig(why) if why.contains(reason)),
            "{error:?}"
        );
    }
}

#[test]
fn the_lexicon_and_the_schema_have_the_same_emotions() {
    let schema: Value = serde_json::from_str(include_str!("../config.schema.json")).expect("JSON");
    let mut named: Vec<String> = serde_json::from_value(schema["$defs"]["emotion"]["enum"].clone()).expect("names");
    let mut known = Lexicon::english().names().to_vec();
    named.sort();
    known.sort();
    assert_eq!(known, named);
    assert_eq!(known.len(), 28);
}

#[test]
fn any_text_has_an_emotion() {
    for text in ["*", "**", "'''", "’", "…!?", "\u{0}\u{301}", "not", &"ß".repeat(20_000)] {
        emotion(text);
    }
}

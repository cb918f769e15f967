use super::*;
use tavern_extension::model::{Completion, ModelError};
use tavern_extension::testing::{self, turn};

fn memory(config: Value) -> MemoryNotes {
    MemoryNotes::from_config(&config.to_string()).expect("it fits")
}

fn told(memory: &MemoryNotes, kind: &str, user: &str, reply: &str) {
    let turn = Turn {
        kind: kind.into(),
        ..turn()
    };
    let user = Message::new("1", Role::User, user);
    let reply = Message::new("2", Role::Assistant, reply);
    assert_eq!(memory.after_reply(&turn, &[], Some(&user), &reply), Ok(Vec::new()));
}

fn prompt_note(memory: &MemoryNotes) -> Option<String> {
    match memory.before_prompt(&turn(), &[]) {
        Ok(edits) => edits.into_iter().find_map(|edit| match edit {
            Edit::AddNote(note) => Some(note.text),
            _ => None,
        }),
        Err(HookError::Skip(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_was_told_and_promised_comes_back() {
    let memory = memory(json!({ "heading": "Notes:" }));
    assert_eq!(prompt_note(&memory), None);
    told(
        &memory,
        "normal",
        "Hello. I live in Graz. I promise to write.",
        "*nods* \"I will never tell.\" [[remember: the lamp is broken]]",
    );
    assert_eq!(
        prompt_note(&memory).as_deref(),
        Some(
            "Notes:\n- Ana said: I live in Graz.\n- Ana promised: I promise to write.\n- the lamp is broken\n\
             - Mira promised: I will never tell."
        )
    );
}

#[test]
fn a_swipe_forgets_what_the_other_reply_said() {
    let memory = memory(json!({ "heading": "Notes:" }));
    told(&memory, "normal", "I live in Graz.", "I promise you the moon.");
    told(&memory, "swipe", "I live in Graz.", "I swear by the sea.");
    assert_eq!(
        prompt_note(&memory).as_deref(),
        Some("Notes:\n- Ana said: I live in Graz.\n- Mira promised: I swear by the sea.")
    );
}

#[test]
fn rules_can_be_of_another_language() {
    let memory = memory(json!({ "heading": "Notes:", "facts": ["ich heiße"] }));
    told(&memory, "normal", "Ich heiße Eva. I live in Graz.", "");
    assert_eq!(
        prompt_note(&memory).as_deref(),
        Some("Notes:\n- Ana said: Ich heiße Eva.")
    );
}

#[test]
fn the_model_sums_up_every_so_many_replies() {
    let memory = memory(json!({ "heading": "Notes:", "summary_every": 2 }));
    testing::host(|host| {
        host.complete = |request| {
            assert!(request.messages[1].text.contains("User: second"), "{request:?}");
            Ok(Completion {
                text: " They met. ".into(),
                prompt_tokens: 1,
                completion_tokens: 1,
                budget_left: 1,
            })
        }
    });
    told(&memory, "normal", "first", "");
    assert_eq!(prompt_note(&memory), None);
    told(&memory, "normal", "second", "");
    assert_eq!(prompt_note(&memory).as_deref(), Some("Notes:\nThey met."));
}

#[test]
fn without_a_budget_the_old_summary_stays_and_the_log_says_so() {
    let memory = memory(json!({ "summary_every": 1 }));
    testing::host(|host| host.complete = |_| Err(ModelError::Budget));
    told(&memory, "normal", "I live in Graz.", "");
    assert!(prompt_note(&memory).is_some());
    assert!(testing::host(|host| host.log.join("")).contains("no summary"));
}

#[test]
fn defaults_are_those_of_the_schema() {
    let schema: Value = serde_json::from_str(include_str!("../config.schema.json")).expect("JSON");
    let defaults: serde_json::Map<_, _> = schema["properties"]
        .as_object()
        .expect("properties")
        .iter()
        .map(|(name, property)| (name.clone(), property["default"].clone()))
        .collect();
    let (set, unset) = (memory(defaults.into()), MemoryNotes::default());
    assert_eq!(
        (set.max_tokens, set.max_notes, set.depth),
        (unset.max_tokens, unset.max_notes, unset.depth)
    );
    assert_eq!(
        (set.heading, set.facts, set.promises),
        (unset.heading, unset.facts, unset.promises)
    );
    assert_eq!(
        (set.summary_every, set.summary_tokens),
        (unset.summary_every, unset.summary_tokens)
    );
}

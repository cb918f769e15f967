//! What extensions are shown of a turn, and under which names.

use tavern_domain::extension::Capability;

use super::*;

/// Traps if what it was given has `house_id` in it.
const SEEKS: &str = "(local.set 0 (i32.const 0)) (loop $on
    (if (i64.eq (i64.load (local.get 0)) (i64.const 7235419165680824168)) (then unreachable))
    (br_if $on (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (global.get $heap))))";

#[tokio::test]
async fn no_id_of_the_house_is_shown_to_an_extension() {
    let house = House::new();
    let seeks = |answer: Value| vec![Act::Both(SEEKS, answer)];
    let names = json!({"activations": [
        {"id": "c1", "active": true, "score": 1}, {"id": "c2", "active": false, "score": 1},
    ], "additions": []});
    let functions = [
        ("before-prompt", "before-prompt", seeks(json!({"ok": []}))),
        ("world-info", "select", seeks(json!({"ok": names}))),
        ("after-reply", "run", seeks(json!({"ok": []}))),
    ];
    let granted = [
        "history:9",
        "lore.read",
        "lore.edit",
        "character",
        "persona",
        "variables",
    ];
    let member = extension(&house, "test/a", &granted, &functions);
    let about = || TurnFacts {
        turn: "house_id_turn".into(),
        chat: "house_id_chat".into(),
        user: "house_id_user".into(),
        ..facts()
    };
    let chain = Arc::new(Chain::new(vec![member]));
    let history = [
        message("house_id_1", Role::Assistant, "Hello."),
        message("house_id_2", Role::User, "Good day."),
    ];
    let lore = (0..3).map(|number| candidate(&format!("house_id_lore_{number}")));
    let reply = message("house_id_3", Role::Assistant, "Well.");
    let mut hooks = house.host.turn(Arc::clone(&chain), about());
    hooks.before_prompt(&history).await;
    let selection = hooks.select(&history, lore.collect()).await;
    assert_eq!(selection.activate, ["house_id_lore_1"]);
    assert_eq!(selection.silence, ["house_id_lore_2"]);
    hooks.after_reply(&history, Some(&history[1]), &reply).await;
    assert_eq!(outcomes(&hooks), [Outcome::Ok; 3], "{:?}", hooks.traces());

    let told = message("1", Role::User, "I have seen your house_id.");
    let mut hooks = house.host.turn(chain, about());
    hooks.before_prompt(&[told]).await;
    assert_eq!(outcomes(&hooks), [Outcome::Trap], "it finds what it is shown");
}

#[test]
fn a_message_has_the_same_name_at_each_hook_of_a_turn() {
    let house = House::new();
    let act = || vec![ok(json!([]))];
    let before = extension(&house, "test/a", &["history:2"], &before(act()));
    let after = extension(&house, "test/b", &["history:1"], &[("after-reply", "run", act())]);
    let hooks = hooks(&house, vec![before, after]);
    let history = ["1", "2", "3"].map(|id| message(id, Role::User, id));
    let names = |hook| {
        let shown = hooks.shown(hook, &history).into_iter();
        shown.map(|message| (message.id, message.text)).collect::<Vec<_>>()
    };
    let named = |id: &str, text: &str| (id.to_owned(), text.to_owned());
    assert_eq!(names(Hook::BeforePrompt), [named("h1", "2"), named("h0", "3")]);
    assert_eq!(names(Hook::AfterReply), [named("h0", "3")]);
    assert_eq!(names(Hook::WorldInfo), []);
}

#[test]
fn an_extension_is_told_no_more_of_a_turn_than_it_may_know() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _context = runtime.enter();
    let house = House::new();
    let facts = facts();
    let runner = runner(&house.host, &facts);
    let mut member = extension(&house, "test/a", &[], &before(vec![ok(json!([]))]));
    let little = runner.turn(&member);
    for id in [&little.id, &little.chat, &little.user] {
        assert_eq!(id.len(), 32);
    }
    assert_eq!(
        (
            little.user_name.as_str(),
            little.persona.as_str(),
            little.variables.len()
        ),
        ("", "", 0)
    );
    let character = little.character.expect("there is one");
    assert_eq!(
        (
            character.name.as_str(),
            character.description.as_str(),
            character.tags.len()
        ),
        ("Smith", "", 0)
    );

    member.granted = Arc::new(vec![Capability::Persona, Capability::Character, Capability::Variables]);
    let all = runner.turn(&member);
    assert_eq!(
        (all.user_name.as_str(), all.persona.as_str(), all.variables.len()),
        ("Ada", "A traveller.", 1)
    );
    assert_eq!(all.character, facts.character);
    assert_eq!(all.chat, little.chat, "the same in the same installation");

    let history: Vec<_> = (0..5)
        .map(|number| message(&number.to_string(), Role::User, ""))
        .collect();
    assert!(seen(&history, &member).is_empty());
    member.granted = Arc::new(vec![Capability::History(2), Capability::History(3)]);
    assert_eq!(*seen(&history, &member), history[2..]);
    member.granted = Arc::new(vec![Capability::History(99)]);
    assert_eq!(seen(&history, &member).len(), 5);
}

#[test]
fn what_was_said_is_told_to_who_may_see_messages_and_who_said_it_to_who_may_see_the_persona() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _context = runtime.enter();
    let house = House::new();
    let mut member = extension(&house, "test/a", &[], &before(vec![ok(json!([]))]));
    let named = |role, name: &str| Message {
        name: Some(name.into()),
        ..message("m1", role, "Good day.")
    };
    let (user, reply) = (named(Role::User, "Ada"), named(Role::Assistant, "Smith"));
    let hidden = |message: &Message, member: &Member| {
        let shown = alone(message, member);
        (shown.name, shown.text)
    };
    assert_eq!(hidden(&user, &member), (None, String::new()));
    assert_eq!(hidden(&reply, &member), (Some("Smith".into()), String::new()));
    member.granted = Arc::new(vec![Capability::History(1)]);
    assert_eq!(hidden(&user, &member), (None, "Good day.".into()));
    assert_eq!(hidden(&reply, &member), (Some("Smith".into()), "Good day.".into()));
    let prompt = [user.clone()];
    assert_eq!(seen(&prompt, &member)[0].name, None);
    let shown = Prompt::new(prompt.to_vec(), 100).shown_to(&member).into_owned();
    assert_eq!(shown[0].name, None);
    member.granted = Arc::new(vec![Capability::History(1), Capability::Persona]);
    assert_eq!(alone(&user, &member), user);
    assert_eq!(*seen(&prompt, &member), prompt);
    let shown = Prompt::new(prompt.to_vec(), 100).shown_to(&member).into_owned();
    assert_eq!(shown, prompt);
}

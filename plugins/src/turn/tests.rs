use std::collections::BTreeMap;

use serde_json::{Value, json};
use tavern_domain::Timestamp;
use tavern_domain::extension::{Capability, KvScope, Outcome};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::calls::TOOL_ARGUMENT_BYTES;
use crate::manifest::{HookSettings, MacroDeclaration, ToolDeclaration};
use crate::ports::{
    KvEntry, KvFault, KvKey, KvWrite, MemoryPorts, ModelFault, ModelReply, ModelRequest, Ports, Secret,
};
use crate::testing::House;
use crate::testing::scripted::{Act, WRITES, err, ok, scripted, spin, trap};

/// An extension with a script.
pub(crate) fn extension(house: &House, name: &str, granted: &[&str], functions: &[(&str, &str, Vec<Act>)]) -> Member {
    let hooks: Vec<Hook> = functions
        .iter()
        .map(|(hook, ..)| hook.parse().expect("a hook"))
        .collect();
    let mut member = house.plain_member(hooks[0], &scripted(functions), granted);
    let mut manifest = (*member.manifest).clone();
    manifest.hooks = hooks
        .into_iter()
        .map(|hook| (hook, HookSettings::default()))
        .collect::<BTreeMap<_, _>>();
    member.manifest = Arc::new(manifest);
    member.name = name.into();
    member
}

pub(crate) fn facts() -> TurnFacts {
    TurnFacts {
        turn: "gen_1".into(),
        chat: "ses_1".into(),
        user: "usr_1".into(),
        user_name: "Ada".into(),
        persona: "A traveller.".into(),
        character: Some(Character {
            name: "Smith".into(),
            description: "Strong.".into(),
            personality: "Calm.".into(),
            scenario: "A forge.".into(),
            tags: vec!["forge".into()],
        }),
        kind: "normal".into(),
        locale: "en".into(),
        model: "story".into(),
        context_tokens: 4096,
        reply_tokens: 512,
        variables: vec![("mood".into(), "calm".into())],
        seed: 7,
        now: Timestamp(1_795_384_722_000),
        dry_run: false,
        count: Arc::new(|text| u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)),
    }
}

fn hooks(house: &House, members: Vec<Member>) -> TurnHooks {
    house.host.turn(Arc::new(Chain::new(members)), facts())
}

fn message(id: &str, role: Role, text: &str) -> Message {
    Message {
        id: id.into(),
        role,
        name: None,
        text: text.into(),
    }
}

fn note(text: &str, priority: i32) -> Value {
    json!({"add-note": {"position": "end", "depth": 0, "role": "user", "text": text, "priority": priority}})
}

fn before(acts: Vec<Act>) -> [(&'static str, &'static str, Vec<Act>); 1] {
    [("before-prompt", "before-prompt", acts)]
}

fn outcomes(hooks: &TurnHooks) -> Vec<Outcome> {
    hooks.traces().iter().map(|trace| trace.outcome).collect()
}

fn key(member: &Member) -> KvKey {
    KvKey {
        installation: member.installation,
        scope: KvScope::Installation,
        owner: String::new(),
        key: "k".into(),
    }
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn a_turn_without_extensions_is_left_as_it_is() {
    let house = House::new();
    let mut hooks = hooks(&house, Vec::new());
    let prompt = vec![message("m1", Role::User, "Hello.")];
    assert_eq!(assert_send(hooks.before_prompt(&prompt)).await, BeforePrompt::default());
    assert_eq!(
        assert_send(hooks.select(&prompt, Vec::new())).await,
        Selection::default()
    );
    let done = assert_send(hooks.transform(prompt.clone(), 100)).await;
    assert_eq!(done.messages[0].message, prompt[0]);
    assert!(!done.changed);
    assert_eq!(
        assert_send(hooks.after_reply(&prompt, None, &prompt[0])).await,
        AfterReply::default()
    );
    assert!(assert_send(hooks.call_tool("roll", "{}")).await.is_err());
    assert!(hooks.filters().is_none() && hooks.tools().is_empty() && hooks.traces().is_empty());
}

#[tokio::test]
async fn what_several_extensions_say_before_the_prompt_is_put_together() {
    let house = House::new();
    let granted = ["prompt.insert", "variables", "sampling"];
    let sampling = |value: &str| json!({"set-sampling": {"key": "temperature", "value": value}});
    let variable = |value: &str| json!({"set-variable": {"key": "mood", "value": value}});
    let first = ok(json!([
        note("low", 1),
        note("high", 9),
        sampling("0.1"),
        variable("glad")
    ]));
    let second = ok(json!([note("also high", 9), sampling("0.9"), variable("sad")]));
    let members = vec![
        extension(&house, "test/b", &granted, &before(vec![second])),
        extension(&house, "test/a", &granted, &before(vec![first])),
    ];
    let mut hooks = hooks(&house, members);
    let all = hooks.before_prompt(&[]).await;
    let notes: Vec<_> = all
        .notes
        .iter()
        .map(|(from, note)| (from.as_str(), note.text.as_str()))
        .collect();
    assert_eq!(notes, [("test/a", "high"), ("test/b", "also high"), ("test/a", "low")]);
    let by_the_last = |key: &str, value: &str| Setting {
        extension: "test/b".into(),
        key: key.into(),
        value: value.into(),
    };
    assert_eq!(all.sampling, [by_the_last("temperature", "0.9")]);
    assert_eq!(all.variables, [by_the_last("mood", "sad")]);
    let seen = [("mood".to_owned(), "sad".to_owned())];
    assert_eq!(hooks.facts().variables, seen, "those called later see them");
    assert_eq!(hooks.traces()[0].edits, 4);
}

#[tokio::test]
async fn whoever_fails_is_left_out_and_the_next_one_is_called() {
    let house = House::new();
    let members = vec![
        extension(&house, "test/a", &[], &before(vec![trap(), ok(json!([]))])),
        extension(
            &house,
            "test/b",
            &["prompt.insert"],
            &before(vec![ok(json!([note("b", 0)]))]),
        ),
        extension(&house, "test/c", &[], &before(vec![err("skip", "nothing to do")])),
    ];
    let mut hooks = hooks(&house, members);
    let all = hooks.before_prompt(&[]).await;
    assert_eq!((all.notes.len(), all.abort), (1, None));
    assert_eq!(
        outcomes(&hooks),
        [Outcome::Trap, Outcome::Ok, Outcome::Skipped],
        "a trap is not tried again"
    );
    assert_eq!(
        house.host.free_sandboxes().0,
        2,
        "that of the trap is gone, the others stay for the next hook"
    );
    hooks.end_prompt();
    house.assert_all_free();
}

#[tokio::test]
async fn what_must_work_stops_the_turn_when_it_does_not() {
    let house = House::new();
    let mut needed = extension(&house, "test/a", &[], &before(vec![trap()]));
    needed.fail_closed = true;
    let other = extension(&house, "test/b", &[], &before(vec![ok(json!([]))]));
    let mut hooks = hooks(&house, vec![needed, other]);
    let abort = hooks.before_prompt(&[]).await.abort.expect("it is needed");
    assert!(abort.is_failure && abort.message.contains("test/a"));
    assert_eq!(hooks.traces().len(), 1, "nobody else is asked");
}

#[tokio::test]
async fn an_extension_that_stops_the_turn_says_why() {
    let house = House::new();
    let stops = extension(
        &house,
        "test/a",
        &["abort"],
        &before(vec![ok(json!([{"abort": "Not today."}]))]),
    );
    let abort = hooks(&house, vec![stops])
        .before_prompt(&[])
        .await
        .abort
        .expect("it stops");
    assert_eq!((abort.message.as_str(), abort.is_failure), ("Not today.", false));
}

#[tokio::test]
async fn what_may_work_the_next_time_is_tried_once_more_and_not_twice() {
    let house = House::new();
    let again = || err("retryable", "upstream");
    let lucky = extension(&house, "test/a", &[], &before(vec![again(), ok(json!([]))]));
    let unlucky = extension(&house, "test/b", &[], &before(vec![again(), again(), ok(json!([]))]));
    let mut hooks = hooks(&house, vec![lucky, unlucky]);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::Ok, Outcome::GuestError]);
}

#[tokio::test]
async fn one_sandbox_serves_an_extension_before_the_prompt() {
    let house = House::new();
    let ops = ok(json!([{"insert-after": {"anchor": "m1", "role": "user", "text": "so be it"}}]));
    let functions = [
        ("before-prompt", "before-prompt", vec![ok(json!([]))]),
        ("prompt-transform", "transform", vec![ops]),
    ];
    let mut hooks = hooks(
        &house,
        vec![extension(&house, "test/a", &["prompt.insert"], &functions)],
    );
    hooks.before_prompt(&[]).await;
    assert_eq!(house.host.free_sandboxes().0, 3);
    let done = hooks.transform(vec![message("m1", Role::User, "Hello.")], 100).await;
    assert_eq!(house.host.free_sandboxes().0, 3);
    assert_eq!(done.messages[1].message.text, "so be it");
    assert_eq!(done.messages[1].inserted_by.as_deref(), Some("test/a"));
    drop(hooks);
    house.assert_all_free();
}

#[tokio::test]
async fn each_transform_sees_the_prompt_after_those_before_it() {
    let house = House::new();
    let granted = ["prompt.insert", "prompt.replace"];
    let insert = ok(json!([{"insert-after": {"anchor": "m1", "role": "user", "text": "from a"}}]));
    let replace = ok(json!([{"replace-text": {"id": "inserted-1", "text": "from b"}}, {"remove": "m1"}]));
    let members = vec![
        extension(
            &house,
            "test/a",
            &granted,
            &[("prompt-transform", "transform", vec![insert])],
        ),
        extension(
            &house,
            "test/b",
            &granted,
            &[("prompt-transform", "transform", vec![replace])],
        ),
    ];
    let done = hooks(&house, members)
        .transform(vec![message("m1", Role::User, "Hello.")], 100)
        .await;
    assert_eq!(done.messages.len(), 1);
    assert_eq!(done.messages[0].message.text, "from b");
    assert_eq!(done.messages[0].inserted_by.as_deref(), Some("test/a"));
    assert_eq!(done.messages[0].replaced_by.as_deref(), Some("test/b"));
}

#[tokio::test]
async fn what_is_written_is_kept_with_an_accepted_result_alone() {
    let house = House::new();
    let wrote = |act: Act| before(vec![act]);
    let granted = ["kv:installation"];
    let accepted = extension(&house, "test/a", &granted, &wrote(Act::Both(WRITES, json!({"ok": []}))));
    let trapped = extension(&house, "test/b", &granted, &wrote(Act::Run(TRAPS_AFTER_WRITING)));
    let too_many = vec![note("x", 0); house.host.settings().limits.edits + 1];
    let refused = extension(
        &house,
        "test/c",
        &granted,
        &wrote(Act::Both(WRITES, json!({ "ok": too_many }))),
    );
    let keys: Vec<_> = [&accepted, &trapped, &refused].map(key).into();
    let mut hooks = hooks(&house, vec![accepted, trapped, refused]);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::Ok, Outcome::Trap, Outcome::OutputInvalid]);
    let values = house.ports.values.lock();
    let kept: Vec<_> = keys.iter().map(|key| values.contains_key(key)).collect();
    assert_eq!(kept, [true, false, false]);
}

const TRAPS_AFTER_WRITING: &str = "(i32.store8 (i32.const 16) (i32.const 107))
  (call $set (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 16) (i32.const 1)
    (i32.const 0) (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 32)) unreachable";

#[tokio::test]
async fn writes_that_cannot_be_kept_are_a_failure_that_says_why() {
    let house = House::new();
    let member = extension(&house, "test/a", &[], &before(vec![ok(json!([]))]));
    let write = KvWrite {
        key: key(&member),
        value: Some(b"v".to_vec()),
        expires_at: None,
        expected: Some(3),
    };
    let facts = facts();
    let runner = runner(&house.host, &facts);
    let kept = runner.commit(&member, vec![write]).await;
    let failure = kept.expect_err("there is no version 3");
    assert_eq!(failure.outcome, Outcome::HostError, "the extension is not at fault");
    assert!(
        failure.message.contains("changed by somebody else"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn writes_of_a_version_that_was_replaced_are_refused_and_nothing_of_the_result_is_used() {
    let house = House::new();
    let act = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![act]));
    *house.ports.installed.lock() = Some("2.0.0".into());
    let mut hooks = hooks(&house, vec![member]);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::HostError], "the extension is not at fault");
    let trace = &hooks.traces()[0];
    assert!(
        trace.notes.iter().any(|note| note.contains("another version")),
        "{trace:?}"
    );
    assert!(house.ports.values.lock().is_empty());
}

#[tokio::test]
async fn a_look_at_a_prompt_writes_nothing_and_tells_nobody() {
    let house = House::new();
    let act = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![act]));
    let facts = TurnFacts {
        dry_run: true,
        ..facts()
    };
    let mut hooks = house.host.turn(Arc::new(Chain::new(vec![member])), facts);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::Ok]);
    assert!(house.ports.values.lock().is_empty());
    assert!(house.ports.events.lock().is_empty());
}

#[tokio::test]
async fn each_call_is_told_of() {
    let house = House::new();
    let member = extension(&house, "test/a", &[], &before(vec![ok(json!([]))]));
    let installation = member.installation;
    hooks(&house, vec![member]).before_prompt(&[]).await;
    let events = house.ports.events.lock();
    let [(from, ExtensionEvent::Called { trace })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (*from, trace.outcome, trace.hook),
        (installation, Outcome::Ok, Hook::BeforePrompt)
    );
    assert!(trace.fuel > 0);
}

fn candidate(id: &str) -> Candidate {
    Candidate {
        id: id.into(),
        book: String::new(),
        title: String::new(),
        keys: Vec::new(),
        tokens: 1,
        active: false,
        text: String::new(),
    }
}

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

#[tokio::test]
async fn lore_is_chosen_by_all_at_once_and_put_together_in_order() {
    let house = House::new();
    let members = (0..6).map(|number| {
        let selection = json!({
            "activations": [{"id": "c0", "active": number == 0, "score": if number == 0 { 9 } else { number }}],
            "additions": [{"title": "", "text": number.to_string(), "position": "in-chat", "depth": 0, "order": 0}],
        });
        let functions = [("world-info", "select", vec![ok(selection)])];
        extension(
            &house,
            &format!("test/x{number}"),
            &["lore.read", "lore.edit"],
            &functions,
        )
    });
    let members: Vec<_> = members.collect();
    let mut hooks = hooks(&house, members);
    let selection = hooks.select(&[], vec![candidate("a")]).await;
    assert_eq!(selection.activate, ["a"]);
    // There are four sandboxes for six, of which the first has one in any case: those that found none free waited in
    // vain, and were skipped.
    let ok = outcomes(&hooks)
        .iter()
        .filter(|outcome| **outcome == Outcome::Ok)
        .count();
    assert_eq!(ok, selection.additions.len());
    assert!(selection.additions.is_sorted_by_key(|(from, _)| from.clone()));
    assert_eq!(hooks.traces().len(), 6);
}

#[tokio::test]
async fn a_macro_is_expanded_once_and_keeps_its_text() {
    let house = House::new();
    let acts = vec![ok(json!(["six", null])), ok(json!(["other"]))];
    let mut member = extension(&house, "test/a", &["macros"], &[("macro-provider", "expand", acts)]);
    let mut manifest = (*member.manifest).clone();
    manifest.macros = vec![MacroDeclaration {
        name: "dice".into(),
        help: String::new(),
    }];
    member.manifest = Arc::new(manifest);
    let mut hooks = hooks(&house, vec![member]);
    assert!(hooks.has_macro("dice") && !hooks.has_macro("coin"));
    let call = |name: &str, argument: &str| MacroCall {
        name: name.into(),
        arguments: vec![argument.into()],
    };
    let calls = [
        call("dice", "1"),
        call("coin", "1"),
        call("dice", "2"),
        call("dice", "1"),
    ];
    let six = Some("six".to_owned());
    assert_eq!(hooks.expand(&calls).await, [six.clone(), None, None, six.clone()]);
    assert_eq!(hooks.expand(&calls[..1]).await, [six]);
    assert_eq!(hooks.traces().len(), 1);
}

#[tokio::test]
async fn functions_have_names_of_their_own_and_speak_json() {
    let house = House::new();
    let declare = |member: &mut Member, names: &[&str]| {
        let mut manifest = (*member.manifest).clone();
        manifest.tools = names
            .iter()
            .map(|name| ToolDeclaration {
                name: (*name).into(),
                description: String::new(),
                parameters: json!({"type": "object"}),
            })
            .collect();
        member.manifest = Arc::new(manifest);
    };
    let long = "n".repeat(64);
    let says = |text: &str| vec![ok(json!(text))];
    let mut one = extension(&house, "one/dice", &["tools"], &[("tool", "call", says("[4]"))]);
    let mut two = extension(&house, "two/dice", &["tools"], &[("tool", "call", says("not json"))]);
    let mut three = extension(
        &house,
        "two/table",
        &["tools"],
        &[("tool", "call", vec![err("failed", "no table")])],
    );
    declare(&mut one, &["roll", &long]);
    declare(&mut two, &["roll", &long]);
    declare(&mut three, &["roll"]);
    let mut hooks = hooks(&house, vec![one, two, three]);
    let names: Vec<_> = hooks.tools().into_iter().map(|tool| tool.name).collect();
    let numbered = format!("{}_2", &long[..62]);
    assert_eq!(
        names,
        ["roll", long.as_str(), "dice__roll", numbered.as_str(), "table__roll"]
    );

    assert_eq!(hooks.call_tool("roll", "{\"sides\": 6}").await, Ok("[4]".into()));
    assert_eq!(hooks.call_tool("roll", " ").await, Ok("[4]".into()));
    assert!(
        hooks
            .call_tool("roll", "[]")
            .await
            .is_err_and(|wrong| wrong.contains("object"))
    );
    assert!(
        hooks
            .call_tool("roll", "{")
            .await
            .is_err_and(|wrong| wrong.contains("JSON"))
    );
    let large = |bytes: usize| format!("{{\"a\": \"{}\"}}", "x".repeat(bytes - 9));
    assert!(hooks.call_tool("roll", &large(TOOL_ARGUMENT_BYTES)).await.is_ok());
    assert!(hooks.call_tool("roll", &large(TOOL_ARGUMENT_BYTES + 1)).await.is_err());
    assert!(
        hooks
            .call_tool("nothing", "{}")
            .await
            .is_err_and(|wrong| wrong.contains("nothing"))
    );
    let wrong = hooks.call_tool("dice__roll", "{}").await.expect_err("no JSON");
    assert!(wrong.contains("does not work"), "{wrong}");
    assert!(
        hooks
            .call_tool("table__roll", "{}")
            .await
            .is_err_and(|wrong| wrong.contains("no table"))
    );
    house.assert_all_free();
}

#[tokio::test]
async fn after_a_reply_each_extension_adds_its_own() {
    let house = House::new();
    let effects = json!([
        {"annotate": {"key": "mood", "value": "\"glad\""}},
        {"suggest-reply": "And then?"},
        {"emit-event": {"key": "tagged", "value": "{}"}},
    ]);
    let granted = ["annotate", "suggest", "events"];
    let members = vec![
        extension(&house, "test/a", &granted, &[("after-reply", "run", vec![trap()])]),
        extension(&house, "test/b", &granted, &[("after-reply", "run", vec![ok(effects)])]),
    ];
    let mut hooks = hooks(&house, members);
    let reply = message("m2", Role::Assistant, "Good day.");
    let all = hooks.after_reply(&[], None, &reply).await;
    assert_eq!(
        all.annotations,
        [("test/b".to_owned(), "mood".to_owned(), json!("glad"))]
    );
    assert_eq!(all.suggestions, [("test/b".to_owned(), "And then?".to_owned())]);
    let events = house.ports.events.lock();
    assert!(
        events
            .iter()
            .any(|(_, event)| matches!(event, ExtensionEvent::Custom { name, .. } if name == "tagged"))
    );
    house.assert_all_free();
}

#[tokio::test]
async fn what_keeps_trapping_is_not_called_until_it_is_forgiven() {
    let house = House::new();
    let member = extension(&house, "test/a", &[], &before(vec![trap()]));
    let installation = member.installation;
    let chain = Arc::new(Chain::new(vec![member]));
    let turn = || async {
        let mut hooks = house.host.turn(Arc::clone(&chain), facts());
        hooks.before_prompt(&[]).await;
        hooks.traces()[0].outcome
    };
    for _ in 0..crate::breaker::TRAPS {
        assert_eq!(turn().await, Outcome::Trap);
    }
    assert_eq!(turn().await, Outcome::BreakerOpen);
    house.host.forgive(installation);
    assert_eq!(turn().await, Outcome::Trap);
}

#[tokio::test]
async fn what_takes_too_much_again_and_again_is_condemned() {
    let house = House::with(|settings| settings.limits.fuel_prompt = 100_000);
    let member = extension(&house, "test/a", &[], &before(vec![spin()]));
    let installation = member.installation;
    let chain = Arc::new(Chain::new(vec![member]));
    for _ in 0..crate::breaker::OFFENCES {
        assert!(house.host.take_condemned().is_empty());
        let mut hooks = house.host.turn(Arc::clone(&chain), facts());
        hooks.before_prompt(&[]).await;
        assert_eq!(outcomes(&hooks), [Outcome::OutOfFuel]);
    }
    let condemned = house.host.take_condemned();
    assert_eq!(condemned.len(), 1);
    assert_eq!(condemned[0].installation, installation);
}

#[tokio::test]
async fn what_is_killed_is_not_called_in_running_turns_either() {
    let house = House::new();
    let mut member = extension(&house, "test/a", &[], &before(vec![ok(json!([]))]));
    member.fail_closed = true;
    let mut hooks = hooks(&house, vec![member]);
    for (name, outcome) in [
        ("test/a@1.0.0", Outcome::Killed),
        ("test/a@2.0.0", Outcome::Ok),
        ("test/a", Outcome::Killed),
    ] {
        house.host.kill(name);
        assert_eq!(hooks.before_prompt(&[]).await.abort, None, "an operator has decided so");
        assert_eq!(hooks.take_traces()[0].outcome, outcome, "{name}");
        house.host.revive(name);
    }
}

#[tokio::test]
async fn all_extensions_together_have_no_more_than_the_time_of_a_chain() {
    let house = House::with(|settings| {
        settings.limits.fuel_prompt = u64::MAX / 2;
        settings.limits.wall_chain_ms = 300;
    });
    let members = ["test/a", "test/b", "test/c"];
    let members = members.map(|name| extension(&house, name, &[], &before(vec![spin()])));
    let began = Instant::now();
    let mut hooks = hooks(&house, members.into());
    hooks.before_prompt(&[]).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(outcomes(&hooks)[1..], [Outcome::WallTimeout; 2]);
    let now = house.host.inner().clock.now();
    let installation = hooks.members(Hook::BeforePrompt)[2].installation;
    assert!(
        house
            .host
            .inner()
            .guard
            .admit(installation, Hook::BeforePrompt, false, now)
            .is_some()
    );
    house.assert_all_free();
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

#[tokio::test]
async fn who_waits_for_others_to_choose_lore_has_what_they_have_left_of_the_time_of_all() {
    let house = House::with(|settings| {
        settings.limits.wall_chain_ms = 200;
        settings.limits.fuel_prompt = u64::MAX / 4;
    });
    // More than look at the candidates at the same time.
    let slow = |number: usize| {
        let acts = vec![spin()];
        extension(
            &house,
            &format!("test/{number}"),
            &["lore.read"],
            &[("world-info", "select", acts)],
        )
    };
    let mut hooks = hooks(&house, (0..6).map(slow).collect());
    hooks.select(&[], Vec::new()).await;
    let late = hooks.traces().iter().skip(4).flat_map(|trace| &trace.notes);
    let late: Vec<_> = late.collect();
    assert_eq!(late.len(), 2, "{:?}", hooks.traces());
    assert!(
        late.iter().all(|note| note.contains("used up the time of all")),
        "{late:?}"
    );
    house.assert_all_free();
}

#[tokio::test]
async fn in_a_look_at_a_prompt_nobody_else_is_asked_and_nobody_is_told() {
    let house = House::new();
    let member = extension(
        &house,
        "test/a",
        &["kv:installation"],
        &before(vec![Act::Both(WRITES, json!({"ok": []}))]),
    );
    let chain = Arc::new(Chain::new(vec![member.clone()]));
    let look = TurnFacts {
        dry_run: true,
        ..facts()
    };
    let mut hooks = house.host.turn(chain, look);
    hooks.before_prompt(&[]).await;
    assert_eq!(outcomes(&hooks), [Outcome::Ok]);
    assert!(house.ports.values.lock().is_empty() && house.ports.events.lock().is_empty());
}

#[tokio::test]
async fn an_edit_that_came_to_nothing_after_all_is_told_in_the_trace() {
    let house = House::new();
    let members = ["test/a", "test/b"].map(|name| extension(&house, name, &[], &before(vec![ok(json!([]))])));
    let mut hooks = hooks(&house, members.into());
    hooks.before_prompt(&[]).await;
    hooks.remark("test/a", Hook::BeforePrompt, "set-variable: no room");
    hooks.remark("test/c", Hook::BeforePrompt, "nobody's");
    let notes: Vec<_> = hooks.traces().iter().map(|trace| trace.notes.clone()).collect();
    assert_eq!(notes, [vec!["set-variable: no room".to_owned()], Vec::new()]);
}

/// A store that says when it begins to keep values, and waits before it does.
struct Slow {
    ports: Arc<MemoryPorts>,
    begun: Arc<Notify>,
    go_on: Arc<Notify>,
}

#[async_trait]
impl Ports for Slow {
    async fn kv_get(&self, keys: Vec<KvKey>) -> Result<Vec<Option<KvEntry>>, KvFault> {
        self.ports.kv_get(keys).await
    }

    async fn kv_keys(&self, prefix: KvKey, after: Option<String>, limit: u32) -> Result<Vec<String>, KvFault> {
        self.ports.kv_keys(prefix, after, limit).await
    }

    async fn kv_commit(
        &self,
        installation: InstallationId,
        version: &str,
        writes: Vec<KvWrite>,
    ) -> Result<(), KvFault> {
        self.begun.notify_one();
        self.go_on.notified().await;
        self.ports.kv_commit(installation, version, writes).await?;
        self.begun.notify_one();
        Ok(())
    }

    async fn secret_names(&self, installation: InstallationId) -> Vec<String> {
        self.ports.secret_names(installation).await
    }

    async fn secret(&self, installation: InstallationId, version: &str, name: &str) -> Option<Secret> {
        self.ports.secret(installation, version, name).await
    }

    async fn complete(&self, installation: InstallationId, request: ModelRequest) -> Result<ModelReply, ModelFault> {
        self.ports.complete(installation, request).await
    }

    fn emit(&self, installation: InstallationId, event: ExtensionEvent) {
        self.ports.emit(installation, event);
    }
}

#[tokio::test]
async fn values_that_are_being_kept_are_kept_though_nobody_waits_any_more() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = |ports| Slow {
        ports,
        begun: Arc::clone(&begun),
        go_on: Arc::clone(&go_on),
    };
    let house = House::with_ports(|_| {}, |ports| Arc::new(slow(ports)));
    let writes = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![writes]));
    let key = key(&member);
    {
        let mut hooks = hooks(&house, vec![member]);
        tokio::select! {
            _ = hooks.before_prompt(&[]) => panic!("it waits for the store"),
            () = begun.notified() => {}
        }
    }
    assert!(!house.ports.values.lock().contains_key(&key));
    go_on.notify_one();
    let kept = tokio::time::timeout(Duration::from_secs(30), begun.notified());
    kept.await.expect("it is kept");
    assert!(house.ports.values.lock().contains_key(&key));
}

#[tokio::test]
async fn a_result_is_used_if_its_values_are_kept_however_late() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = |ports| Slow {
        ports,
        begun: Arc::clone(&begun),
        go_on: Arc::clone(&go_on),
    };
    let chain = Duration::from_secs(2);
    let house = House::with_ports(
        |settings| settings.limits.wall_chain_ms = 2_000,
        |ports| Arc::new(slow(ports)),
    );
    let writes = Act::Both(WRITES, json!({"ok": []}));
    let member = extension(&house, "test/a", &["kv:installation"], &before(vec![writes]));
    let key = key(&member);
    let mut hooks = hooks(&house, vec![member]);
    let late = async {
        begun.notified().await;
        tokio::time::sleep(chain).await;
        go_on.notify_one();
    };
    let (_, ()) = tokio::join!(hooks.before_prompt(&[]), late);
    assert_eq!(outcomes(&hooks), [Outcome::Ok]);
    assert!(house.ports.values.lock().contains_key(&key));
}

mod shown;
mod values;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tavern_domain::Timestamp;
use tavern_domain::extension::Outcome;

use super::*;
use crate::calls::TOOL_ARGUMENT_BYTES;
use crate::manifest::{HookSettings, MacroDeclaration, ToolDeclaration};
use crate::testing::House;
use crate::testing::scripted::{Act, err, ok, scripted, spin, trap};

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

//! Each hook: what it is given out of a case, and what it has given back as JSON.

use std::sync::Arc;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tavern_domain::extension::{Hook, Outcome, PluginTrace};
use tavern_plugins::Host;
use tavern_plugins::chain::{Chain, Member};
use tavern_plugins::turn::{Abort, Candidate, MacroCall, Message, Role, Setting, Transformed, TurnFacts, TurnHooks};

use tavern_plugins::ports::Ports;

use super::{Run, outside};
use crate::case::{Case, Line, Values};

/// Calls the hook of the case. Values and events are not in what it gives.
pub(super) async fn call(host: &Host, ports: &dyn Ports, member: Member, case: &Case, facts: TurnFacts) -> Result<Run> {
    if let Hook::Lifecycle | Hook::ListingValidate | Hook::ListingPrice | Hook::SearchRank = case.hook {
        return Ok(outside::call(host, ports, member, case).await);
    }
    let mut turn = host.turn(Arc::new(Chain::new(vec![member])), facts);
    let history = messages(&case.history, 'm');
    let mut result = Value::Null;
    let mut edits = Vec::new();
    match case.hook {
        Hook::BeforePrompt => edits = before_prompt(&mut turn, &history).await,
        Hook::WorldInfo => edits = world_info(&mut turn, &history, case).await,
        Hook::PromptTransform => edits = prompt_transform(&mut turn, case).await,
        Hook::StreamFilter => {
            let (text, stopped, traces) = stream_filter(&mut turn, case).await;
            return Ok(finished(edits, json!({ "text": text, "stopped": stopped }), traces));
        }
        Hook::AfterReply => edits = after_reply(&mut turn, &history, case).await?,
        Hook::MacroProvider => result = expand(&mut turn, case).await,
        Hook::Tool => result = tool(&mut turn, case).await,
        Hook::Lifecycle | Hook::ListingValidate | Hook::ListingPrice | Hook::SearchRank => {
            unreachable!("these are called outside of turns")
        }
    }
    Ok(finished(edits, result, turn.take_traces()))
}

fn finished(edits: Vec<Value>, result: Value, mut traces: Vec<PluginTrace>) -> Run {
    let trace = traces.pop();
    Run {
        outcome: trace.as_ref().map_or(Outcome::Skipped, |trace| trace.outcome),
        edits,
        result,
        kv: Values::new(),
        notes: trace.as_ref().map_or_else(Vec::new, |trace| trace.notes.clone()),
        requests: Vec::new(),
        trace,
    }
}

fn messages(lines: &[Line], letter: char) -> Vec<Message> {
    let message = |(index, line): (usize, &Line)| line.message(|| format!("{letter}{}", index + 1));
    lines.iter().enumerate().map(message).collect()
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn pair(kind: &str, setting: Setting) -> Value {
    json!({ kind: { "key": setting.key, "value": setting.value } })
}

fn abort(abort: Option<Abort>) -> Option<Value> {
    abort.map(|abort| json!({ "abort": abort.message }))
}

async fn before_prompt(turn: &mut TurnHooks, history: &[Message]) -> Vec<Value> {
    let done = turn.before_prompt(history).await;
    let notes = done.notes.into_iter().map(|(_, note)| {
        json!({ "add-note": {
            "position": note.position, "depth": note.depth, "role": role(note.role),
            "text": note.text, "priority": note.priority,
        } })
    });
    let variables = done
        .variables
        .into_iter()
        .map(|variable| pair("set-variable", variable));
    let sampling = done.sampling.into_iter().map(|setting| pair("set-sampling", setting));
    notes
        .chain(variables)
        .chain(sampling)
        .chain(abort(done.abort))
        .collect()
}

async fn world_info(turn: &mut TurnHooks, history: &[Message], case: &Case) -> Vec<Value> {
    let candidates: Vec<Candidate> = case
        .input
        .candidates
        .iter()
        .cloned()
        .map(|entry| Candidate {
            id: entry.id,
            book: entry.book,
            title: entry.title,
            keys: entry.keys,
            tokens: entry.tokens,
            active: entry.active,
            text: entry.text,
        })
        .collect();
    let done = turn.select(history, candidates).await;
    let activate = done.activate.into_iter().map(|id| json!({ "activate": id }));
    let silence = done.silence.into_iter().map(|id| json!({ "silence": id }));
    let additions = done.additions.into_iter().map(|(_, entry)| {
        json!({ "add": {
            "title": entry.title, "text": entry.text, "position": entry.position,
            "depth": entry.depth, "order": entry.order,
        } })
    });
    activate
        .chain(silence)
        .chain(additions)
        .chain(abort(done.abort))
        .collect()
}

async fn prompt_transform(turn: &mut TurnHooks, case: &Case) -> Vec<Value> {
    let prompt = messages(&case.input.prompt, 'p');
    let room = case.turn.context_tokens.saturating_sub(case.turn.reply_tokens);
    let budget = case.input.budget.unwrap_or(room);
    let done = turn.transform(prompt.clone(), budget).await;
    changes(&prompt, done)
}

/// What was done to a prompt: in the order of the new one, then what was removed.
fn changes(before: &[Message], after: Transformed) -> Vec<Value> {
    let mut edits = Vec::new();
    let mut kept = Vec::new();
    let mut last: Option<&str> = None;
    for piece in &after.messages {
        let message = &piece.message;
        if piece.inserted_by.is_some() {
            edits.push(json!({ "insert": { "after": last, "role": role(message.role), "text": message.text } }));
            continue;
        }
        if piece.replaced_by.is_some() {
            edits.push(json!({ "replace-text": { "id": message.id, "text": message.text } }));
        }
        kept.push(message.id.as_str());
        last = Some(&message.id);
    }
    let removed = before.iter().filter(|message| !kept.contains(&message.id.as_str()));
    edits.extend(removed.map(|message| json!({ "remove": message.id })));
    edits.extend(after.stops.into_iter().map(|stop| json!({ "stop-sequence": stop })));
    edits.extend(abort(after.abort));
    edits
}

async fn stream_filter(turn: &mut TurnHooks, case: &Case) -> (String, bool, Vec<PluginTrace>) {
    let Some(mut filters) = turn.filters() else {
        return (case.input.chunks.concat(), false, Vec::new());
    };
    let mut text = String::new();
    for chunk in &case.input.chunks {
        let filtered = filters.push(chunk).await;
        text.push_str(&filtered.text);
        if filtered.stop {
            return (text, true, filters.take_traces().await);
        }
    }
    let filtered = filters.finish().await;
    text.push_str(&filtered.text);
    (text, filtered.stop, filters.take_traces().await)
}

async fn after_reply(turn: &mut TurnHooks, history: &[Message], case: &Case) -> Result<Vec<Value>> {
    let Some(reply) = &case.input.reply else {
        bail!("a case of after-reply needs `input.reply`");
    };
    let reply = reply.message(|| "reply".into());
    let user = case.input.user.as_ref().map(|user| user.message(|| "user".into()));
    let done = turn.after_reply(history, user.as_ref(), &reply).await;
    let annotations = done
        .annotations
        .into_iter()
        .map(|(_, key, value)| json!({ "annotate": { "key": key, "value": value } }));
    let suggestions = done
        .suggestions
        .into_iter()
        .map(|(_, text)| json!({ "suggest-reply": text }));
    let variables = done
        .variables
        .into_iter()
        .map(|variable| pair("set-variable", variable));
    Ok(annotations.chain(suggestions).chain(variables).collect())
}

async fn expand(turn: &mut TurnHooks, case: &Case) -> Value {
    let calls: Vec<MacroCall> = case
        .input
        .calls
        .iter()
        .map(|call| MacroCall {
            name: call.name.to_lowercase(),
            arguments: call.arguments.clone(),
        })
        .collect();
    json!(turn.expand(&calls).await)
}

async fn tool(turn: &mut TurnHooks, case: &Case) -> Value {
    let arguments = Value::Object(case.input.arguments.clone()).to_string();
    match turn.call_tool(&case.input.name, &arguments).await {
        Ok(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Err(message) => json!({ "error": message }),
    }
}

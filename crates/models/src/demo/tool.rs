//! The demo model's way with functions, so that they can be tried with nothing installed.
//!
//! It calls an offered function if the user's last message has a word of its name (`roll` in `roll_dice`),
//! and once a message. What the function must be given it takes from the message: the word behind that
//! word for a text, the first number for a number. Then it says what the function said.

use serde_json::{Map, Value, json};
use tavern_domain::chat::ChatRole;
use tavern_domain::generation::GenerationKind;

use crate::request::CompletionRequest;
use crate::tool::{ToolCall, ToolSpec};

/// Shorter words of a name mean nothing.
const MIN_WORD: usize = 4;
/// The message as far as it is looked at, and a function's answer as far as it is told.
const MAX_CHARS: usize = 300;

/// The call that the conversation asks for.
pub(super) fn call(request: &CompletionRequest) -> Option<ToolCall> {
    let answers = matches!(
        request.kind,
        GenerationKind::Normal | GenerationKind::Regenerate | GenerationKind::Swipe
    );
    if !answers || request.tools_closed || said(request).is_some() {
        return None;
    }
    let newest = request
        .messages
        .iter()
        .rev()
        .find(|message| message.role == ChatRole::User)?;
    let text: String = newest.content.chars().take(MAX_CHARS).collect();
    let words: Vec<&str> = text
        .split_whitespace()
        .map(trimmed)
        .filter(|word| !word.is_empty())
        .collect();
    let (tool, at) = request
        .tools
        .iter()
        .find_map(|tool| Some((tool, named(tool, &words)?)))?;
    Some(ToolCall {
        id: "call00000".into(),
        name: tool.name.clone(),
        arguments: arguments(&tool.parameters, &words, at).to_string(),
        fault: None,
        extra: None,
    })
}

/// What functions have said since the user's last message, as the reply tells it.
pub(super) fn said(request: &CompletionRequest) -> Option<String> {
    let answers = request
        .messages
        .iter()
        .rev()
        .take_while(|message| message.role != ChatRole::User);
    let answer = answers.into_iter().find(|message| message.tool_call_id.is_some())?;
    let name = answer.name.as_deref().unwrap_or_default();
    let text: String = answer.content.chars().take(MAX_CHARS).collect();
    Some(format!("`{name}` says: {text}\n\n"))
}

/// Which of the words names the function.
fn named(tool: &ToolSpec, words: &[&str]) -> Option<usize> {
    let name = tool.name.to_ascii_lowercase();
    let parts: Vec<&str> = name.split(['_', '-']).filter(|part| part.len() >= MIN_WORD).collect();
    words.iter().position(|word| {
        let word = word.to_lowercase();
        word == name || parts.contains(&word.as_str())
    })
}

fn arguments(parameters: &Value, words: &[&str], at: usize) -> Value {
    let required = parameters
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut arguments = Map::new();
    for name in required.filter_map(Value::as_str) {
        let schema = parameters.get("properties").and_then(|properties| properties.get(name));
        arguments.insert(name.to_owned(), argument(schema.unwrap_or(&Value::Null), words, at));
    }
    arguments.into()
}

fn argument(schema: &Value, words: &[&str], at: usize) -> Value {
    let options = schema.get("enum").and_then(Value::as_array);
    if let Some(option) = options.and_then(|options| options.first()) {
        return option.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => {
            let number = words.iter().find_map(|word| word.parse::<i32>().ok());
            number.map_or_else(|| schema.get("minimum").cloned().unwrap_or(json!(1)), Value::from)
        }
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => words.get(at + 1).or(words.get(at)).copied().unwrap_or_default().into(),
    }
}

fn trimmed(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use tavern_domain::generation::GenerationOptions;

    use super::*;
    use crate::request::{Cast, PromptMessage};

    fn request(text: &str) -> CompletionRequest {
        let tool = |name: &str, parameters| ToolSpec {
            name: name.into(),
            description: String::new(),
            parameters,
        };
        let dice = json!({
            "type": "object", "required": ["dice", "times", "how"],
            "properties": { "dice": { "type": "string" }, "times": { "type": "integer", "minimum": 2 }, "how": { "enum": ["fair", "loaded"] } },
        });
        CompletionRequest {
            messages: vec![PromptMessage::new(ChatRole::User, text)],
            text: None,
            options: GenerationOptions::default(),
            stop: Vec::new(),
            max_tokens: None,
            seed: Some(1),
            cast: Cast::default(),
            kind: GenerationKind::Normal,
            tools: vec![tool("roll_dice", dice), tool("weather", json!({}))],
            tools_closed: false,
        }
    }

    #[test]
    fn it_calls_a_function_whose_name_the_user_says() {
        let called = |text: &str| call(&request(text)).map(|call| (call.name, call.arguments));
        let expect = |name: &str, arguments: Value| Some((name.to_owned(), arguments.to_string()));
        assert_eq!(
            called("Please ROLL 2d6, 3 times!"),
            expect("roll_dice", json!({ "dice": "2d6", "times": 3, "how": "fair" }))
        );
        assert_eq!(
            called("roll"),
            expect("roll_dice", json!({ "dice": "roll", "times": 2, "how": "fair" }))
        );
        assert_eq!(called("How is the weather?"), expect("weather", json!({})));
        for silent in ["", "Scroll down.", "Hello there."] {
            assert_eq!(called(silent), None, "{silent}");
        }
    }

    #[test]
    fn it_calls_once_a_message_and_only_if_it_may() {
        let mut asked = request("roll 2d6");
        asked.tools_closed = true;
        assert_eq!(call(&asked), None);
        asked.tools_closed = false;
        asked.kind = GenerationKind::Impersonate;
        assert_eq!(call(&asked), None);
        let mut answered = request("roll 2d6");
        answered.messages.push(PromptMessage {
            name: Some("roll_dice".into()),
            tool_call_id: Some("call00000".into()),
            ..PromptMessage::new(ChatRole::Tool, "7")
        });
        assert_eq!(call(&answered), None);
        assert_eq!(said(&answered).as_deref(), Some("`roll_dice` says: 7\n\n"));
        answered
            .messages
            .push(PromptMessage::new(ChatRole::User, "And roll 1d6."));
        assert!(call(&answered).is_some() && said(&answered).is_none());
    }
}

//! Function calls, put together from the pieces in which they are streamed.
//!
//! The format says that a piece names its call by `index`, and that the first one has the id and the
//! name. Servers leave any of it out, count every call as 0, or send a call whole; what they mean is told
//! by what is there. What comes out can be sent back: ids are unique, names are names, arguments are the
//! text of an object, and a call of which that is not so says why.

use std::collections::HashSet;

use serde_json::Value;

use crate::request::PromptMessage;
use crate::tool::{ToolCall, is_wire_name};

/// Calls of one answer; further ones are passed over.
const MAX_CALLS: usize = 16;
/// Of one call.
const MAX_ARGUMENTS: usize = 64 * 1024;
const MAX_EXTRA: usize = 16 * 1024;
const MAX_ID: usize = 256;

/// The calls of one answer.
#[derive(Default)]
pub(super) struct Calls {
    open: Vec<Open>,
    /// Ids of the conversation so far.
    used: HashSet<String>,
    /// A call was passed over: what does not say where it belongs belongs to that one.
    is_full: bool,
}

#[derive(Default)]
struct Open {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    is_too_long: bool,
    extra: Option<Value>,
}

impl Calls {
    /// For an answer to these messages.
    pub fn after(messages: &[PromptMessage]) -> Self {
        let calls = messages.iter().flat_map(|message| &message.tool_calls);
        Self {
            used: calls.map(|call| call.id.clone()).collect(),
            ..Self::default()
        }
    }

    /// Takes the `tool_calls` of a piece of a stream, or of a whole message.
    pub fn push(&mut self, pieces: &Value) {
        for piece in pieces.as_array().into_iter().flatten() {
            let Some(function) = piece.get("function").filter(|function| function.is_object()) else {
                continue;
            };
            let index = piece.get("index");
            let index = index.and_then(|index| index.as_u64().or_else(|| index.as_str()?.parse().ok()));
            let text = |value: &Value, field| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (id, name) = (text(piece, "id"), text(function, "name"));
            let Some(call) = self.place(index, &id, !name.is_empty()) else {
                continue;
            };
            // Some servers repeat them with each piece.
            if call.id.is_empty() {
                call.id = id;
            }
            if call.name.is_empty() {
                call.name = name;
            }
            match function.get("arguments") {
                Some(Value::String(more)) => call.append(more),
                Some(Value::Null) | None => {}
                Some(whole) => call.append(&whole.to_string()),
            }
            if let Some(extra) = piece.get("extra_content")
                && extra.to_string().len() <= MAX_EXTRA
            {
                call.extra = Some(extra.clone());
            }
        }
    }

    /// The call that a piece belongs to, begun if need be; `None` if it is passed over.
    fn place(&mut self, index: Option<u64>, id: &str, has_name: bool) -> Option<&mut Open> {
        let known = match index {
            Some(_) => self.open.iter().rposition(|call| {
                let is_another = !id.is_empty() && !call.id.is_empty() && call.id != id;
                call.index == index && !is_another
            }),
            None if !id.is_empty() => self.open.iter().rposition(|call| call.id == id),
            None if has_name => None,
            None if self.is_full => return None,
            None => self.open.len().checked_sub(1),
        };
        let place = match known {
            Some(place) => place,
            None if self.open.len() == MAX_CALLS => {
                self.is_full = true;
                return None;
            }
            None => {
                self.open.push(Open {
                    index,
                    ..Open::default()
                });
                self.open.len() - 1
            }
        };
        self.open.get_mut(place)
    }

    /// All that have come, whole or not; nothing more is to be pushed to them.
    pub fn finish(&mut self) -> Vec<ToolCall> {
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|call| call.close(&mut self.used)).collect()
    }
}

impl Open {
    fn append(&mut self, more: &str) {
        self.is_too_long |= self.arguments.len() + more.len() > MAX_ARGUMENTS;
        if self.is_too_long {
            self.arguments = String::new();
        } else {
            self.arguments.push_str(more);
        }
    }

    fn close(self, used: &mut HashSet<String>) -> ToolCall {
        let arguments = match self.arguments.trim() {
            "" | "null" => "{}",
            text => text,
        };
        let is_object = || matches!(serde_json::from_str(arguments), Ok(Value::Object(_)));
        let fault = if self.is_too_long {
            Some(format!("The arguments of a call have at most {MAX_ARGUMENTS} bytes."))
        } else if !is_wire_name(&self.name) {
            Some("There is no function of this name.".to_owned())
        } else if !is_object() {
            Some("The arguments of a call are a JSON object, and these are not.".to_owned())
        } else {
            None
        };
        let is_good_id = !self.id.is_empty() && self.id.len() <= MAX_ID && !used.contains(&self.id);
        // Nine letters and digits: there are servers that take no other ids.
        let mut made = (used.len()..).map(|number| format!("call{number:05}"));
        let id = if is_good_id {
            self.id
        } else {
            made.find(|id| !used.contains(id))
                .expect("there are more numbers than calls")
        };
        used.insert(id.clone());
        ToolCall {
            id,
            name: wire_name(&self.name),
            arguments: if fault.is_none() {
                arguments.to_owned()
            } else {
                "{}".to_owned()
            },
            fault,
            extra: self.extra,
        }
    }
}

/// A name as near to this one as the wire permits.
fn wire_name(name: &str) -> String {
    let letters = name.chars().take(64);
    let name: String = letters
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests;

//! The functions that a model may call in a turn: their names, and their calls.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tavern_domain::extension::{Hook, Outcome};

use super::{OfferedTool, TurnHooks};
use crate::calls::{TOOL_ARGUMENT_BYTES, ToolCall};
use crate::chain::Member;
use crate::edits::{clean, json};

/// Bytes of the name of a function, as models take it.
const TOOL_NAME: usize = 64;

impl TurnHooks {
    /// The functions of all extensions, each under a name of its own: where two have the same one, that of
    /// the later extension has the extension's in front.
    #[must_use]
    pub fn tools(&self) -> Vec<OfferedTool> {
        self.offered().into_iter().map(|(_, tool)| tool).collect()
    }

    fn offered(&self) -> Vec<(Arc<Member>, OfferedTool)> {
        let mut names = HashSet::new();
        let mut offered = Vec::new();
        for member in self.members(Hook::Tool) {
            for declaration in &member.manifest.tools {
                let tool = OfferedTool {
                    extension: member.name.clone(),
                    name: unique(&names, &member.name, &declaration.name),
                    declaration: declaration.clone(),
                };
                names.insert(tool.name.clone());
                offered.push((Arc::clone(&member), tool));
            }
        }
        offered
    }

    /// What a function says, as JSON; an error is for the model to read. The arguments are a JSON object of
    /// at most 64 KiB, or nothing.
    ///
    /// # Errors
    /// If there is none of the name, it may not, or it failed.
    pub async fn call_tool(&mut self, name: &str, arguments: &str) -> Result<String, String> {
        let offered = self.offered().into_iter().find(|(_, tool)| tool.name == name);
        let (member, tool) = offered.ok_or_else(|| format!("There is no function `{}`.", shortened(name)))?;
        let arguments = match arguments.trim() {
            "" => "{}",
            arguments => arguments,
        };
        match json(arguments, TOOL_ARGUMENT_BYTES) {
            Ok(Value::Object(_)) => {}
            Ok(_) => return Err("The arguments must be a JSON object.".into()),
            Err(wrong) => return Err(format!("The text of the arguments {wrong}.")),
        }
        let call = ToolCall {
            name: &tool.declaration.name,
            arguments,
        };
        let patience = Duration::from_millis(self.host.settings().limits.wall_chain_ms);
        let ran = self.background_call(&member, patience, &call).await;
        let trace = self.traces.last();
        ran.taken.ok_or_else(|| match trace {
            // What the extension says of it the model may read; how it broke is for its author.
            Some(trace) if matches!(trace.outcome, Outcome::GuestError | Outcome::Skipped) => {
                let said = trace.notes.last().map_or("", String::as_str);
                format!("The function `{name}` failed: {said}")
            }
            _ => format!("The function `{name}` does not work at the moment."),
        })
    }
}

/// A name that is not taken yet, out of at most 64 characters, as models want them.
fn unique(taken: &HashSet<String>, extension: &str, tool: &str) -> String {
    if !taken.contains(tool) {
        return tool.to_owned();
    }
    let short = extension.rsplit('/').next().unwrap_or(extension);
    let long = extension.replace('/', "_");
    let names = [short, &long].map(|extension| format!("{extension}__{tool}"));
    let fits = |name: &String| name.len() <= TOOL_NAME && !taken.contains(name);
    names.into_iter().find(fits).unwrap_or_else(|| {
        let numbered = (2..).map(|number| {
            let end = format!("_{number}");
            format!("{}{end}", &tool[..tool.floor_char_boundary(TOOL_NAME - end.len())])
        });
        let mut free = numbered.filter(|name| !taken.contains(name));
        free.next().expect("there are more numbers than functions")
    })
}

fn shortened(name: &str) -> String {
    clean(name[..name.floor_char_boundary(TOOL_NAME)].to_owned())
}

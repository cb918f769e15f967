//! What hooks give back and what becomes of it in a turn, played by an extension that does as it is told.

mod after_reply;
mod before_prompt;
mod lore;
mod macros;
mod model;
mod operator;
mod preview;
mod prompt;
mod replies;
mod requests;

use serde_json::Value;

/// Whether some note of a trace has these words.
fn noted(trace: &Value, words: &str) -> bool {
    let notes = trace["notes"].as_array().expect("notes");
    notes
        .iter()
        .any(|note| note.as_str().is_some_and(|note| note.contains(words)))
}

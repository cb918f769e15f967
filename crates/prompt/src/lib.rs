//! What enters a prompt: cards, macros, token estimates, assembly within a budget.
//!
//! Pure: no I/O, no clock, no randomness. No input makes anything in here panic, and the work is
//! linear in the input, which for foreign bytes is bounded first.

pub mod assemble;
pub mod assembly;
pub mod card;
pub mod chat_file;
pub mod examples;
mod file_name;
pub mod group;
pub mod js_regex;
mod lenient;
pub mod lore;
pub mod macros;
pub mod names;
pub mod preset;
pub mod reply;
pub mod scripts;
pub mod template;
pub mod tokens;
pub mod turn;

pub use assemble::{HistoryMessage, Part, Prompt, PromptInput, PromptMessage, PromptTooLarge, assemble};
pub use card::{Card, CardError, Picture, PictureKind, read_card};
pub use file_name::safe_file_name;
pub use names::Names;
pub use tokens::estimate_tokens;

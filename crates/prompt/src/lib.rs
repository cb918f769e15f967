//! What enters a prompt: cards, lore, macros, presets, token counts, and the assembly of it all within a budget.
//!
//! [`turn::Turn`] puts the parts together; `docs/PROMPT.md` walks through them. Pure: no I/O and no clock; chance comes
//! from a seed. No input makes anything in here panic, and what an input may cost is bounded.

pub mod additions;
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
pub mod preset;
pub mod reply;
pub mod scripts;
pub mod template;
pub mod tokens;
pub mod turn;

pub use card::{Card, CardError, Picture, PictureKind, read_card};
pub use file_name::safe_file_name;
pub use tokens::estimate_tokens;

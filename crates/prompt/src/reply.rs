//! What is done to a model's text before it is a reply: where it stops, what is cut off, what was
//! only reasoning.
//!
//! Texts come in pieces, and what is given out is never taken back: everything here works character
//! by character, so that the result is a function of the whole text, however it was cut, and what is
//! held back is bounded. Rules: SillyTavern's clean-up of replies and its reasoning templates.

mod cleaner;
mod reasoning;
mod stops;

pub use cleaner::{CleanOptions, Finished, ReplyCleaner};
pub use reasoning::{ReasoningSplitter, ReasoningTemplate, Split, add_reasoning};
pub use stops::{StopOptions, custom_stop_strings, stop_strings};

/// Bytes of a run of blanks that are kept; more of them add nothing.
const MAX_BLANKS: usize = 256;

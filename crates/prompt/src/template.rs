//! Text completion: the story string before the chat, and the sequences around its messages.
//!
//! Both are made for templates that anybody may have written: rendering never fails, takes time linear
//! in template and result, and the result is bounded. What a template inserts (a description, a
//! persona) is never read as a template or a macro again.

mod instruct;
mod story;

pub(crate) use instruct::AffixCache;
pub use instruct::{Affixes, Formatter, LastLine, Line, Place};
pub use story::{RENDERED_BYTES, TEMPLATE_BYTES, TemplateValue, render};

#[cfg(test)]
mod tests;

//! From an extension's source to its component.

mod bundled;
mod rust;

pub use bundled::{bundled, cached, guests_dir};
pub use rust::build_rust;

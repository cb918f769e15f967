//! Lines for the extension's author and the installation's owner. Never for secrets or prompts.
//!
//! ```
//! tavern_extension::log::info!("kept {} notes", 3);
//! ```

pub use crate::bindings::tavern::extension::log::Level;
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

use crate::{Pair, host};

/// A line with fields.
pub fn write(level: Level, message: &str, fields: &[Pair]) {
    host::log::write(level, message, fields);
}

#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($message)+), &[]) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($message)+), &[]) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($message)+), &[]) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($message:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($message)+), &[]) };
}

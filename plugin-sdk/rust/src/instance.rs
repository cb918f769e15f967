//! The extension of a component's instance.

use std::cell::OnceCell;
use std::panic::PanicHookInfo;

use crate::{Extension, HookError, Result, host, log};

/// Holds it, or why its configuration cannot be worked with.
pub struct Instance<T: 'static>(OnceCell<Result<&'static T>>);

impl<T: Extension> Instance<T> {
    #[must_use]
    #[allow(clippy::new_without_default)] // made in a constant
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// # Errors
    /// As [`Extension::from_config`], each time.
    pub fn get(&self) -> Result<&'static T> {
        self.0
            .get_or_init(|| {
                #[cfg(target_arch = "wasm32")]
                std::panic::set_hook(Box::new(report));
                // An instance lives as long as the component's memory does, and goes with it.
                T::from_config(&host::config::all()).map(|extension| &*Box::leak(Box::new(extension)))
            })
            .clone()
            .map_err(|error: HookError| error)
    }
}

/// A panic ends in a trap, which does not say why. This does.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
fn report(panic: &PanicHookInfo<'_>) {
    log::write(log::Level::Error, &panic.to_string(), &[]);
}

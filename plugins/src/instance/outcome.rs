//! What became of a call, out of how it ended.

use std::time::Duration;

use tavern_domain::extension::Outcome;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::{Failure, Missing};
use crate::bindings::tavern::extension::types::HookError;
use crate::imports::log::clean;
use crate::store::{State, Stop};

/// Bytes of a message.
const MESSAGE_BYTES: usize = 1 << 10;
/// Functions that are named of those that were being called.
const FRAMES: usize = 8;

/// What the engine says when more was given to the host, or back to it, than may be; it has no type for it.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";
/// The same of randomness.
const TOO_MUCH_RANDOMNESS: &str = "exceeds limit";

/// A guest has said that it has no result.
pub(super) fn of_guest(error: HookError) -> Failure {
    let (outcome, message, retryable) = match error {
        HookError::Skip(message) => (Outcome::Skipped, message, false),
        HookError::InvalidConfig(message) => (Outcome::InvalidConfig, message, false),
        HookError::Retryable(message) => (Outcome::GuestError, message, true),
        HookError::Failed(message) => (Outcome::GuestError, message, false),
    };
    Failure {
        outcome,
        message: bounded(&message),
        retryable,
    }
}

/// A guest was stopped in a call.
pub(super) fn of_call(error: &wasmtime::Error, state: &State) -> Failure {
    failure(error, Some(state), Outcome::OutputInvalid)
}

/// A guest did not come to its first call.
pub(super) fn of_start(error: &wasmtime::Error, state: Option<&State>) -> Failure {
    failure(error, state, Outcome::LoadFailed)
}

pub(super) fn timeout(wall: Duration) -> Failure {
    Failure {
        outcome: Outcome::WallTimeout,
        message: format!("it took longer than {} ms", wall.as_millis()),
        retryable: false,
    }
}

/// `otherwise` is for errors of no type: what is wrong with what a guest gave back.
fn failure(error: &wasmtime::Error, state: Option<&State>, otherwise: Outcome) -> Failure {
    let was_refused = state.is_some_and(|state| state.memory.refused);
    let names = error.downcast_ref::<WasmBacktrace>().map(names).unwrap_or_default();
    let outcome = outcome(error, was_refused, !names.is_empty(), otherwise);
    let mut message = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if outcome == Outcome::OutOfMemory {
        message = format!("it wanted more memory than it may have ({message})");
    }
    if !names.is_empty() {
        message = format!("{message} in {}", names.join(" < "));
    }
    let printed = state.map(|state| state.output.read()).unwrap_or_default();
    if !printed.trim().is_empty() {
        message = format!("{message}: {}", printed.trim());
    }
    Failure {
        outcome,
        message: bounded(&message),
        retryable: false,
    }
}

fn outcome(error: &wasmtime::Error, was_refused: bool, in_guest: bool, otherwise: Outcome) -> Outcome {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::HostCalls(_) | Stop::Transfer(_) => Outcome::HostcallLimit,
            Stop::Host(_) => Outcome::HostError,
        };
    }
    if error.is::<Missing>() {
        return Outcome::LoadFailed;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return Outcome::OutOfFuel,
        Some(Trap::Interrupt) => return Outcome::Interrupted,
        _ => {}
    }
    if was_refused {
        return Outcome::OutOfMemory;
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Outcome::PoolBusy;
    }
    if matches!(
        error.downcast_ref::<ResourceTableError>(),
        Some(ResourceTableError::Full)
    ) {
        return Outcome::HostcallLimit;
    }
    let text = error.root_cause().to_string();
    if text.contains(TOO_MUCH_DATA) || text.contains(TOO_MUCH_RANDOMNESS) {
        return Outcome::HostcallLimit;
    }
    // With functions of the guest on the stack it has not given anything back yet.
    if error.is::<Trap>() || error.is::<I32Exit>() || in_guest {
        return Outcome::Trap;
    }
    otherwise
}

/// The functions that were being called, innermost first.
fn names(backtrace: &WasmBacktrace) -> Vec<String> {
    let name = |frame: &wasmtime::FrameInfo| {
        frame
            .func_name()
            .map_or_else(|| format!("function {}", frame.func_index()), ToOwned::to_owned)
    };
    backtrace.frames().iter().take(FRAMES).map(name).collect()
}

fn bounded(message: &str) -> String {
    let mut message = clean(&message[..message.floor_char_boundary(4 * MESSAGE_BYTES)]);
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
    message
}

//! What guests may call. Each function counts what it is given, looks at the permission whenever it is called,
//! and answers a guest that may not with what its interface has for that: a permission that was taken back must
//! not keep the guest from running.

pub(crate) mod config;
pub(crate) mod http;
pub(crate) mod key_value;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod model;
pub(crate) mod secrets;
pub(crate) mod text;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::AllHooks;
use crate::bindings::tavern::extension::types;
use crate::store::State;

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    AllHooks::add_to_linker::<State, HasSelf<State>>(linker, State::counted)
}

impl types::Host for State {}

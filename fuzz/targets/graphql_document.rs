//! A GraphQL document up to where the executor would get it: refused in words of bounded length, or within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::Limits;
use tavern_gateway::fuzzing::document;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    if let Err(error) = document(text, text.lines().next(), &limits) {
        assert!(error.message.len() < 2_000, "{}", error.message);
    }
});

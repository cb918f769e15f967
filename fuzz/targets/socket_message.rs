//! A message of a WebSocket's client: what is wrong with it fits into a close frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_gateway::fuzzing::socket_message;

fuzz_target!(|text: &str| {
    if let Err(reason) = socket_message(text) {
        assert!((1..=123).contains(&reason.len()), "{reason}");
    }
});

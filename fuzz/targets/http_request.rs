//! The parameters of a GraphQL request, as a body and as a query string.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::Limits;
use tavern_gateway::fuzzing::{json_body, query_string};

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default();
    let from_text = std::str::from_utf8(data).map_or(Ok(()), |text| query_string(text, &limits));
    for answer in [json_body(data, &limits), from_text] {
        if let Err(error) = answer {
            assert!(error.message.len() < 1_000, "{}", error.message);
        }
    }
});

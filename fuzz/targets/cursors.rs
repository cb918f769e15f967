//! Cursors that clients send back: of a reply's stream, of a page, of a session's events. Whatever is one can be
//! written again and means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::generation::StreamPosition;
use tavern_storage::fuzzing::{event_cursor, page_cursor};

fuzz_target!(|text: &str| {
    if let Some(position) = StreamPosition::parse(text) {
        assert_eq!(StreamPosition::parse(&position.to_string()), Some(position));
    }
    for written in page_cursor(text) {
        assert_eq!(written, text);
    }
    if let Some((epoch, offset)) = event_cursor(text) {
        assert_eq!(event_cursor(&format!("{epoch:016x}.{offset:x}")), Some((epoch, offset)));
    }
});

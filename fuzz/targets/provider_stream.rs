//! A provider's answer: however the network cuts a stream, what is read of it is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_models::fuzzing::{streamed, whole};

fuzz_target!(|data: &[u8]| {
    // The first byte says where the rest is cut.
    let Some((&size, bytes)) = data.split_first() else {
        return;
    };
    let at_once = without_signs_of_life(streamed([bytes]));
    let cut = without_signs_of_life(streamed(bytes.chunks(usize::from(size).max(1))));
    assert_eq!(cut, at_once);
    whole(bytes, 400 + u16::from(size));
});

/// How often a server shows that it lives after the end is nobody's business.
fn without_signs_of_life(mut chunks: Vec<String>) -> Vec<String> {
    chunks.retain(|chunk| chunk != "Ok(Alive)");
    chunks
}

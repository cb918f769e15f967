//! What a provider answers, read without a connection: for tests and fuzz targets.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};

use super::EventStream;
use super::calls::Calls;
use super::wire::Decoder;

/// Everything that is read of a streamed reply that comes in these pieces.
pub fn streamed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let pieces: Vec<_> = pieces
        .into_iter()
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let decoder = Decoder::new("p".into(), Calls::default());
    let body = stream::iter(pieces).boxed();
    let read = EventStream::new("p".into(), body, decoder, Arc::default()).into_chunks();
    let chunks = read.map(|chunk| format!("{chunk:?}")).collect();
    chunks.now_or_never().expect("everything is there")
}

/// What is read of a reply in one piece, and what is made of the same bytes as the body of an error.
#[cfg(feature = "fuzzing")]
pub fn whole(body: &[u8], status: u16) -> (String, String) {
    use super::error::{self, Detail};
    let mut decoder = Decoder::new("p".into(), Calls::default());
    let decoded = decoder.decode(&String::from_utf8_lossy(body));
    let refused = error::of_status("p", status, &Detail::of_body(body));
    (
        format!("{decoded:?} {:?}", decoder.finish().collect::<Vec<_>>()),
        format!("{refused:?}"),
    )
}

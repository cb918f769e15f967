//! Cursors that clients send back, for fuzz targets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::bus;
use crate::cursor::{Reader, Writer};

/// Reads a page's cursor of any list by each layout there is, and writes again what was read: nothing for what is none.
#[must_use]
pub fn page_cursor(text: &str) -> Vec<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let tag = bytes.get(1).copied().unwrap_or_default();
    let layouts: [fn(&mut Reader, Writer) -> Option<Writer>; 4] = [
        |reader, writer| Some(writer.i64(reader.i64()?)),
        |reader, writer| Some(writer.i64(reader.i64()?).uuid(reader.uuid()?)),
        |reader, writer| Some(writer.f64(reader.f64()?).uuid(reader.uuid()?)),
        |reader, writer| Some(writer.f64(reader.f64()?).i64(reader.i64()?).uuid(reader.uuid()?)),
    ];
    let written = layouts.into_iter().filter_map(|layout| {
        let mut reader = Reader::new(text, tag)?;
        let writer = layout(&mut reader, Writer::new(tag))?;
        reader.finish().map(|()| writer.finish())
    });
    written.collect()
}

/// The epoch and the offset of a session event's cursor.
#[must_use]
pub fn event_cursor(text: &str) -> Option<(u64, u64)> {
    bus::parse(text)
}

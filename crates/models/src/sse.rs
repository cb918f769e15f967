//! Reads server-sent events from bytes, however they are cut (WHATWG HTML, "event stream interpretation").
//!
//! Works on bytes and decodes complete lines only, so a character split across two network reads
//! survives. Memory is bounded: a line or an event beyond its limit is an error, not a buffer.
//! Deviation from the standard: an event that the end of the stream leaves without its blank line
//! is delivered, because several servers end that way.

use std::borrow::Cow;

/// Bytes of one line, and of one event's data.
pub const MAX_LINE: usize = 1024 * 1024;

/// Something the stream said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SseItem {
    /// A complete event. `event` is empty where the server named none.
    Event { event: String, data: String },
    /// A comment: a sign of life.
    Comment,
}

/// The stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    #[error("a line or an event is longer than {MAX_LINE} bytes")]
    TooLong,
}

/// The state between two reads.
#[derive(Debug, Default)]
pub struct SseReader {
    line: Vec<u8>,
    event: String,
    data: String,
    /// Whether a `data` field came, which may be empty.
    has_data: bool,
    after_cr: bool,
    after_bom: bool,
}

impl SseReader {
    /// Takes the next bytes and hands what they complete to `sink`, in order.
    ///
    /// # Errors
    /// [`SseError::TooLong`]; nothing more can be pushed then.
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(SseItem)) -> Result<(), SseError> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.hold(bytes);
            };
            self.hold(&bytes[..end])?;
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.end_line(&line, sink)?;
            // The buffer's capacity is worth keeping, except after a giant line.
            if line.capacity() <= 64 * 1024 {
                self.line = line;
                self.line.clear();
            }
        }
        Ok(())
    }

    /// The stream ended: gives the event it left open.
    ///
    /// # Errors
    /// [`SseError::TooLong`], if the last line makes the event too long.
    pub fn finish(mut self, sink: &mut impl FnMut(SseItem)) -> Result<(), SseError> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.end_line(&line, sink)?;
        }
        self.dispatch(sink);
        Ok(())
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + bytes.len() > MAX_LINE {
            return Err(SseError::TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, mut line: &[u8], sink: &mut impl FnMut(SseItem)) -> Result<(), SseError> {
        if !std::mem::replace(&mut self.after_bom, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(sink);
            return Ok(());
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (field, value) = match colon {
            Some(0) => {
                sink(SseItem::Comment);
                return Ok(());
            }
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let value = text(value.strip_prefix(b" ").unwrap_or(value));
        match field {
            b"data" => {
                if self.data.len() + value.len() + 1 > MAX_LINE {
                    return Err(SseError::TooLong);
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(&value);
            }
            b"event" => self.event = value.into_owned(),
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(SseItem)) {
        let event = std::mem::take(&mut self.event);
        if std::mem::take(&mut self.has_data) {
            sink(SseItem::Event {
                event,
                data: std::mem::take(&mut self.data),
            });
        }
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<SseItem>, SseError> {
        let mut items = Vec::new();
        let mut reader = SseReader::default();
        for piece in pieces {
            reader.push(piece, &mut |item| items.push(item))?;
        }
        reader.finish(&mut |item| items.push(item))?;
        Ok(items)
    }

    fn event(name: &str, data: &str) -> SseItem {
        SseItem::Event {
            event: name.into(),
            data: data.into(),
        }
    }

    #[test]
    fn all_three_line_ends_and_a_bom_are_understood() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = format!("\u{feff}data: a{end}{end}data:b{end}{end}");
            assert_eq!(
                read([stream.as_bytes()]),
                Ok(vec![event("", "a"), event("", "b")]),
                "{end:?}"
            );
        }
    }

    #[test]
    fn data_lines_are_joined_and_unknown_fields_ignored() {
        let stream = b"event: error\nid: 7\ndata: {\ndata:  }\ndata\nretry: 1\nnonsense\n\n";
        assert_eq!(read([&stream[..]]), Ok(vec![event("error", "{\n }\n")]));
    }

    #[test]
    fn comments_are_signs_of_life_and_no_event() {
        assert_eq!(
            read([&b": ping\n\nevent: x\n\ndata: a\n\n"[..]]),
            Ok(vec![SseItem::Comment, event("", "a")])
        );
    }

    #[test]
    fn an_event_without_its_blank_line_is_delivered_at_the_end() {
        assert_eq!(
            read([&b"data: a\n\ndata: [DONE]"[..]]),
            Ok(vec![event("", "a"), event("", "[DONE]")])
        );
    }

    #[test]
    fn a_line_may_have_a_mebibyte_and_not_a_byte_more() {
        let line = |length: usize| [b"data:".as_slice(), &vec![b'x'; length - 5], b"\n\n"].concat();
        assert_eq!(read([line(MAX_LINE).as_slice()]).map(|items| items.len()), Ok(1));
        assert_eq!(read([line(MAX_LINE + 1).as_slice()]), Err(SseError::TooLong));
    }

    #[test]
    fn an_event_of_many_lines_is_bounded_too() {
        let line = [b"data:".as_slice(), &vec![b'x'; 1023], b"\n"].concat();
        let whole = line.repeat(1024);
        assert!(
            read([whole.as_slice()]).is_ok(),
            "1,024 lines of 1,023 bytes and their joints fit"
        );
        assert_eq!(read([whole.as_slice(), line.as_slice()]), Err(SseError::TooLong));
    }

    proptest! {
        #[test]
        fn any_cutting_of_a_stream_reads_the_same(cuts in proptest::collection::vec(0usize..120, 0..20)) {
            let stream = "\u{feff}: hi\r\ndata: grüße 🐉\r\n\r\nevent: error\rdata:one\rdata: two\r\rdata: ümläut\n\ndata: [DONE]".as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().filter(|&at| at < stream.len()).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
            prop_assert_eq!(read(pieces), read([stream]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..32)) {
            let _ = read(pieces.iter().map(Vec::as_slice));
        }

        #[test]
        fn bytes_of_the_grammar_never_panic(text in "(data|event|:|\r|\n| |\u{feff}|ü){0,60}") {
            let _ = read([text.as_bytes()]);
        }
    }
}

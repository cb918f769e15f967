//! Cursors of keyset pages: the sort key of a row and its id, opaque to clients.
//!
//! Bytes: a version, a tag that names the list's order, then the parts big-endian; in URL-safe
//! base64. A cursor of another order or of another version is not a cursor of this list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

const VERSION: u8 = 1;

/// Writes the parts of a cursor.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub fn new(tag: u8) -> Self {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend([VERSION, tag]);
        Self(bytes)
    }
    pub fn i64(mut self, value: i64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }
    pub fn f64(mut self, value: f64) -> Self {
        self.0.extend(value.to_bits().to_be_bytes());
        self
    }
    pub fn uuid(mut self, value: Uuid) -> Self {
        self.0.extend(value.as_bytes());
        self
    }
    pub fn finish(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Reads what a [`Writer`] wrote, part by part; `None` for anything else.
pub(crate) struct Reader(std::vec::IntoIter<u8>);

impl Reader {
    /// The longest cursor has 46 bytes of text; more is not decoded.
    pub fn new(text: &str, tag: u8) -> Option<Self> {
        let bytes = (text.len() <= 64).then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
        let mut bytes = bytes.into_iter();
        (bytes.next()? == VERSION && bytes.next()? == tag).then_some(Self(bytes))
    }
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut part = [0; N];
        for byte in &mut part {
            *byte = self.0.next()?;
        }
        Some(part)
    }
    pub fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
    /// A number; NaN and the infinities are none.
    pub fn f64(&mut self) -> Option<f64> {
        self.take()
            .map(u64::from_be_bytes)
            .map(f64::from_bits)
            .filter(|number| number.is_finite())
    }
    pub fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }
    /// Every byte must have been read.
    pub fn finish(mut self) -> Option<()> {
        self.0.next().is_none().then_some(())
    }
}

//! PNG out: a card and its assets into the text chunks of a picture.
//!
//! Every other chunk is copied byte for byte, whatever it holds, and none is checked.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::card::png::{End, SIGNATURE, asset, card_kind, walk};

/// Texts to be put into a PNG, each under its keyword, as base64.
pub(super) struct Texts<'a> {
    pub cards: &'a [(&'static str, &'a [u8])],
    /// Assets by their path.
    pub assets: &'a [(String, Vec<u8>)],
    /// Whether the PNG's own assets stay.
    pub keeps_assets: bool,
}

/// The PNG with `texts` before its end, and without the cards it had. All else stays as it is, byte for byte.
pub(super) fn put(picture: &[u8], texts: &Texts<'_>) -> Vec<u8> {
    let mut kept: Vec<Range<usize>> = Vec::new();
    let mut keep = |range: Range<usize>| match kept.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => kept.push(range),
    };
    keep(0..SIGNATURE.len());
    let mut has_cut_card = false;
    let end = walk(picture, |chunk| {
        if card_kind(&chunk).is_some() {
            has_cut_card |= chunk.crc.is_none();
        } else if chunk.crc.is_some() && (texts.keeps_assets || asset(&chunk).is_none()) {
            keep(chunk.range);
        }
    });
    // What ends the file stays behind our texts, though it be half a chunk.
    let (tail, is_whole) = match end {
        End::Mark(at) => (at, true),
        End::Missing(at) => (at, false),
        End::InChunk(_) if has_cut_card => (picture.len(), false),
        End::InChunk(at) => (at, true),
    };
    let tail = picture.get(tail..).unwrap_or_default();
    let encoded = |bytes: usize| bytes.saturating_mul(4) / 3 + 256;
    let mut out = Vec::with_capacity(
        kept.iter().map(ExactSizeIterator::len).sum::<usize>()
            + texts.cards.iter().map(|(_, json)| encoded(json.len())).sum::<usize>()
            + texts
                .assets
                .iter()
                .map(|(path, asset)| encoded(path.len() + asset.len()))
                .sum::<usize>()
            + tail.len()
            + 12,
    );
    for range in kept {
        out.extend_from_slice(picture.get(range).unwrap_or_default());
    }
    for (path, asset) in texts.assets {
        put_text(&mut out, &format!("chara-ext-asset_:{path}"), asset);
    }
    for (keyword, json) in texts.cards {
        put_text(&mut out, keyword, json);
    }
    out.extend_from_slice(tail);
    if !is_whole {
        out.extend_from_slice(&[0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82]);
    }
    out
}

fn put_text(out: &mut Vec<u8>, keyword: &str, text: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(b"tEXt");
    out.extend_from_slice(keyword.as_bytes());
    out.push(0);
    let body = out.len();
    out.resize(body + base64::encoded_len(text.len(), true).unwrap_or_default(), 0);
    if let Some(room) = out.get_mut(body..) {
        let written = STANDARD.encode_slice(text, room);
        debug_assert!(written.is_ok(), "the room was measured");
    }
    let length = u32::try_from(out.len() - start - 8).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    let crc = crc32fast::hash(out.get(start + 4..).unwrap_or_default());
    out.extend_from_slice(&crc.to_be_bytes());
}

/// The picture alone: without cards and assets.
pub(super) fn without_texts(picture: &[u8]) -> Vec<u8> {
    put(
        picture,
        &Texts {
            cards: &[],
            assets: &[],
            keeps_assets: false,
        },
    )
}

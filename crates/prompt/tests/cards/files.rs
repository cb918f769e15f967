//! Builds the files that carry cards, sound or damaged as a test wants them.

use std::io::{Cursor, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

pub const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
pub const JPEG: &[u8] = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00pixels\xff\xd9";

pub fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let length = u32::try_from(data.len()).expect("a small chunk");
    [&length.to_be_bytes(), &body[..], &crc32fast::hash(&body).to_be_bytes()].concat()
}

pub fn text(keyword: &str, text: &[u8]) -> Vec<u8> {
    chunk(b"tEXt", &[keyword.as_bytes(), b"\0", text].concat())
}

pub fn compressed_text(keyword: &str, text: &[u8]) -> Vec<u8> {
    chunk(b"zTXt", &[keyword.as_bytes(), b"\0\0", &deflate(text)].concat())
}

pub fn international_text(keyword: &str, text: &[u8], is_compressed: bool) -> Vec<u8> {
    let text = if is_compressed { deflate(text) } else { text.to_vec() };
    let head = [keyword.as_bytes(), &[0, u8::from(is_compressed), 0], b"en\0title\0"].concat();
    chunk(b"iTXt", &[head, text].concat())
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

pub fn base64(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes()
}

/// A PNG with chunks before and after its pixels. Its checksums of pixels are wrong, and nobody minds.
pub fn png(before: &[Vec<u8>], after: &[Vec<u8>]) -> Vec<u8> {
    [
        SIGNATURE.to_vec(),
        chunk(b"IHDR", &[0; 13]),
        before.concat(),
        pixels(),
        chunk(b"IDAT", b"more pixels"),
        after.concat(),
        chunk(b"IEND", b""),
    ]
    .concat()
}

fn pixels() -> Vec<u8> {
    let mut pixels = chunk(b"IDAT", b"some pixels");
    if let Some(last) = pixels.last_mut() {
        *last ^= 0xff;
    }
    pixels
}

/// The chunks of a PNG, whole, but for those that carry a card.
pub fn other_chunks(png: &[u8]) -> Vec<&[u8]> {
    let mut rest = png.strip_prefix(SIGNATURE).expect("a PNG");
    let mut chunks = Vec::new();
    while rest.len() >= 12 {
        let length: usize = u32::from_be_bytes(rest[..4].try_into().expect("four bytes"))
            .try_into()
            .expect("a small chunk");
        let (whole, after) = rest.split_at((length + 12).min(rest.len()));
        let keyword = whole[8..].split(|byte| *byte == 0).next().unwrap_or_default();
        let is_text = matches!(&whole[4..8], b"tEXt" | b"zTXt" | b"iTXt");
        let is_card = keyword.eq_ignore_ascii_case(b"chara") || keyword.eq_ignore_ascii_case(b"ccv3");
        if !(is_text && is_card) {
            chunks.push(whole);
        }
        rest = after;
    }
    chunks
}

/// The decoded cards of a PNG's plain text chunks, by their keyword.
pub fn cards(png: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut rest = png.strip_prefix(SIGNATURE).expect("a PNG");
    let mut cards = Vec::new();
    while rest.len() >= 12 {
        let length: usize = u32::from_be_bytes(rest[..4].try_into().expect("four bytes"))
            .try_into()
            .expect("a small chunk");
        let data = &rest[8..8 + length];
        if &rest[4..8] == b"tEXt"
            && let Some(nul) = data.iter().position(|byte| *byte == 0)
            && matches!(&data[..nul], b"chara" | b"ccv3")
        {
            let crc = crc32fast::hash(&rest[4..8 + length]).to_be_bytes();
            assert_eq!(crc, rest[8 + length..12 + length], "the checksum of a new chunk");
            let text = STANDARD.decode(&data[nul + 1..]).expect("strict base64");
            cards.push((String::from_utf8_lossy(&data[..nul]).into_owned(), text));
        }
        rest = &rest[12 + length..];
    }
    cards
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend_from_slice(*kind);
        body.extend_from_slice(&u32::try_from(data.len()).expect("a small chunk").to_le_bytes());
        body.extend_from_slice(data);
        body.extend_from_slice(&[0][..data.len() % 2]);
    }
    let length = u32::try_from(body.len()).expect("a small file");
    [b"RIFF", &length.to_le_bytes()[..], &body].concat()
}

pub fn webp(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    riff(&[(b"VP8X", &[0; 10]), (b"VP8 ", b"odd"), (kind, data)])
}

/// An EXIF block with a user comment, in either byte order.
pub fn exif(code: &[u8; 8], comment: &[u8], is_big_endian: bool) -> Vec<u8> {
    let u16 = |number: u16| {
        if is_big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    };
    let u32 = |number: usize| {
        let number = u32::try_from(number).expect("a small number");
        if is_big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    };
    let entry = |tag: u16, kind: u16, count: usize, value: usize| {
        [&u16(tag)[..], &u16(kind), &u32(count), &u32(value)].concat()
    };
    [
        if is_big_endian { &b"MM"[..] } else { b"II" },
        &u16(42),
        &u32(8),
        &u16(1),
        &entry(0x8769, 4, 1, 26),
        &u32(0),
        &u16(1),
        &entry(0x9286, 7, comment.len() + 8, 44),
        &u32(0),
        code,
        comment,
    ]
    .concat()
}

pub fn zip(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        writer.start_file(*name, options).expect("a good name");
        writer.write_all(bytes).expect("memory takes everything");
    }
    writer.finish().expect("memory takes everything").into_inner()
}

/// The entries of an archive by name, unpacked, in order.
pub fn unzip(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("an archive");
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a whole entry");
            (entry.name().expect("a name").into_owned(), bytes)
        })
        .collect()
}

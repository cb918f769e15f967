//! Avatars: the picture of a card, decoded once within bounds and served in a few sizes.
//!
//! What is served is always re-encoded from pixels: a card's file carries its whole text, and files
//! of strangers have been more than one thing before. The file itself is kept as it came, and beside
//! it the face it carries inside, if it is no picture itself.

mod sweep;

#[cfg(test)]
pub(crate) use sweep::GRACE as SWEEP_GRACE;

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageFormat, ImageReader};
use sha2::{Digest as _, Sha256};
use tavern_domain::{CharacterId, Error, Limits, Result};
use tavern_storage::Objects;
use tokio::sync::Semaphore;

/// The longest sides that are served, in pixels. A wish is rounded up to the next.
pub const SIZES: [u32; 5] = [64, 128, 256, 512, 1024];
/// Where all objects of characters lie, each character's in a folder named by its id.
const FOLDER: &str = "characters";
/// Pictures being decoded at once: each may take hundreds of megabytes.
const DECODERS: usize = 2;
/// Four bytes a pixel, and room for the decoder's own.
const BYTES_PER_PIXEL: u64 = 8;

/// A picture ready to be served.
#[derive(Debug, Clone)]
pub struct Picture {
    pub bytes: Bytes,
    pub content_type: &'static str,
}

/// Keeps and serves pictures of characters.
#[derive(Clone)]
pub struct Avatars {
    objects: Objects,
    decoders: Arc<Semaphore>,
    max_pixels: u64,
    swept: Arc<sweep::Progress>,
}

impl Avatars {
    pub(crate) fn new(objects: Objects, limits: &Limits) -> Self {
        Self {
            objects,
            decoders: Arc::new(Semaphore::new(DECODERS)),
            max_pixels: limits.avatar_pixels,
            swept: Arc::default(),
        }
    }

    /// Where the file of a character lies.
    pub(crate) fn source_key(character: CharacterId) -> String {
        format!("{FOLDER}/{}/original", key_part(character))
    }

    /// Where the face of a character lies whose file is no picture.
    fn face_key(character: CharacterId) -> String {
        format!("{FOLDER}/{}/face", key_part(character))
    }

    fn size_key(character: CharacterId, hash: &str, size: u32) -> String {
        format!("{FOLDER}/{}/{}-{size}", key_part(character), &hash[..16])
    }

    /// Checks that `bytes` is a picture that can be decoded within the limits.
    ///
    /// # Errors
    /// BAD_USER_INPUT on `source.file`, naming the limit or what is wrong with the file.
    pub async fn check(&self, bytes: Bytes) -> Result<()> {
        self.decode(bytes).await.map(drop)
    }

    /// Keeps the file a character came in, and its face; returns the SHA-256 that names the face.
    pub(crate) async fn keep(
        &self,
        character: CharacterId,
        file: Bytes,
        face: Option<Bytes>,
    ) -> Result<Option<String>> {
        let hash = face.as_ref().map(|face| hex(&Sha256::digest(face)));
        if let Some(face) = face.filter(|face| *face != file) {
            self.objects.put(&Self::face_key(character), face).await?;
        }
        self.objects.put(&Self::source_key(character), file).await?;
        Ok(hash)
    }

    /// The file a character came in; `None` if it was made here.
    pub(crate) async fn original(&self, character: CharacterId) -> Result<Option<Bytes>> {
        self.objects.get(&Self::source_key(character)).await
    }

    /// The face of a character, where it is not the file itself.
    pub(crate) async fn separate_face(&self, character: CharacterId) -> Result<Option<Bytes>> {
        self.objects.get(&Self::face_key(character)).await
    }

    /// The same pixels as a PNG.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) async fn as_png(&self, bytes: Bytes) -> Result<Bytes> {
        let decoded = self.decode(bytes).await?;
        tokio::task::spawn_blocking(move || encode_png(&decoded))
            .await
            .map_err(Error::internal)?
    }

    /// The face of whoever has none: a plain PNG of the size that cards usually have.
    pub(crate) fn plain_face() -> Result<Bytes> {
        const SLATE: image::Luma<u8> = image::Luma([96]);
        encode_png(&image::GrayImage::from_pixel(400, 600, SLATE).into())
    }

    pub(crate) async fn delete(&self, character: CharacterId, hash: Option<&str>) -> Result<()> {
        self.objects.delete(&Self::source_key(character)).await?;
        self.objects.delete(&Self::face_key(character)).await?;
        for size in SIZES {
            if let Some(hash) = hash {
                self.objects.delete(&Self::size_key(character, hash, size)).await?;
            }
        }
        Ok(())
    }

    /// The picture named `hash` of a character, its longest side at most `size` pixels (one of [`SIZES`]).
    /// `None` if there is no such picture.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn get(&self, character: CharacterId, hash: &str, size: u32) -> Result<Option<Picture>> {
        if hash.len() < 16 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) || !SIZES.contains(&size) {
            return Ok(None);
        }
        let key = Self::size_key(character, hash, size);
        if let Some(bytes) = self.objects.get(&key).await? {
            return Ok(Some(picture(bytes)));
        }
        let face = match self.separate_face(character).await? {
            Some(face) => Some(face),
            None => self.original(character).await?,
        };
        let Some(source) = face else { return Ok(None) };
        // The name must be that of this file: otherwise any name would make a new object.
        if !hex(&Sha256::digest(&source)).starts_with(&hash[..16]) {
            return Ok(None);
        }
        let decoded = self.decode(source).await?;
        let bytes = tokio::task::spawn_blocking(move || scale(&decoded, size))
            .await
            .map_err(Error::internal)??;
        self.objects.put(&key, bytes.clone()).await?;
        Ok(Some(picture(bytes)))
    }

    async fn decode(&self, bytes: Bytes) -> Result<DynamicImage> {
        let _permit = self.decoders.acquire().await.map_err(Error::internal)?;
        let max_pixels = self.max_pixels;
        tokio::task::spawn_blocking(move || decode(&bytes, max_pixels))
            .await
            .map_err(Error::internal)?
    }
}

fn decode(bytes: &[u8], max_pixels: u64) -> Result<DynamicImage> {
    let refuse = |why: String| Error::bad_input("source.file", why);
    let reader = || {
        ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(Error::internal)
    };
    let (width, height) = reader()?
        .into_dimensions()
        .map_err(|error| refuse(format!("The picture cannot be read: {error}.")))?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > max_pixels {
        return Err(refuse(format!(
            "The picture has {width}×{height} pixels; at most {max_pixels} are read."
        )));
    }
    let mut reader = reader()?;
    let mut bounds = image::Limits::default();
    bounds.max_alloc = Some(max_pixels * BYTES_PER_PIXEL);
    reader.limits(bounds);
    reader
        .decode()
        .map_err(|error| refuse(format!("The picture cannot be read: {error}.")))
}

/// JPEG for opaque pictures, PNG where transparency matters.
fn scale(picture: &DynamicImage, size: u32) -> Result<Bytes> {
    let scaled = if picture.width().max(picture.height()) > size {
        picture.resize(size, size, image::imageops::FilterType::CatmullRom)
    } else {
        picture.clone()
    };
    let mut bytes = Vec::new();
    let opaque = !scaled.color().has_alpha() || scaled.to_rgba8().pixels().all(|pixel| pixel.0[3] == u8::MAX);
    if opaque {
        scaled
            .to_rgb8()
            .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85))
            .map_err(Error::internal)?;
    } else {
        scaled
            .to_rgba8()
            .write_with_encoder(PngEncoder::new_with_quality(
                &mut bytes,
                CompressionType::Default,
                FilterType::Adaptive,
            ))
            .map_err(Error::internal)?;
    }
    Ok(bytes.into())
}

fn encode_png(picture: &DynamicImage) -> Result<Bytes> {
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(PngEncoder::new(&mut bytes))
        .map_err(Error::internal)?;
    Ok(bytes.into())
}

fn picture(bytes: Bytes) -> Picture {
    let content_type = match image::guess_format(&bytes) {
        Ok(ImageFormat::Png) => "image/png",
        _ => "image/jpeg",
    };
    Picture { bytes, content_type }
}

/// An id as part of an object's key: lower case.
fn key_part(character: CharacterId) -> String {
    character.to_string().to_ascii_lowercase()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn png(width: u32, height: u32, alpha: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        image::RgbaImage::from_pixel(width, height, image::Rgba([200, 80, 40, alpha]))
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .unwrap();
        bytes
    }

    #[test]
    fn the_longest_side_is_scaled_down_and_never_up() {
        let large =
            image::load_from_memory(&scale(&decode(&png(400, 200, 255), 1_000_000).unwrap(), 64).unwrap()).unwrap();
        assert_eq!((large.width(), large.height()), (64, 32));
        let small =
            image::load_from_memory(&scale(&decode(&png(10, 20, 255), 1_000_000).unwrap(), 64).unwrap()).unwrap();
        assert_eq!((small.width(), small.height()), (10, 20));
    }

    #[test]
    fn transparency_is_kept_and_opaque_pictures_are_jpeg() {
        let through = scale(&decode(&png(8, 8, 10), 1_000).unwrap(), 64).unwrap();
        assert_eq!(picture(through).content_type, "image/png");
        let opaque = scale(&decode(&png(8, 8, 255), 1_000).unwrap(), 64).unwrap();
        assert_eq!(picture(opaque).content_type, "image/jpeg");
    }

    #[test]
    fn pixels_are_limited_before_they_are_decoded() {
        assert!(decode(&png(100, 100, 255), 10_000).is_ok());
        let refused = decode(&png(101, 100, 255), 10_000).unwrap_err();
        assert!(refused.message().contains("10000"), "{refused}");
        assert!(decode(b"not a picture at all", 10_000).is_err());
    }
}

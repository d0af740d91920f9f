//! Small pictures of attachments: 180 by 120, on white, as JPEG.
//!
//! A picture comes from a stranger: how large it may be and what it may take is bounded before it
//! is unpacked. What is no picture gets a blank one, as clients of this API expect.

use std::io::Cursor;

use axum::{
    extract::{Path, Query as Params, State},
    http::HeaderMap,
    response::Response,
};
use image::{
    DynamicImage, ImageReader, Limits, Rgba, RgbaImage,
    codecs::jpeg::JpegEncoder,
    imageops::{FilterType, overlay},
};
use mailwright_mime::Structure;

use super::{Answer, Asked, one::opened};
use crate::sandbox::{ApiError, PICTURE, Sandbox, part};

/// Its size.
const WIDTH: u32 = 180;
const HEIGHT: u32 = 120;
/// How well it is kept.
const QUALITY: u8 = 70;
/// Pixels in a row or column of a picture that is unpacked.
const SIDE_MAX: u32 = 12_000;
/// Octets that unpacking may take.
const MEMORY_MAX: u64 = 128 << 20;

pub(super) async fn thumb(
    State(sandbox): State<Sandbox>,
    Path((id, place)): Path<(String, String)>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Answer<Response> {
    let (_, bytes) = opened(&sandbox, &asked, &headers, &id).await?;
    let octets = {
        let structure = Structure::parse(&bytes);
        let (_, part) = part::find(&structure, &place).ok_or(ApiError::NoPart)?;
        part.decoded().into_owned()
    };
    Ok(sandbox.small(octets).await?)
}

impl Sandbox {
    /// A small picture of a picture.
    ///
    /// Errors: the server is too busy.
    pub(in crate::sandbox) async fn small(&self, octets: Vec<u8>) -> Result<Response, ApiError> {
        let made = self.apart_taking(PICTURE, move || small(&octets)).await?;
        Ok(part::octets(made, "image/jpeg", None))
    }
}

fn small(octets: &[u8]) -> Vec<u8> {
    let mut ground = RgbaImage::from_pixel(WIDTH, HEIGHT, Rgba([255; 4]));
    if let Some(picture) = unpacked(octets) {
        let is_small = picture.width() < WIDTH || picture.height() < HEIGHT;
        let fitted = if picture.width() <= WIDTH && picture.height() <= HEIGHT {
            picture
        } else if is_small {
            picture.resize(WIDTH, HEIGHT, FilterType::Triangle)
        } else {
            picture.resize_to_fill(WIDTH, HEIGHT, FilterType::Triangle)
        };
        let middle = |whole: u32, part: u32| i64::from(whole.saturating_sub(part) / 2);
        let place = (middle(WIDTH, fitted.width()), middle(HEIGHT, fitted.height()));
        overlay(&mut ground, &fitted.to_rgba8(), place.0, place.1);
    }
    let picture = DynamicImage::ImageRgba8(ground).to_rgb8();
    let mut out = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut out, QUALITY).encode_image(&picture);
    if encoded.is_err() {
        out.clear();
    }
    out
}

/// The picture that octets are, if they are one, within bounds.
fn unpacked(octets: &[u8]) -> Option<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(octets)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(MEMORY_MAX);
    reader.limits(limits);
    reader.decode().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let picture = RgbaImage::from_pixel(width, height, Rgba([200, 0, 0, 255]));
        picture.write_to(&mut out, image::ImageFormat::Png).unwrap();
        out.into_inner()
    }

    #[test]
    fn pictures_of_any_size_become_small_ones() {
        for (width, height) in [(30, 20), (180, 120), (500, 20), (20, 500), (400, 300)] {
            let made = unpacked(&small(&png(width, height))).unwrap().to_rgb8();
            assert_eq!((made.width(), made.height()), (WIDTH, HEIGHT));
            let middle = made.get_pixel(WIDTH / 2, HEIGHT / 2);
            assert!(middle[0] > 150 && middle[1] < 90, "{width}x{height}: {middle:?}");
        }
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_blank() {
        let mut bomb = png(1, 1);
        // The width in the first chunk, and so no valid checksum: it is not unpacked either way.
        bomb[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        for octets in [&b""[..], b"<svg/>", b"\x89PNG\r\n\x1a\n", &bomb] {
            let made = unpacked(&small(octets)).unwrap().to_rgb8();
            assert!(made.pixels().all(|pixel| pixel.0.iter().all(|one| *one > 250)));
        }
    }
}

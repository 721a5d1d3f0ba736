//! An upload: the whole image as its header says, or nothing and the field that is at fault.

use ami_proto::v1::upload_image_request::Part;
use ami_proto::v1::{ImageHeader, UploadImageRequest};
use sha2::{Digest as _, Sha256};
use tonic::{Status, Streaming};
use tracing::info;

use super::super::orders::Asker;
use super::super::status::Refusal;
use super::super::{Limits, Models};
use crate::store::Store;
use crate::store::firmware::{Image, Kept, NewImage};

/// The longest name, identifier and version.
const MAX_TEXT: usize = 64;
/// The longest signature.
const MAX_SIGNATURE: usize = 1024;
/// Octets of a SHA-256.
const HASH: usize = 32;

/// The header, which comes first. What it says is not checked yet.
pub(super) async fn header(parts: &mut Streaming<UploadImageRequest>) -> Result<ImageHeader, Status> {
    match parts.message().await?.and_then(|message| message.part) {
        Some(Part::Header(header)) => Ok(header),
        _ => Err(Refusal::field("header", "the first message has to bring the header").into()),
    }
}

/// Why octets were not taken in.
pub(super) enum Failed {
    /// The stream broke.
    Broken(Status),
    /// They are refused.
    Refused(Refusal),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Checks the header, takes the octets in and holds both against each other. Nothing is read beyond what the header announces.
pub(super) async fn octets(
    parts: &mut Streaming<UploadImageRequest>,
    header: &ImageHeader,
    models: &Models,
    limits: &Limits,
) -> Result<Vec<u8>, Failed> {
    check(header, models, limits)?;
    let size = header.size as usize;
    let mut octets = Vec::new();
    while let Some(message) = parts.message().await.map_err(Failed::Broken)? {
        let Some(Part::Chunk(chunk)) = message.part else {
            return Err(Refusal::field("chunk", "octets are expected behind the header").into());
        };
        if octets.len() + chunk.len() > size {
            return Err(Refusal::field("header.size", format!("more than these {size} octets came")).into());
        }
        octets.extend_from_slice(&chunk);
    }
    whole(header, &octets)?;
    Ok(octets)
}

/// Keeps an image that was checked; whether it is new.
pub(super) async fn keep(
    store: &Store,
    asker: &Asker,
    header: &ImageHeader,
    octets: &[u8],
    limits: &Limits,
) -> Result<(Image, bool), Refusal> {
    let image = NewImage {
        sha256: header.sha256.as_slice().try_into().map_err(|_| Refusal::Internal)?,
        name: header.name.clone(),
        model: header.model.clone(),
        identifier: header.identifier.clone(),
        version: header.version.clone(),
        signature: header.signature.clone(),
        uploaded_by: asker.principal.name.clone(),
    };
    let detail = format!("Version {} for {}, {} octets.", image.version, image.model, octets.len());
    let entry = asker.entry(image.name.clone(), "accepted", Some(detail));
    match store.keep_image(&image, octets, limits.images, &entry).await? {
        Kept::New(kept) => {
            info!(name = kept.name, model = kept.model, size = kept.size, "firmware image kept");
            Ok((kept, true))
        }
        Kept::Known(known) => Ok((known, false)),
        Kept::NameTaken => Err(Refusal::ImageExists { name: image.name }),
        Kept::Full => Err(Refusal::TooManyImages { limit: limits.images }),
    }
}

/// A name of an image.
pub(super) fn name(field: &'static str, text: &str) -> Result<(), Refusal> {
    if (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Refusal::field(field, format!("1 to {MAX_TEXT} visible ASCII characters are expected")))
}

/// What can be told from the header alone.
fn check(header: &ImageHeader, models: &Models, limits: &Limits) -> Result<(), Refusal> {
    name("header.name", &header.name)?;
    let rule = |holds: bool, field: &str, problem: String| {
        if holds { Ok(()) } else { Err(Refusal::field(format!("header.{field}"), problem)) }
    };
    let texts = 1..=MAX_TEXT;
    let expected = format!("1 to {MAX_TEXT} octets are expected");
    rule(texts.contains(&header.identifier.len()), "identifier", expected)?;
    let is_text = !header.version.chars().any(char::is_control) && header.version.trim() == header.version;
    let expected = format!("1 to {MAX_TEXT} octets of text without blanks around it are expected");
    rule(texts.contains(&header.version.len()) && is_text, "version", expected)?;
    rule(header.sha256.len() == HASH, "sha256", format!("{HASH} octets are expected"))?;
    let expected = format!("at most {MAX_SIGNATURE} octets are expected");
    rule(header.signature.len() <= MAX_SIGNATURE, "signature", expected)?;
    let most = limits.image_octets;
    rule((1..=most).contains(&header.size), "size", format!("1 to {most} octets are expected"))?;
    match models.get(&header.model) {
        None => {
            let known: Vec<_> = models.keys().map(String::as_str).collect();
            rule(false, "model", format!("known models are {}", known.join(", ")))
        }
        Some(model) => {
            let problem = format!("meters of model {} take no firmware from afar", model.name);
            rule(model.takes_firmware(), "model", problem)
        }
    }
}

/// Whether the octets are the announced ones.
fn whole(header: &ImageHeader, octets: &[u8]) -> Result<(), Refusal> {
    if octets.len() != header.size as usize {
        let problem = format!("{} octets were announced and {} came", header.size, octets.len());
        return Err(Refusal::field("header.size", problem));
    }
    if Sha256::digest(octets)[..] != header.sha256[..] {
        return Err(Refusal::field("header.sha256", "the octets that came have another SHA-256"));
    }
    Ok(())
}

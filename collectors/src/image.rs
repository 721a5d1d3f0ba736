//! Firmware images, whose octets stay where they are kept until a block of them is sent.

use std::{fmt, future::Future, ops::Deref, pin::Pin, sync::Arc};

use jiff::Timestamp;

use crate::Terms;

/// Why octets of an image are not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Where it is kept does not answer now.
    #[error("the firmware image can not be read now: {0}")]
    Unavailable(String),
    /// It is not kept any more, or not whole.
    #[error("the firmware image is not there any more: {0}")]
    Gone(String),
}

/// Octets of an image, or why there are none, later.
pub type Octets<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, ImageError>> + Send + 'a>>;

/// Where the octets of one image are kept.
pub trait ImageSource: fmt::Debug + Send + Sync {
    /// Reads exactly `length` octets from `offset` on, all of them within the image. Blocks are asked for in ascending order, but for
    /// those that have to be sent again.
    fn read(&self, offset: u32, length: u32) -> Octets<'_>;
}

/// A handle to the octets of an image. Two are equal when they are handles to the same source.
#[derive(Debug, Clone)]
pub struct ImageOctets(Arc<dyn ImageSource>);

impl ImageOctets {
    /// A handle.
    pub fn new(source: impl ImageSource + 'static) -> Self {
        Self(Arc::new(source))
    }
}

impl Deref for ImageOctets {
    type Target = dyn ImageSource;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for ImageOctets {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A firmware image.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What the meter calls it.
    pub identifier: Vec<u8>,
    /// Octets that it has, at least one.
    pub size: u32,
    /// What the meter has to show as its signature; empty when anything will do.
    pub signature: Vec<u8>,
    /// What the meter shows as its firmware version once the image runs.
    pub version: String,
    /// SHA-256 of the octets.
    pub sha256: Vec<u8>,
    /// The octets.
    pub octets: ImageOctets,
}

/// An order to bring firmware into the meter.
#[derive(Debug, Clone, PartialEq)]
pub struct Install {
    /// The image.
    pub image: Image,
    /// Whether the transfer that was last initiated at the meter is known to be one of this image. Blocks that the meter holds are sent
    /// again where that is not known.
    pub initiated: bool,
    /// When it is to run.
    pub activation: ImageActivation,
    /// When, and what is known.
    pub terms: Terms,
}

/// When an image is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageActivation {
    /// As soon as the meter has verified it.
    Now,
    /// At an instant, by a schedule in the meter.
    At(Timestamp),
}

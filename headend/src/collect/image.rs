//! Firmware images as collectors read them: from the store, one piece after the other.

use collectors::{ImageError, ImageSource, Octets};
use tokio::sync::Mutex;

use crate::store::Store;
use crate::store::firmware::CHUNK;

/// An image in the store. It holds one piece of it in memory.
#[derive(Debug)]
pub(super) struct StoredImage {
    store: Store,
    name: String,
    sha256: Vec<u8>,
    held: Mutex<Piece>,
}

/// A piece of an image.
#[derive(Debug, Default)]
struct Piece {
    number: usize,
    octets: Vec<u8>,
}

impl StoredImage {
    /// The image with this name and hash, whether or not there is one.
    pub(super) fn new(store: Store, name: String, sha256: Vec<u8>) -> Self {
        Self { store, name, sha256, held: Mutex::default() }
    }

    async fn gather(&self, offset: usize, length: usize) -> Result<Vec<u8>, ImageError> {
        let mut held = self.held.lock().await;
        let mut octets = Vec::with_capacity(length);
        while octets.len() < length {
            let at = offset + octets.len();
            let number = at / CHUNK;
            if held.number != number || held.octets.is_empty() {
                *held = Piece { number, octets: self.piece(number).await? };
            }
            let rest = held.octets.get(at % CHUNK..).filter(|rest| !rest.is_empty());
            let rest = rest.ok_or_else(|| ImageError::Gone(format!("{} is cut short", self.name)))?;
            octets.extend_from_slice(&rest[..rest.len().min(length - octets.len())]);
        }
        Ok(octets)
    }

    async fn piece(&self, number: usize) -> Result<Vec<u8>, ImageError> {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let piece = self.store.image_chunk(&self.name, &self.sha256, number).await;
        let piece = piece.map_err(|error| ImageError::Unavailable(error.to_string()))?;
        piece.ok_or_else(|| ImageError::Gone(format!("{} was deleted", self.name)))
    }
}

impl ImageSource for StoredImage {
    fn read(&self, offset: u32, length: u32) -> Octets<'_> {
        Box::pin(self.gather(offset as usize, length as usize))
    }
}

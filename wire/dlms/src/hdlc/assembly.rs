use std::fmt;

use super::control::Function;
use super::frame::Frame;
use crate::{Error, llc};

/// Longest APDU that is put together, with its LLC header: no client can announce that it accepts more.
const LIMIT: usize = u16::MAX as usize + llc::LENGTH;

/// Puts an APDU together out of the segments that frames carry, and takes the LLC header off.
///
/// The frames have to come in turn: I frames by their numbers; UI frames, which have none, as they come. One UI frame with an LLC
/// header begins a new APDU, whatever was lost before. (Some meters send every block of a general block transfer as a UI frame of its own
/// with the header in the first one alone: each is an APDU here.)
#[derive(Default)]
pub struct Assembly {
    octets: Vec<u8>,
    is_whole: bool,
}

impl Assembly {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what a frame carries; whether the APDU is whole with it. If so, the next call begins another.
    ///
    /// # Errors
    /// [`Error::TooLong`] above 65,535 octets; what came so far is dropped.
    pub fn add(&mut self, frame: &Frame<'_>) -> Result<bool, Error> {
        let begins =
            frame.control.function == Function::UnnumberedInformation && llc::length(frame.information) > 0;
        if self.is_whole || begins {
            self.clear();
        }
        if self.octets.len() + frame.information.len() > LIMIT {
            self.clear();
            return Err(Error::TooLong { what: "APDU", limit: LIMIT - llc::LENGTH });
        }
        self.octets.extend_from_slice(frame.information);
        self.is_whole = !frame.segmented;
        Ok(self.is_whole)
    }

    /// The APDU, or what there is of it. It may be changed in place.
    pub fn apdu(&mut self) -> &mut [u8] {
        let start = llc::length(&self.octets);
        &mut self.octets[start..]
    }

    /// Whether segments are missing at the end.
    pub fn is_partial(&self) -> bool {
        !self.is_whole && !self.octets.is_empty()
    }

    /// Drops what there is.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.is_whole = false;
    }
}

/// What is received may be a secret.
impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Assembly({} octets, whole: {})", self.octets.len(), self.is_whole)
    }
}

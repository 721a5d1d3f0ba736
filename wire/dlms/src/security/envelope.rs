use super::cipher::FRONT;
use super::{Cipher, SecurityControl, SystemTitle, TAG_LENGTH, dedicated_tag, global_tag, plain_tag};
use crate::Error;
use crate::axdr::{self, Reader};

/// Tag of `general-glo-ciphering`.
pub(crate) const GENERAL_GLOBAL: u8 = 0xDB;
const GENERAL_DEDICATED: u8 = 0xDC;

/// Which APDU carries the protected one, and with which of the two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    /// The service's own `glo-` APDU: global key. Holds the plain APDU's tag.
    Global(u8),
    /// The service's own `ded-` APDU: dedicated key. Holds the plain APDU's tag.
    Dedicated(u8),
    /// `general-glo-ciphering`: global key, any APDU inside. Holds the sender's title, when it is given.
    GeneralGlobal(Option<SystemTitle>),
    /// `general-ded-ciphering`: dedicated key, any APDU inside. Holds the sender's title, when it is given.
    GeneralDedicated(Option<SystemTitle>),
}

/// What stands in front of a protected APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The APDU around it.
    pub wrapping: Wrapping,
    /// How it is protected.
    pub control: SecurityControl,
    /// The sender's invocation counter.
    pub counter: u32,
}

impl Envelope {
    /// Octets that the general envelope of a named sender adds at most to an APDU of up to 65,535 octets.
    pub const OVERHEAD: usize = 1 + 9 + 3 + FRONT + TAG_LENGTH;

    /// Length of an APDU of `plain` octets in its own `glo-` APDU, protected as `control` says.
    pub const fn sealed_length(plain: usize, control: SecurityControl) -> usize {
        let inside = FRONT + plain + control.tag_length();
        let length = match inside {
            0..0x80 => 1,
            0x80..0x100 => 2,
            _ => 3,
        };
        1 + length + inside
    }

    /// Longest APDU whose own `glo-` APDU, protected as `control` says, has at most `limit` octets.
    pub const fn room(limit: usize, control: SecurityControl) -> usize {
        let bare = limit.saturating_sub(1 + FRONT + control.tag_length());
        // From the shortest form of the length to the longest.
        let mut length = 1;
        while length < 3 && Self::sealed_length(bare.saturating_sub(length), control) > limit {
            length += 1;
        }
        bare.saturating_sub(length)
    }

    /// Whether an APDU that starts with `tag` is one that [`read`](Self::read) takes apart.
    pub fn is_tag(tag: u8) -> bool {
        matches!(tag, GENERAL_GLOBAL | GENERAL_DEDICATED) || plain_tag(tag).is_some()
    }

    /// Takes a ciphered APDU apart into its envelope and the protected octets.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for a tag that is none of a ciphered APDU, [`Error::Truncated`] and
    /// [`Error::Trailing`] when the lengths inside do not fit the octets.
    pub fn read(apdu: &mut [u8]) -> Result<(Self, &mut [u8]), Error> {
        let mut reader = Reader::new(apdu);
        let tag = reader.u8()?;
        let wrapping = match tag {
            GENERAL_GLOBAL => Wrapping::GeneralGlobal(read_title(&mut reader)?),
            GENERAL_DEDICATED => Wrapping::GeneralDedicated(read_title(&mut reader)?),
            _ => {
                let plain = plain_tag(tag).ok_or(Error::Unexpected { tag })?;
                if global_tag(plain) == Some(tag) {
                    Wrapping::Global(plain)
                } else {
                    Wrapping::Dedicated(plain)
                }
            }
        };
        let length = reader.length()?;
        if length > reader.remaining() {
            return Err(Error::Truncated);
        }
        if length < reader.remaining() {
            return Err(Error::Trailing { left: reader.remaining() - length });
        }
        let control = SecurityControl::new(reader.u8()?);
        let counter = reader.u32()?;
        let body = apdu.len() - reader.remaining();
        Ok((Self { wrapping, control, counter }, &mut apdu[body..]))
    }

    /// Unprotects the octets that [`read`](Self::read) returned, sent by `sender`, in place.
    ///
    /// # Errors
    /// Those of [`Cipher::open`]; [`Error::WrongTitle`] when the envelope names another sender;
    /// [`Error::Unexpected`] when another APDU is inside than the tag outside says.
    pub fn open<'a>(
        &self,
        cipher: &Cipher,
        sender: &SystemTitle,
        body: &'a mut [u8],
    ) -> Result<&'a mut [u8], Error> {
        if let Wrapping::GeneralGlobal(Some(title)) | Wrapping::GeneralDedicated(Some(title)) = self.wrapping
            && title != *sender
        {
            return Err(Error::WrongTitle { expected: *sender, got: title });
        }
        let plain = cipher.open(sender, self.control, self.counter, body)?;
        let tag = *plain.first().ok_or(Error::Truncated)?;
        match self.wrapping {
            Wrapping::Global(outside) | Wrapping::Dedicated(outside) if outside != tag => {
                Err(Error::Unexpected { tag })
            }
            _ => Ok(plain),
        }
    }

    /// Appends `plain`, protected and wrapped, to `out`, which on an error is as it was.
    ///
    /// # Errors
    /// Those of [`Cipher::seal`]; [`Error::Unexpected`] when the wrapping has no tag for this APDU.
    pub fn seal(
        &self,
        cipher: &Cipher,
        sender: &SystemTitle,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        let sealed = self.append(cipher, sender, plain, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    fn append(
        &self,
        cipher: &Cipher,
        sender: &SystemTitle,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        match self.wrapping {
            Wrapping::Global(tag) => out.push(global_tag(tag).ok_or(Error::Unexpected { tag })?),
            Wrapping::Dedicated(tag) => out.push(dedicated_tag(tag).ok_or(Error::Unexpected { tag })?),
            Wrapping::GeneralGlobal(title) => write_title(GENERAL_GLOBAL, title, out),
            Wrapping::GeneralDedicated(title) => write_title(GENERAL_DEDICATED, title, out),
        }
        cipher.append(0..0, sender, (self.control, self.counter), plain, out)
    }
}

fn read_title(reader: &mut Reader<'_>) -> Result<Option<SystemTitle>, Error> {
    let length = reader.length()?;
    let octets = reader.take(length)?;
    if octets.is_empty() { Ok(None) } else { SystemTitle::try_from(octets).map(Some) }
}

fn write_title(tag: u8, title: Option<SystemTitle>, out: &mut Vec<u8>) {
    out.push(tag);
    let octets = title.as_ref().map_or(&[][..], |title| title.octets());
    axdr::write_length(octets.len(), out);
    out.extend_from_slice(octets);
}

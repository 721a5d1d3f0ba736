//! `general-ciphering` (Green Book, 9.2.7.2.3 and 9.5): an APDU that is protected between any two parties, with a key that its
//! envelope names, brings along, or agrees on.

use super::cipher::FRONT;
use super::{
    Cipher, GeneralHeader, Key, Parties, PrivateKey, PublicKey, Purpose, Scheme, SecurityControl, SystemTitle,
};
use crate::Error;
use crate::axdr::{Reader, write_octets};

/// Tag of `general-ciphering`.
pub const GENERAL_CIPHERING: u8 = 0xDD;

/// What is in front of a protected APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneralCiphering<'a> {
    /// Who writes to whom. It is authenticated with the APDU.
    pub header: GeneralHeader<'a>,
    /// Which key; `None` where the parties know it.
    pub key: Option<KeyInfo<'a>>,
    /// How it is protected.
    pub control: SecurityControl,
    /// The originator's invocation counter.
    pub counter: u32,
}

/// The key of a protected APDU (Green Book, table 21). It is not authenticated by itself: another key opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyInfo<'a> {
    /// A key that both have: 0 is the global unicast encryption key, 1 the global broadcast encryption key.
    Identified(u8),
    /// A key that comes along.
    Wrapped {
        /// What it is wrapped under: 0 is the master key.
        kek: u8,
        /// The key, see [`Key::unwrap`].
        key: &'a [u8],
    },
    /// A key that both compute.
    Agreed {
        /// How.
        parameters: &'a [u8],
        /// What the recipient needs for it.
        data: &'a [u8],
    },
}

/// The protected octets, as [`GeneralCiphering::read`] finds them.
#[derive(Debug)]
pub struct Content<'a> {
    /// The header, as it came.
    header: &'a [u8],
    body: &'a mut [u8],
}

impl<'a> GeneralCiphering<'a> {
    /// Takes the APDU apart.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`], [`Error::TooLong`], [`Error::Trailing`]; [`Error::Value`] for another choice of key
    /// than the standard has.
    pub fn read(apdu: &'a mut [u8]) -> Result<(Self, Content<'a>), Error> {
        let mut reader = Reader::new(apdu);
        let (_, _, length) = read_front(&mut reader)?;
        let body = reader.remaining();
        match length.checked_sub(FRONT) {
            Some(length) if length == body => {}
            Some(length) if length < body => return Err(Error::Trailing { left: body - length }),
            _ => return Err(Error::Truncated),
        }
        let (front, body) = apdu.split_at_mut(apdu.len() - body);
        let (read, header, _) = read_front(&mut Reader::new(front))?;
        Ok((read, Content { header, body }))
    }

    /// Unprotects in place what [`read`](Self::read) found, sent by `sender`.
    ///
    /// # Errors
    /// Those of [`Cipher::open`]; [`Error::WrongTitle`] when the header names another originator, [`Error::Length`] when it names none
    /// that is a system title.
    pub fn open<'b>(
        &self,
        cipher: &Cipher,
        sender: &SystemTitle,
        content: Content<'b>,
    ) -> Result<&'b mut [u8], Error> {
        if !self.header.originator.is_empty() {
            let got = SystemTitle::try_from(self.header.originator)?;
            if got != *sender {
                return Err(Error::WrongTitle { expected: *sender, got });
            }
        }
        cipher.open_behind(content.header, sender, self.control, self.counter, content.body)
    }

    /// Appends `plain`, protected and wrapped, to `out`, which on an error is as it was.
    ///
    /// # Errors
    /// Those of [`Cipher::seal`].
    pub fn seal(
        &self,
        cipher: &Cipher,
        sender: &SystemTitle,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        out.push(GENERAL_CIPHERING);
        self.header.encode(out);
        let header = start + 1..out.len();
        KeyInfo::encode(self.key.as_ref(), out);
        let sealed = cipher.append(header, sender, (self.control, self.counter), plain, out);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// The key that an originator who signs with `signer` agrees on with us, whose static key is `own` ([`Scheme::OnePass`]). Without
    /// a signer the ephemeral key has to come without a signature, and proves nothing about who sent it.
    ///
    /// # Errors
    /// [`Error::Value`] when the key is no such one; [`Error::Length`] when the header does not name both parties, or the ephemeral key
    /// has another form; those of [`PublicKey::introduced`] and [`PrivateKey::share`].
    pub fn one_pass_key(&self, own: &PrivateKey, signer: Option<&PublicKey>) -> Result<Key, Error> {
        let data = self.agreed(Scheme::OnePass)?;
        let ephemeral = match signer {
            Some(signer) => signer.introduced(data, &[])?,
            None => PublicKey::try_from(data)?,
        };
        own.share(&ephemeral)?.derive(Purpose::Ciphering, &self.parties()?, &[])
    }

    /// The key that the originator, whose static key is `originator`, agrees on with us, whose static key is `own`
    /// ([`Scheme::Static`]).
    ///
    /// # Errors
    /// [`Error::Value`] when the key is no such one; [`Error::Length`] when the header does not name both parties;
    /// those of [`PrivateKey::share`].
    pub fn static_key(&self, own: &PrivateKey, originator: &PublicKey) -> Result<Key, Error> {
        self.agreed(Scheme::Static)?;
        own.share(originator)?.derive(Purpose::Ciphering, &self.parties()?, self.header.transaction_id)
    }

    fn agreed(&self, scheme: Scheme) -> Result<&'a [u8], Error> {
        match self.key {
            Some(KeyInfo::Agreed { parameters, data }) if parameters == [scheme.number()] => Ok(data),
            Some(KeyInfo::Agreed { parameters, .. }) => {
                let got = parameters.first().copied().map_or(0, u32::from);
                Err(Error::Value { what: "key agreement scheme", got })
            }
            Some(KeyInfo::Identified(_)) => Err(Error::Value { what: "kind of key", got: 0 }),
            Some(KeyInfo::Wrapped { .. }) => Err(Error::Value { what: "kind of key", got: 1 }),
            None => Err(Error::Misuse("the APDU names no key")),
        }
    }

    fn parties(&self) -> Result<Parties, Error> {
        Ok(Parties {
            originator: self.header.originator.try_into()?,
            recipient: self.header.recipient.try_into()?,
        })
    }
}

impl<'a> KeyInfo<'a> {
    fn encode(key: Option<&Self>, out: &mut Vec<u8>) {
        match key {
            None => out.push(0),
            Some(Self::Identified(id)) => out.extend_from_slice(&[1, 0, *id]),
            Some(Self::Wrapped { kek, key }) => {
                out.extend_from_slice(&[1, 1, *kek]);
                write_octets(key, out);
            }
            Some(Self::Agreed { parameters, data }) => {
                out.extend_from_slice(&[1, 2]);
                write_octets(parameters, out);
                write_octets(data, out);
            }
        }
    }

    fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, Error> {
        if !reader.flag()? {
            return Ok(None);
        }
        Ok(Some(match reader.u8()? {
            0 => Self::Identified(reader.u8()?),
            1 => Self::Wrapped { kek: reader.u8()?, key: reader.octets()? },
            2 => Self::Agreed { parameters: reader.octets()?, data: reader.octets()? },
            got => return Err(Error::Value { what: "kind of key", got: u32::from(got) }),
        }))
    }
}

/// What stands in front of the protected octets, the header as it came, and the length of the content.
fn read_front<'a>(reader: &mut Reader<'a>) -> Result<(GeneralCiphering<'a>, &'a [u8], usize), Error> {
    let tag = reader.u8()?;
    if tag != GENERAL_CIPHERING {
        return Err(Error::Unexpected { tag });
    }
    let inside = reader.rest();
    let header = GeneralHeader::read(reader)?;
    let raw = &inside[..inside.len() - reader.remaining()];
    let key = KeyInfo::read(reader)?;
    let length = reader.length()?;
    let control = SecurityControl::new(reader.u8()?);
    let counter = reader.u32()?;
    Ok((GeneralCiphering { header, key, control, counter }, raw, length))
}

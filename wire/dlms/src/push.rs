//! Pushes: what a meter sends unasked, in the clear or ciphered (Green Book, 9.3.9, 9.3.10 and 9.2.7.2), and the short text of
//! meters that can send no more (`text.rs`).
//!
//! Whoever receives one reads its first octet: [`Push::decode`] takes the plain ones. Of a ciphered one,
//! [`Envelope::read`] tells the sender's title (in `general-glo-ciphering`), which leads to the keys of the meter, and
//! [`open`] unprotects it; [`Envelope::seal`] makes one out of what [`Push::encode`] wrote. A push has no association that remembers counters, so [`Opened::counter`] is for the caller to compare
//! with the highest one that the same meter has used so far: one that is not higher is a repetition.

mod text;

use crate::Error;
use crate::apdu::{DataNotification, EventNotification, tag};
use crate::security::{Cipher, Envelope, SystemTitle};

pub use text::{TextContent, TextPush};

/// A push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push<'a> {
    /// Any data.
    Data(DataNotification<'a>),
    /// One attribute.
    Event(EventNotification<'a>),
    /// A short text, which is no APDU.
    Text(TextPush<'a>),
}

impl<'a> Push<'a> {
    /// Appends the plain APDU, or the text.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Data(notification) => notification.encode(out),
            Self::Event(notification) => notification.encode(out),
            Self::Text(text) => text.encode(out),
        }
    }

    /// Decodes a plain APDU, or the text.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for what is no push; those of [`DataNotification::decode`] and
    /// [`EventNotification::decode`].
    pub fn decode(apdu: &'a [u8]) -> Result<Self, Error> {
        match *apdu.first().ok_or(Error::Truncated)? {
            tag::DATA_NOTIFICATION => DataNotification::decode(apdu).map(Self::Data),
            tag::EVENT_NOTIFICATION => EventNotification::decode(apdu).map(Self::Event),
            tag => TextPush::decode(apdu).map(Self::Text).ok_or(Error::Unexpected { tag }),
        }
    }
}

/// A push that was ciphered. It is authentic; whether it is new is up to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What was inside.
    pub push: Push<'a>,
    /// The invocation counter that the meter used.
    pub counter: u32,
}

/// Unprotects in place a push that `sender` ciphered with the keys of `cipher`: authenticated and encrypted, in
/// `general-glo-ciphering` or, an EventNotification, in `glo-event-notification-request`.
///
/// # Errors
/// [`Error::TagMismatch`] for another key, another sender or damage; [`Error::WrongTitle`] when the APDU names another
/// sender; [`Error::Protection`] when it is not authenticated and encrypted; [`Error::Unexpected`] for a plain APDU, a dedicated
/// key, and when no push is inside; those of [`Envelope::read`] and [`Push::decode`].
pub fn open<'a>(cipher: &Cipher, sender: &SystemTitle, apdu: &'a mut [u8]) -> Result<Opened<'a>, Error> {
    let (envelope, body) = Envelope::read_demanding(apdu)?;
    let push = Push::decode(envelope.open(cipher, sender, body)?)?;
    Ok(Opened { push, counter: envelope.counter })
}

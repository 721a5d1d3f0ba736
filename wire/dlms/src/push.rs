//! Pushes: what a meter sends unasked, in the clear or ciphered (Green Book, 9.3.9, 9.3.10 and 9.2.7.2), and the short text of
//! meters that can send no more (`text.rs`). A long one may come in general block transfer (`pieces.rs`).
//!
//! Whoever receives one reads its first octet: [`Push::decode`] takes the plain ones. Of a ciphered one,
//! [`title`] tells the sender, when it says so in a general envelope, which leads to the keys of the meter, and
//! [`open`] unprotects it; [`Envelope::seal`] makes one out of what [`Push::encode`] wrote. A push has no association that remembers counters, so [`Opened::counter`] is for the caller to hold
//! against those that the same meter has used so far, see [`ReplayWindow`](crate::security::ReplayWindow).

mod pieces;
mod text;

use crate::Error;
use crate::apdu::{DataNotification, EventNotification, tag};
use crate::security::{
    Cipher, Envelope, GENERAL_CIPHERING, GeneralCiphering, KeyInfo, SystemTitle, Wrapping,
};

pub use pieces::Pieces;
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

/// A push that was ciphered. Whether it is new is up to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What was inside.
    pub push: Push<'a>,
    /// The invocation counter that the meter used.
    pub counter: u32,
    /// Whether it is known to come from the sender. What was encrypted and no more may have been altered by anybody on the way, its
    /// counter too.
    pub authenticated: bool,
}

/// Whether an APDU that starts with `tag` is for [`open`].
pub fn is_ciphered(tag: u8) -> bool {
    tag == GENERAL_CIPHERING || Envelope::is_tag(tag)
}

/// The sender of a ciphered push, when it says so.
///
/// # Errors
/// Those of [`Envelope::read`] and [`GeneralCiphering::read`].
pub fn title(apdu: &mut [u8]) -> Result<Option<SystemTitle>, Error> {
    if apdu.first() == Some(&GENERAL_CIPHERING) {
        let (envelope, _) = GeneralCiphering::read(apdu)?;
        let title = envelope.header.originator;
        return if title.is_empty() { Ok(None) } else { SystemTitle::try_from(title).map(Some) };
    }
    match Envelope::read(apdu)?.0.wrapping {
        Wrapping::GeneralGlobal(title) | Wrapping::GeneralDedicated(title) => Ok(title),
        Wrapping::Global(_) | Wrapping::Dedicated(_) => Ok(None),
    }
}

/// Unprotects in place a push that `sender` ciphered with the global unicast keys of `cipher`: in `general-glo-ciphering`, in
/// `general-ciphering` or, an EventNotification, in `glo-event-notification-request`.
///
/// # Errors
/// [`Error::TagMismatch`] for another key, another sender or damage; [`Error::WrongTitle`] when the APDU names another
/// sender; [`Error::OtherKey`] when it names another key; [`Error::Unexpected`] for a plain APDU, and when no push is inside; those of [`Cipher::open`], [`Envelope::read`], [`GeneralCiphering::read`] and [`Push::decode`].
pub fn open<'a>(cipher: &Cipher, sender: &SystemTitle, apdu: &'a mut [u8]) -> Result<Opened<'a>, Error> {
    let tag = *apdu.first().ok_or(Error::Truncated)?;
    let (control, counter, plain) = if tag == GENERAL_CIPHERING {
        let (envelope, content) = GeneralCiphering::read(apdu)?;
        if let Some(other) = other_key(envelope.key) {
            return Err(Error::OtherKey(other));
        }
        (envelope.control, envelope.counter, envelope.open(cipher, sender, content)?)
    } else {
        let (envelope, body) = Envelope::read(apdu)?;
        if matches!(envelope.wrapping, Wrapping::Dedicated(_) | Wrapping::GeneralDedicated(_)) {
            return Err(Error::OtherKey("the dedicated key of an association"));
        }
        (envelope.control, envelope.counter, envelope.open(cipher, sender, body)?)
    };
    Ok(Opened { push: Push::decode(plain)?, counter, authenticated: control.is_authenticated() })
}

/// What a key is that is not the global unicast one.
const fn other_key(key: Option<KeyInfo<'_>>) -> Option<&'static str> {
    match key {
        None | Some(KeyInfo::Identified(0)) => None,
        Some(KeyInfo::Identified(1)) => Some("the global broadcast key"),
        Some(KeyInfo::Identified(_)) => Some("a key that the standard does not know"),
        Some(KeyInfo::Wrapped { .. }) => Some("a key that came wrapped under another one"),
        Some(KeyInfo::Agreed { .. }) => Some("a key that both sides agree on by their certificates"),
    }
}

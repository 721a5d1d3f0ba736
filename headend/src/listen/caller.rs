//! A connection that said who it is: whose it is, who borrows it, and when it is given up.

use std::time::Duration;

use collectors::{Call, Leave, Lent, Word};
use dlms::gateway::Prefix;
use dlms::wrapper::{HEADER_LENGTH, Header};
use tokio::time::Instant;

use super::presence::Present;

/// The time between two heartbeats is learned; less or more than this is not believed.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(3600);
/// How many heartbeats may fail to come before the caller is given up.
const MISSED: u32 = 3;
/// Tags of what a meter says unasked, whatever was asked: data-notification, event-notification plain and ciphered.
const UNASKED: [u8; 4] = [0x0F, 0xC2, 0xCA, 0xD2];
/// Tags of what only ever answers something, which was given up on: errors, opening and release of an association, responses in the clear
/// and with the global or the dedicated key.
const ANSWERS: [u8; 13] = [0x0E, 0x61, 0x63, 0xC4, 0xC5, 0xC7, 0xCC, 0xCD, 0xCF, 0xD4, 0xD5, 0xD7, 0xD8];
/// Tags of envelopes, which hold pushes unless requests come in the same.
const ENVELOPES: [u8; 3] = [0xDB, 0xDC, 0xDD];

/// Who a connection says it is.
#[derive(Debug)]
pub(crate) struct Caller {
    /// What it calls itself.
    pub(crate) id: String,
    /// Its place in the lobby.
    pub(crate) call: Call,
    /// Its place in the table of those who are connected.
    pub(crate) present: Present,
    lent: Option<Lent>,
    asked: Asked,
    /// When something came last, and when a heartbeat did.
    heard_at: Instant,
    beaten_at: Instant,
    /// The time between the last two heartbeats.
    period: Option<Duration>,
    /// The time between heartbeats that is usual.
    usual: Duration,
    leave_at: Option<Instant>,
}

/// What the channel sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    /// An APDU in the wrapper, and its first octet.
    Apdu(Header, Option<u8>),
    /// Octets of another language.
    Octets,
}

/// What is to be done now.
#[derive(Debug)]
pub(crate) enum Summons {
    /// Send this.
    Send(Vec<u8>),
    /// Nothing; things are otherwise than before.
    Again,
    /// Close the connection.
    Leave(Leave),
}

impl Caller {
    /// Somebody who has just said who he is. `usual` is the time between heartbeats until two have come.
    pub(crate) fn new(id: String, call: Call, present: Present, usual: Duration) -> Self {
        Self {
            id,
            call,
            present,
            lent: None,
            asked: Asked::Nothing,
            heard_at: Instant::now(),
            beaten_at: Instant::now(),
            period: None,
            usual,
            leave_at: None,
        }
    }

    /// Another heartbeat came.
    pub(crate) fn beat(&mut self) {
        let now = Instant::now();
        self.period = Some((now - self.beaten_at).clamp(SHORTEST, LONGEST));
        self.beaten_at = now;
        self.present.beat();
    }

    /// Something came.
    pub(crate) fn hear(&mut self) {
        self.heard_at = Instant::now();
    }

    /// When the caller is given up, unless something comes.
    pub(crate) fn due(&self) -> Instant {
        let silent = self.heard_at + self.period().max(self.usual) * MISSED;
        self.leave_at.map_or(silent, |leave_at| silent.min(leave_at))
    }

    fn period(&self) -> Duration {
        self.period.unwrap_or(self.usual)
    }

    /// Whether its time is over because it was superseded.
    pub(crate) fn is_over(&self) -> bool {
        self.leave_at.is_some_and(|leave_at| leave_at <= Instant::now()) && self.call.is_superseded()
    }

    /// Waits for whoever borrows the connection. May be dropped: nothing is lost then.
    pub(crate) async fn summons(&mut self) -> Summons {
        let Self { call, lent, asked, .. } = self;
        let word = match lent {
            None => call.word().await,
            Some(Lent { requests, answers }) => {
                let request = tokio::select! {
                    word = call.word() => Err(word),
                    request = requests.recv() => Ok(request),
                    _ = answers.reserve(), if answers.capacity() == 0 => return Summons::Again,
                };
                match request {
                    Err(word) => word,
                    Ok(Some(octets)) => {
                        *asked = Asked::of(&octets);
                        return Summons::Send(octets);
                    }
                    Ok(None) => {
                        (*lent, *asked) = (None, Asked::Nothing);
                        return Summons::Again;
                    }
                }
            }
        };
        match word {
            Word::Lend(next) => {
                (*lent, *asked) = (Some(next), Asked::Nothing);
                Summons::Again
            }
            Word::CountsAgain => {
                self.present.again();
                self.leave_at = None;
                Summons::Again
            }
            Word::Leave(Leave::Superseded) => {
                self.leave_at = Some(Instant::now() + self.period());
                Summons::Again
            }
            Word::Leave(leave) => Summons::Leave(leave),
        }
    }

    /// Whether a frame in the wrapper is for the channel; everything else was sent unasked.
    pub(crate) fn is_answer(&self, header: Header, apdu: &[u8]) -> bool {
        let Asked::Apdu(to, tag) = self.asked else { return false };
        let comes_back = (header.source, header.destination) == (to.destination, to.source);
        let is_push = match apdu.first() {
            _ if Prefix::behind(apdu).first().is_some_and(|first| UNASKED.contains(first)) => true,
            Some(first) if ENVELOPES.contains(first) => Some(*first) != tag,
            _ => false,
        };
        self.lent.is_some() && comes_back && !is_push
    }

    /// Whether a frame in the wrapper that is nobody's answer was one once.
    pub(crate) fn is_late(apdu: &[u8]) -> bool {
        Prefix::behind(apdu).first().is_some_and(|first| ANSWERS.contains(first))
    }

    /// Whether octets of another language than the wrapper are expected.
    pub(crate) fn takes_octets(&self) -> bool {
        self.lent.is_some() && self.asked == Asked::Octets
    }

    /// Whether the channel takes more.
    pub(crate) fn has_room(&self) -> bool {
        self.lent.as_ref().is_none_or(|lent| lent.answers.capacity() > 0 || lent.answers.is_closed())
    }

    /// Hands octets to the channel. What comes when it has just left is late, and nobody's.
    pub(crate) fn hand_on(&self, octets: Vec<u8>) {
        if let Some(lent) = &self.lent {
            drop(lent.answers.try_send(octets));
        }
    }
}

impl Asked {
    fn of(octets: &[u8]) -> Self {
        match octets.split_first_chunk::<HEADER_LENGTH>() {
            Some((header, apdu)) => match Header::decode(header) {
                Ok(header) => Self::Apdu(header, apdu.first().copied()),
                Err(_) => Self::Octets,
            },
            None => Self::Octets,
        }
    }
}

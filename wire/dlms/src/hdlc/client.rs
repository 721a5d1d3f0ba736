use super::address::Address;
use super::primary::{Primary, Step};
use super::settings::Settings;
use super::splitter::{BadFrames, Splitter};
use crate::Error;

/// The client's end of one link (primary station), on a line that both may use but only one at a time.
///
/// Order of use: [`connect`](Self::connect), [`send`](Self::send), [`keep_alive`](Self::keep_alive) and [`disconnect`](Self::disconnect)
/// append frames to send. What comes back goes to [`push`](Self::push), and [`poll`](Self::poll) is asked until it says
/// [`Event::Wait`]; after each [`Event::Reply`], what it appended has to be sent. When nothing comes within the time that the
/// caller allows, [`unanswered`](Self::unanswered) says what to send instead.
///
/// After an error there is no link any more, with one exception: [`Error::Misuse`] changes nothing.
#[derive(Debug)]
pub struct Client {
    splitter: Splitter,
    primary: Primary,
}

/// What came of the octets so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing: more octets are needed.
    Wait,
    /// Frames were appended that have to be sent now.
    Reply,
    /// The link is up; what was agreed on.
    Connected(Settings),
    /// An APDU, which may be changed in place. It is the client's turn, unless the server sends more than one at a time.
    Apdu(&'a mut [u8]),
    /// An APDU that the station sends beside the link, in UI frames.
    Unasked(&'a mut [u8]),
    /// The station has taken everything that was sent, is still there, and has nothing to say, or nothing yet: while an answer is due,
    /// [`Client::keep_alive`] asks for it again.
    Ready,
    /// The link is down.
    Disconnected,
}

/// What a link went through. A good line leaves zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Frames that were dropped because they were damaged.
    pub bad: BadFrames,
    /// Frames of other stations, for other clients, or our own that the line brought back.
    pub foreign: u64,
    /// I frames out of turn: there before, or behind a lost one.
    pub out_of_turn: u64,
    /// How often something was sent again, or asked for again.
    pub repetitions: u64,
}

impl Client {
    /// A link that is not up yet, between the client with address `client` and the station `server`; `proposal` is what the client would like.
    pub fn new(client: Address, server: Address, proposal: Settings) -> Self {
        Self { splitter: Splitter::new(), primary: Primary::new(client, server, proposal) }
    }

    /// Sets the link up, also when it is up already (SNRM). A station that holds an old link is asked to take it down first.
    ///
    /// # Errors
    /// None but those of the encoding of a frame.
    pub fn connect(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.primary.connect(out)
    }

    /// Proposes something else from the next [`connect`](Self::connect) on.
    pub fn propose(&mut self, proposal: Settings) {
        self.primary.propose(proposal);
    }

    /// Begins to send an APDU: as many frames of it as the window allows.
    ///
    /// # Errors
    /// [`Error::Misuse`] when there is no link, or when the station has not taken the APDU before this one or has answered only a part.
    pub fn send(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.primary.send(apdu, out)
    }

    /// Asks the station whether it is still there (RR). Without any frame for its inactivity time-out, often 120 s, it takes the link down.
    ///
    /// # Errors
    /// [`Error::Misuse`] when there is no link.
    pub fn keep_alive(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.primary.keep_alive(out)
    }

    /// Takes the link down (DISC).
    ///
    /// # Errors
    /// None but those of the encoding of a frame.
    pub fn disconnect(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.primary.disconnect(out)
    }

    /// The time for an answer is over: appends what to send instead, which is the request again or the question where the station stands.
    ///
    /// # Errors
    /// [`LinkError::Unanswered`](super::LinkError::Unanswered) after three of them in a row, [`Error::Misuse`] when nothing was asked.
    pub fn unanswered(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.splitter.silence();
        self.primary.unanswered(out)
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.splitter.push(octets);
    }

    /// What came of the octets pushed so far.
    ///
    /// # Errors
    /// [`Error::Link`] when the link is lost, [`Error::TooLong`] for an APDU above 65,535 octets.
    pub fn poll(&mut self, out: &mut Vec<u8>) -> Result<Event<'_>, Error> {
        let step = loop {
            let Some(frame) = self.splitter.next_frame() else { break Step::Nothing };
            match self.primary.take(&frame, out)? {
                Step::Nothing => {}
                step => break step,
            }
        };
        Ok(match step {
            Step::Nothing => Event::Wait,
            Step::Replied => Event::Reply,
            Step::Connected => Event::Connected(self.primary.link.settings),
            Step::Apdu => Event::Apdu(self.primary.link.incoming.apdu()),
            Step::Unasked => Event::Unasked(self.primary.unasked.apdu()),
            Step::Ready => Event::Ready,
            Step::Disconnected => Event::Disconnected,
        })
    }

    /// Whether the link is up, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.primary.is_up()
    }

    /// Whether an APDU of the station has begun to arrive and is not whole.
    pub fn is_receiving(&self) -> bool {
        self.primary.link.incoming.is_partial()
    }

    /// Undamaged frames of the station since the link was made, those in UI apart: as long as they come, the station is at it.
    pub fn frames(&self) -> u64 {
        self.primary.frames
    }

    /// What the link went through since it was made.
    pub fn trouble(&self) -> Trouble {
        Trouble { bad: self.splitter.bad_frames(), ..self.primary.trouble }
    }
}

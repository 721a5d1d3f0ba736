use super::address::Address;
use super::assembly::Assembly;
use super::client::Trouble;
use super::control::Function;
use super::error::LinkError;
use super::frame::Frame;
use super::link::{Accepted, Link};
use super::settings::Settings;
use crate::{Error, llc};

/// How often something is asked again without any answer.
const RETRIES: u8 = 3;
/// How many turns in a row may bring nothing new, though the station answers.
const TURNS: u8 = 30;

/// What a frame led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Replied,
    Connected,
    Apdu,
    Unasked,
    Ready,
    Disconnected,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down,
    /// SNRM is sent; for the second time, when the station had to be freed of an old link first.
    Connecting {
        again: bool,
    },
    /// The station answered SNRM with DM or FRMR, and DISC is sent.
    Freeing,
    Up,
    /// DISC is sent.
    Disconnecting,
}

/// The primary station: it asks, and the other one answers (normal response mode).
#[derive(Debug)]
pub(super) struct Primary {
    pub(super) link: Link,
    pub(super) unasked: Assembly,
    pub(super) trouble: Trouble,
    /// Undamaged frames of the station so far.
    pub(super) frames: u64,
    proposal: Settings,
    state: State,
    /// The station said that it can take nothing now.
    is_busy: bool,
    /// How often in a row nothing came at all.
    silent: u8,
    /// How many turns in a row brought nothing new.
    turns: u8,
    /// How often the turn was given away since it last came back.
    asked: u8,
    /// How many answers may still come to what was asked more than once. They concern nothing that was sent since, and to react to them
    /// would double every frame from then on.
    stale: u8,
    /// Whether the present turn of the station brought something new.
    got_on: bool,
    /// Whether the line brings back what is sent.
    line_echoes: bool,
    /// Frames sent since it was our turn last that the line has not brought back yet.
    echoes_due: u8,
}

impl Primary {
    pub(super) fn new(client: Address, server: Address, proposal: Settings) -> Self {
        Self {
            link: Link::new(client, server),
            unasked: Assembly::new(),
            trouble: Trouble::default(),
            frames: 0,
            proposal: proposal.clamped(),
            state: State::Down,
            is_busy: false,
            silent: 0,
            turns: 0,
            asked: 0,
            stale: 0,
            got_on: false,
            line_echoes: false,
            echoes_due: 0,
        }
    }

    pub(super) fn propose(&mut self, proposal: Settings) {
        self.proposal = proposal.clamped();
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(super) fn connect(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.enter(State::Connecting { again: false });
        self.set_mode(out)
    }

    pub(super) fn disconnect(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.enter(State::Disconnecting);
        self.write(Function::Disconnect, &[], out)
    }

    pub(super) fn send(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.must_be_up()?;
        if !self.link.is_done() || self.link.incoming.is_partial() {
            return Err(Error::Misuse(
                "the station has not taken the APDU before this one, or is still answering it",
            ));
        }
        (self.silent, self.turns) = (0, 0);
        self.link.begin(llc::COMMAND, apdu);
        self.transmit(out)
    }

    pub(super) fn keep_alive(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.must_be_up()?;
        (self.silent, self.turns) = (0, 0);
        self.ready(out)
    }

    pub(super) fn unanswered(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.state == State::Down {
            return Err(Error::Misuse("nothing was asked"));
        }
        if self.silent == RETRIES {
            return self.lost(LinkError::Unanswered { tries: RETRIES + 1 });
        }
        self.silent += 1;
        self.trouble.repetitions += 1;
        match self.state {
            State::Connecting { .. } => self.set_mode(out),
            State::Freeing | State::Disconnecting => self.write(Function::Disconnect, &[], out),
            // A station that does not react to the question where it stands reacts to the request itself.
            State::Up if self.silent.is_multiple_of(2) && !self.link.is_done() && !self.is_busy => {
                self.transmit(out)
            }
            State::Up | State::Down => self.ready(out),
        }
    }

    /// Takes a frame that arrived undamaged.
    pub(super) fn take(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<Step, Error> {
        let function = frame.control.function;
        let is_unasked = function == Function::UnnumberedInformation;
        // What is sent unasked goes to whoever is meant to hear it, not to the client that happens to be there.
        let is_for_us = is_unasked || frame.destination.logical() == self.link.own.logical();
        if self.is_echo(frame) || !is_for_us || !self.link.peer.is_answered_by(frame.source) {
            self.trouble.foreign += 1;
            return Ok(Step::Nothing);
        }
        if is_unasked {
            // One that does not end is dropped; it says nothing about the link.
            return Ok(if self.unasked.add(frame) == Ok(true) { Step::Unasked } else { Step::Nothing });
        }
        self.silent = 0;
        self.frames += 1;
        match (self.state, function) {
            (State::Up, _) => self.take_in_link(frame, out),
            (State::Connecting { .. }, Function::UnnumberedAcknowledge) => {
                self.enter(State::Up);
                // What cannot be read has its defaults: every station bears them.
                let peer = Settings::decode(frame.information).unwrap_or_default();
                self.link.restart(self.proposal.agreed(peer));
                Ok(Step::Connected)
            }
            (State::Connecting { again: false }, Function::DisconnectedMode | Function::FrameReject) => {
                self.enter(State::Freeing);
                self.write(Function::Disconnect, &[], out).map(|()| Step::Replied)
            }
            (State::Connecting { again: true }, Function::DisconnectedMode | Function::FrameReject) => {
                self.lost(LinkError::Refused)
            }
            (State::Freeing, Function::UnnumberedAcknowledge | Function::DisconnectedMode) => {
                self.enter(State::Connecting { again: true });
                self.set_mode(out).map(|()| Step::Replied)
            }
            (State::Disconnecting, Function::UnnumberedAcknowledge | Function::DisconnectedMode) => {
                self.enter(State::Down);
                Ok(Step::Disconnected)
            }
            // An answer to something that was asked before.
            _ => Ok(Step::Nothing),
        }
    }

    fn take_in_link(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) -> Result<Step, Error> {
        match frame.control.function {
            Function::Information { send, receive } => {
                self.acknowledged(receive)?;
                let accepted = self.link.accept(send, frame).inspect_err(|_| self.state = State::Down)?;
                match accepted {
                    Accepted::Apdu | Accepted::Segment => self.get_on(),
                    Accepted::OutOfTurn => self.trouble.out_of_turn += 1,
                }
                let is_our_turn = frame.control.poll && self.is_fresh();
                match accepted {
                    Accepted::Apdu => Ok(Step::Apdu),
                    _ if is_our_turn => self.go_on(out),
                    _ => Ok(Step::Nothing),
                }
            }
            Function::ReceiveReady { receive } | Function::Reject { receive } => {
                self.acknowledged(receive)?;
                match frame.control.poll && self.is_fresh() {
                    true if !self.link.is_done() => self.go_on(out),
                    true => self.pause(),
                    false => Ok(Step::Nothing),
                }
            }
            Function::ReceiveNotReady { receive } => {
                self.acknowledged(receive)?;
                self.is_busy = true;
                if frame.control.poll && self.is_fresh() {
                    self.count_turn()?;
                }
                Ok(Step::Nothing)
            }
            Function::DisconnectedMode | Function::Disconnect => self.lost(LinkError::Lost),
            Function::FrameReject => self.lost(LinkError::FrameRejected),
            // A second UA answers a repeated SNRM.
            _ => Ok(Step::Nothing),
        }
    }

    fn acknowledged(&mut self, receive: u8) -> Result<(), Error> {
        self.is_busy = false;
        match self.link.acknowledge(receive) {
            Ok(true) => self.get_on(),
            Ok(false) => {}
            Err(error) => return self.lost(error),
        }
        Ok(())
    }

    fn get_on(&mut self) {
        self.turns = 0;
        self.got_on = true;
    }

    /// The turn came back: whether in answer to what was sent last, as far as can be told.
    fn is_fresh(&mut self) -> bool {
        let got_on = std::mem::take(&mut self.got_on);
        let asked = std::mem::take(&mut self.asked);
        if got_on {
            self.stale = asked.saturating_sub(1);
        } else if self.stale > 0 {
            self.stale -= 1;
            self.asked = asked;
            return false;
        }
        true
    }

    /// It is our turn, and no APDU is whole: sends what is left or was lost, or asks for what is.
    fn go_on(&mut self, out: &mut Vec<u8>) -> Result<Step, Error> {
        self.count_turn()?;
        if self.link.is_done() {
            self.ready(out)?
        } else {
            self.transmit(out)?
        }
        Ok(Step::Replied)
    }

    fn transmit(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.asked = self.asked.saturating_add(1);
        self.link.transmit(out)?;
        self.echoes_due = self.link.open();
        Ok(())
    }

    fn ready(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.asked = self.asked.saturating_add(1);
        self.echoes_due = 1;
        self.link.ready(out)
    }

    fn write(&mut self, function: Function, information: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.echoes_due = 1;
        self.link.write(function, information, out)
    }

    /// Whether a frame is our own. Where client and station have the same address only the order tells: an echo comes before any answer.
    fn is_echo(&mut self, frame: &Frame<'_>) -> bool {
        if (frame.destination, frame.source) != (self.link.peer, self.link.own) {
            return false;
        }
        // No station sends this one.
        self.line_echoes |= frame.control.function == Function::SetNormalResponseMode;
        let is_told_by_address = self.link.own != self.link.peer;
        let is_due = self.line_echoes && self.echoes_due > 0;
        self.echoes_due = self.echoes_due.saturating_sub(1);
        is_told_by_address || is_due
    }

    /// The station has taken everything, but has nothing to say; to ask again at once would keep the line busy.
    fn pause(&mut self) -> Result<Step, Error> {
        self.count_turn()?;
        Ok(if self.link.incoming.is_partial() { Step::Nothing } else { Step::Ready })
    }

    fn count_turn(&mut self) -> Result<(), Error> {
        self.turns += 1;
        if self.turns > TURNS { self.lost(LinkError::Stalled { turns: TURNS }) } else { Ok(()) }
    }

    fn set_mode(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut information = Vec::new();
        if self.proposal != Settings::default() {
            self.proposal.encode(&mut information);
        }
        self.write(Function::SetNormalResponseMode, &information, out)
    }

    fn must_be_up(&self) -> Result<(), Error> {
        if self.is_up() { Ok(()) } else { Err(Error::Misuse("there is no link")) }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.is_busy = false;
        self.got_on = false;
        (self.silent, self.turns, self.asked, self.stale) = (0, 0, 0, 0);
    }

    fn lost<T>(&mut self, error: LinkError) -> Result<T, Error> {
        self.enter(State::Down);
        Err(error.into())
    }
}

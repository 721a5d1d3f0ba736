//! The opening of an optical port: mode E, which hands the line over to HDLC.
//!
//! At 300 baud with seven data bits and even parity (7E1) the client sends [`opening`](crate::opening); the meter identifies itself; the client selects
//! HDLC, which the meter repeats. After 200 to 300 ms both go on with HDLC, at the speed that the meter proposed and with eight data bits and no parity (8N1).
//!
//! A line that is always read with eight bits gets these texts with the parity in the highest bit. It is ignored.

use crate::message::ACK;
use crate::{Error, Identification, Mode, Selection, Speed};

/// Longest line that is waited for: `/`, maker, speed, mode, name, and the end; and what stands before it.
const LINE_MAX: usize = 64;
const END: [u8; 2] = *b"\r\n";
const SEVEN_BITS: u8 = 0x7F;

/// The client's end of the opening, up to where HDLC takes over.
///
/// Order of use: send [`opening`](crate::opening), [`push`](Self::push) what comes until it says [`Progress::Send`], send these octets, and go on until
/// [`Progress::Done`]. Then change the speed.
#[derive(Debug, Default)]
pub struct Opening {
    received: Vec<u8>,
    agreed: Option<Speed>,
}

/// How far the opening has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More octets are needed.
    Wait,
    /// The meter has identified itself; this selection has to be sent.
    Send(Identification, [u8; 6]),
    /// The meter has repeated the selection: HDLC begins at this speed.
    Done(Speed),
}

impl Opening {
    /// One that has just begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets as they arrived. An optical head brings back what is sent; that is skipped, as is noise.
    ///
    /// # Errors
    /// [`Error::TooLong`] when no line ends within 64 octets, those of [`Identification::decode`], [`Error::NoHdlc`] for a meter that cannot go on with HDLC, and
    /// [`Error::Unexpected`] for one that repeats another selection.
    pub fn push(&mut self, octets: &[u8]) -> Result<Progress, Error> {
        for octet in octets {
            self.received.push(octet & SEVEN_BITS);
            if self.received.ends_with(&END) {
                let line = std::mem::take(&mut self.received);
                match self.line(&line)? {
                    Progress::Wait => {}
                    progress => return Ok(progress),
                }
            }
            if self.received.len() > LINE_MAX {
                return Err(Error::TooLong { what: "a line of the opening", limit: LINE_MAX });
            }
        }
        Ok(Progress::Wait)
    }

    fn line(&mut self, line: &[u8]) -> Result<Progress, Error> {
        // Neither character stands inside of what it begins (IEC 62056-21, 6.3.2).
        let begins = |first| line.iter().rposition(|octet| *octet == first).map(|at| &line[at..]);
        let Some(agreed) = self.agreed else {
            let Some(line) = begins(b'/').filter(|line| !line.starts_with(b"/?")) else {
                return Ok(Progress::Wait);
            };
            let meter = Identification::decode(&line[..line.len() - END.len()])?;
            let (true, Mode::C(speed)) = (meter.has_hdlc, meter.mode) else { return Err(Error::NoHdlc) };
            self.agreed = Some(speed);
            return Ok(Progress::Send(meter, Selection::Hdlc.message(speed)));
        };
        match begins(ACK) {
            None => Ok(Progress::Wait),
            Some(line) if *line == Selection::Hdlc.message(agreed) => Ok(Progress::Done(agreed)),
            Some(_) => {
                Err(Error::Unexpected { expected: "the selection as it was sent", got: "another selection" })
            }
        }
    }
}

//! The opening of an optical port: IEC 62056-21 mode E, which hands the line over to HDLC.
//!
//! At 300 baud with seven data bits and even parity (7E1) the client sends [`request`]; the meter identifies itself ([`Identification`]); the client
//! answers with [`acknowledgement`], which the meter repeats. After 200 to 300 ms both go on with HDLC, at the speed that was agreed and with
//! eight data bits and no parity (8N1).
//!
//! A line that is always read with eight bits gets these texts with the parity in the highest bit. It is ignored.

use crate::Error;

/// Longest address of a device in [`request`].
const MAX_ADDRESS: usize = 32;
/// Longest line that is waited for: `/`, maker, speed, mode, 16 characters, and the end; twice that for what stands before it.
const MAX_LINE: usize = 64;
const ACK: u8 = 0x06;
const END: [u8; 2] = *b"\r\n";
/// In the acknowledgement: go on with HDLC, in binary mode.
const HDLC: u8 = b'2';
const PARITY: u8 = 0x80;

/// What a meter says about itself when a client knocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// Three letters of the maker (DLMS UA FLAG id). The last one is small when the meter reacts within 20 ms instead of 200.
    pub maker: [u8; 3],
    /// Character of the highest speed that the meter can go on with.
    pub speed: Speed,
    /// Whether the meter can go on with HDLC.
    pub speaks_hdlc: bool,
    /// What follows: model and version, as the maker likes it.
    pub text: String,
}

/// A speed, as these texts name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(u8);

impl Speed {
    /// The greatest speed of at most `baud`, if there is any: 300 · 2ⁿ up to 19,200.
    pub fn at_most(baud: u32) -> Option<Self> {
        (b'0'..=b'6').rev().map(Self).find(|speed| speed.baud() <= baud)
    }

    /// Bits per second.
    pub fn baud(self) -> u32 {
        300 << (self.0 - b'0')
    }

    fn new(character: u8) -> Result<Self, Error> {
        match character {
            b'0'..=b'6' => Ok(Self(character)),
            got => Err(Error::Value { what: "speed of the identification", got: u32::from(got) }),
        }
    }
}

/// Appends the first message: `/?`, the address of a device when several share the line, `!`.
///
/// # Errors
/// [`Error::TooLong`] for an address of more than 32 characters, [`Error::Value`] for one with other characters than letters, digits and spaces.
pub fn request(address: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    if address.len() > MAX_ADDRESS {
        return Err(Error::TooLong { what: "address of the device", limit: MAX_ADDRESS });
    }
    if let Some(got) = address.chars().find(|letter| !letter.is_ascii_alphanumeric() && *letter != ' ') {
        return Err(Error::Value { what: "a letter of the device's address", got: u32::from(got) });
    }
    out.extend_from_slice(b"/?");
    out.extend_from_slice(address.as_bytes());
    out.push(b'!');
    out.extend_from_slice(&END);
    Ok(())
}

/// The answer to an identification: go on with HDLC at this speed. The meter repeats it.
pub fn acknowledgement(speed: Speed) -> [u8; 6] {
    let [cr, lf] = END;
    [ACK, HDLC, speed.0, HDLC, cr, lf]
}

/// Reads an acknowledgement; the speed to go on with.
///
/// # Errors
/// [`Error::Truncated`] when octets are missing, [`Error::Value`] when it is none, or one that does not go on with HDLC.
pub fn read_acknowledgement(octets: &[u8]) -> Result<Speed, Error> {
    let octets = octets.first_chunk::<6>().ok_or(Error::Truncated)?;
    let [ack, protocol, speed, mode, end @ ..] = octets.map(|octet| octet & !PARITY);
    let value = |what, got| Err(Error::Value { what, got: u32::from(got) });
    match (ack, protocol, mode) {
        (ACK, HDLC, HDLC) if end == END => Speed::new(speed),
        (ACK, HDLC, HDLC) => value("end of the acknowledgement", end[0]),
        (ACK, HDLC, mode) => value("mode of the acknowledgement", mode),
        (ACK, protocol, _) => value("protocol of the acknowledgement", protocol),
        (ack, ..) => value("beginning of the acknowledgement", ack),
    }
}

impl Identification {
    /// Reads `/XXXZ\2…`, without the end of the line; `octets` have no parity any more.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is too short, [`Error::Value`] when it does not begin with `/` or names no speed of this mode.
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let ([slash, maker @ .., speed], rest) = octets.split_first_chunk::<5>().ok_or(Error::Truncated)?;
        if *slash != b'/' {
            return Err(Error::Value { what: "beginning of the identification", got: u32::from(*slash) });
        }
        let (mut rest, mut speaks_hdlc) = (rest, false);
        // Any number of enhanced capabilities may come: a backslash and a letter or digit each.
        while let [b'\\', capability, more @ ..] = rest {
            speaks_hdlc |= *capability == HDLC;
            rest = more;
        }
        let text = rest.iter().map(|octet| char::from(*octet)).collect();
        Ok(Self { maker: *maker, speed: Speed::new(*speed)?, speaks_hdlc, text })
    }
}

/// The client's end of the opening, up to where HDLC takes over.
///
/// Order of use: send [`request`], [`push`](Self::push) what comes until it says [`Progress::Send`], send these octets, and go on until [`Progress::Done`]. Then
/// change the speed.
#[derive(Debug)]
pub struct Opening {
    greatest: Speed,
    received: Vec<u8>,
    agreed: Option<Speed>,
}

/// How far the opening has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More octets are needed.
    Wait,
    /// The meter has identified itself; this acknowledgement has to be sent.
    Send(Identification, [u8; 6]),
    /// The meter has repeated the acknowledgement: HDLC begins at this speed.
    Done(Speed),
}

impl Opening {
    /// An opening that wants to go on with `greatest` at most.
    pub fn new(greatest: Speed) -> Self {
        Self { greatest, received: Vec::new(), agreed: None }
    }

    /// Takes octets as they arrived. An optical head brings back what is sent; that is skipped, as is noise.
    ///
    /// # Errors
    /// [`Error::TooLong`] when no line ends within 64 octets, those of [`Identification::decode`] and [`read_acknowledgement`], and
    /// [`Error::Value`] for a meter that cannot go on with HDLC.
    pub fn push(&mut self, octets: &[u8]) -> Result<Progress, Error> {
        for octet in octets {
            self.received.push(octet & !PARITY);
            if self.received.ends_with(&END) {
                let line = std::mem::take(&mut self.received);
                match self.line(&line)? {
                    Progress::Wait => {}
                    progress => return Ok(progress),
                }
            }
            if self.received.len() > MAX_LINE {
                return Err(Error::TooLong { what: "line of the opening", limit: MAX_LINE });
            }
        }
        Ok(Progress::Wait)
    }

    fn line(&mut self, line: &[u8]) -> Result<Progress, Error> {
        // Neither character stands inside of what it begins (IEC 62056-21, 6.3.2).
        let begins = |first| line.iter().rposition(|octet| *octet == first).map(|at| &line[at..]);
        match self.agreed {
            None => {
                let Some(line) = begins(b'/').filter(|line| !line.starts_with(b"/?")) else {
                    return Ok(Progress::Wait);
                };
                let identification = Identification::decode(&line[..line.len() - END.len()])?;
                if !identification.speaks_hdlc {
                    return Err(Error::Value { what: "capability of the meter to go on with HDLC", got: 0 });
                }
                let speed = identification.speed.min(self.greatest);
                self.agreed = Some(speed);
                Ok(Progress::Send(identification, acknowledgement(speed)))
            }
            Some(agreed) => {
                let Some(line) = begins(ACK) else { return Ok(Progress::Wait) };
                let speed = read_acknowledgement(line)?;
                if speed != agreed {
                    return Err(Error::Value {
                        what: "speed of the acknowledgement",
                        got: u32::from(speed.0),
                    });
                }
                Ok(Progress::Done(speed))
            }
        }
    }
}

//! Tests of the link (AFN 02H): a terminal logs in, shows that it is there, and takes its leave; the master station confirms each.

use crate::{Address, Afn, Control, Error, Frame, Function, Point, Sequence, Unit, unit};

/// What a terminal says of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// F1: it is there from now on.
    Login,
    /// F2: it goes.
    Logout,
    /// F3: it is still there.
    Heartbeat,
}

impl Test {
    const ALL: [(Self, Function); 3] =
        [(Self::Login, Function::F1), (Self::Logout, Function::F2), (Self::Heartbeat, Function::F3)];

    /// What a frame says; what follows the unit (a time stamp, and what newer terminals add) is of no interest.
    ///
    /// # Errors
    /// [`Error::Other`] for a frame that is no test of a link by a terminal, and those of [`Unit::read`].
    pub fn read(frame: &Frame<'_>) -> Result<Self, Error> {
        let other = Error::Other { what: "test of the link" };
        if frame.afn != Afn::LINK || !frame.control.is_up() {
            return Err(other);
        }
        let unit = Unit::read(frame.body)?;
        let known = Self::ALL.iter().find(|(_, function)| *function == unit.function);
        known.map(|(test, _)| *test).ok_or(other)
    }

    /// Appends the frame of a terminal that says this with the number `number`, 0 to 15, and wants it to be confirmed.
    ///
    /// # Errors
    /// None that happens: the frame is short.
    pub fn encode(self, address: Address, number: u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut body = Vec::new();
        unit::identify(Point::TERMINAL, self.function(), &mut body);
        let sequence = Sequence(Sequence::single(number).0 | 0x10);
        Frame { control: Control::LINK_TEST, address, afn: Afn::LINK, sequence, body: &body }.encode(out)
    }

    const fn function(self) -> Function {
        match self {
            Self::Login => Function::F1,
            Self::Logout => Function::F2,
            Self::Heartbeat => Function::F3,
        }
    }
}

/// How a test of the link is confirmed (AFN 00H).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// F1: everything.
    All,
    /// F3: each unit by itself.
    Itemised,
}

impl Confirmation {
    /// Appends the confirmation of a frame.
    ///
    /// # Errors
    /// Those of [`Unit::read`], for an itemised one.
    pub fn encode(self, confirmed: &Frame<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut body = Vec::new();
        match self {
            Self::All => unit::identify(Point::TERMINAL, Function::F1, &mut body),
            Self::Itemised => {
                let unit = Unit::read(confirmed.body)?;
                unit::identify(Point::TERMINAL, Function::F3, &mut body);
                body.push(confirmed.afn.0);
                unit::identify(unit.point, unit.function, &mut body);
                body.push(NO_ERROR);
            }
        }
        let sequence = Sequence::single(confirmed.sequence.number());
        let (control, address) = (Control::LINK_STANDS, confirmed.address);
        Frame { control, address, afn: Afn::CONFIRMATION, sequence, body: &body }.encode(out)
    }
}

/// A unit was accepted.
const NO_ERROR: u8 = 0;

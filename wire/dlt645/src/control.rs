use crate::Error;

/// Edition of the standard: which functions and how long identifiers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// DL/T 645-1997: identifiers of two octets.
    Of1997,
    /// DL/T 645-2007: identifiers of four octets, authority in every order.
    Of2007,
}

impl Edition {
    /// Year of the edition.
    pub const fn year(self) -> u16 {
        match self {
            Self::Of1997 => 1997,
            Self::Of2007 => 2007,
        }
    }
}

/// What is asked of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Set the clock, to everybody.
    SetTime,
    /// Read an item.
    Read,
    /// Read the next part of an item.
    ReadNext,
    /// Tell the own address.
    ReadAddress,
    /// Write an item.
    Write,
    /// Take a snapshot of the registers.
    Freeze,
    /// Clear the maximum demand.
    ClearDemand,
    /// Clear the meter: energies, maximum demands, what was frozen and recorded.
    ClearMeter,
    /// Move the load switch, sound the alarm, keep the supply.
    Switch,
}

/// Every function: its words, its code in 1997 (0: none) and in 2007.
const FUNCTIONS: [(Function, &str, u8, u8); 9] = [
    (Function::SetTime, "set the time", 0x08, 0x08),
    (Function::Read, "read", 0x01, 0x11),
    (Function::ReadNext, "read on", 0x02, 0x12),
    (Function::ReadAddress, "ask for the address", 0, 0x13),
    (Function::Write, "write", 0x04, 0x14),
    (Function::Freeze, "freeze", 0, 0x16),
    (Function::ClearDemand, "clear the maximum demand", 0x10, 0x19),
    (Function::ClearMeter, "clear the meter", 0, 0x1A),
    (Function::Switch, "switch", 0, 0x1C),
];

impl Function {
    /// Its code.
    ///
    /// # Errors
    /// [`Error::NotInEdition`].
    pub fn code(self, edition: Edition) -> Result<u8, Error> {
        let row = FUNCTIONS.iter().find(|row| row.0 == self);
        let (what, code) = row.map_or(("do that", 0), |row| match edition {
            Edition::Of1997 => (row.1, row.2),
            Edition::Of2007 => (row.1, row.3),
        });
        if code == 0 { Err(Error::NotInEdition { edition: edition.year(), what }) } else { Ok(code) }
    }

    /// The function with this code, if the edition has it.
    pub fn of(edition: Edition, code: u8) -> Option<Self> {
        let row = FUNCTIONS.iter().find(|row| match edition {
            Edition::Of1997 => row.2 == code,
            Edition::Of2007 => row.3 == code,
        });
        row.filter(|_| code != 0).map(|row| row.0)
    }
}

/// The control octet: who speaks (bit 7), whether it is a refusal (bit 6), whether more follows (bit 5), the function (bits 4 to 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control(u8);

impl Control {
    const FROM_STATION: u8 = 0x80;
    const REFUSED: u8 = 0x40;
    const MORE: u8 = 0x20;
    const FUNCTION: u8 = 0x1F;

    /// Any octet is a control octet.
    pub const fn new(octet: u8) -> Self {
        Self(octet)
    }

    /// A station's answer that it did what the function with this code says; `more`: a further part can be read.
    pub const fn done(code: u8, more: bool) -> Self {
        let more = if more { Self::MORE } else { 0 };
        Self(code | Self::FROM_STATION | more)
    }

    /// A station's answer that it did not.
    pub const fn refused(code: u8) -> Self {
        Self(code | Self::FROM_STATION | Self::REFUSED)
    }

    /// The octet.
    pub const fn octet(self) -> u8 {
        self.0
    }

    /// Code of the function.
    pub const fn function(self) -> u8 {
        self.0 & Self::FUNCTION
    }

    /// Whether a station speaks, and not the master.
    pub const fn is_answer(self) -> bool {
        self.0 & Self::FROM_STATION != 0
    }

    /// Whether a station refuses.
    pub const fn is_refusal(self) -> bool {
        self.0 & Self::REFUSED != 0
    }

    /// Whether a further part can be read.
    pub const fn has_more(self) -> bool {
        self.0 & Self::MORE != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_leads_back() {
        for edition in [Edition::Of1997, Edition::Of2007] {
            for (function, ..) in FUNCTIONS {
                if let Ok(code) = function.code(edition) {
                    assert_eq!(Function::of(edition, code), Some(function));
                }
            }
            assert_eq!(Function::of(edition, 0), None);
        }
    }

    #[test]
    fn the_older_edition_has_no_switch_and_clears_no_meter() {
        for (function, what) in [(Function::Switch, "switch"), (Function::ClearMeter, "clear the meter")] {
            let refused = Error::NotInEdition { edition: 1997, what };
            assert_eq!(function.code(Edition::Of1997), Err(refused));
        }
    }
}

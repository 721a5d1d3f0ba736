use std::fmt;

use crate::frame::{REQUEST_MAX, frame};
use crate::{Address, Control, Edition, Error, Function, Moment};

/// Which item: four octets `DI3 DI2 DI1 DI0` in 2007, two octets `DI1 DI0` in 1997 (as the lower half).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(pub u32);

impl Identifier {
    /// Octets that it has on the wire.
    pub(crate) const fn length(edition: Edition) -> usize {
        match edition {
            Edition::Of1997 => 2,
            Edition::Of2007 => 4,
        }
    }

    fn write(self, edition: Edition, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes()[..Self::length(edition)]);
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({:08X})", self.0)
    }
}

/// Who orders: level of the password, the password, and the operator's number. Never formatted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// Level of the password (`PA`), 0 to 9; 2 is usual for switching.
    pub level: u8,
    /// The password (`P0 P1 P2`), in the order of the wire.
    pub password: [u8; 3],
    /// Number of the operator (`C0` to `C3`), in the order of the wire.
    pub operator: [u8; 4],
}

impl Authority {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.level);
        out.extend_from_slice(&self.password);
        out.extend_from_slice(&self.operator);
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority(level {}, ***)", self.level)
    }
}

/// What the load switch and the alarm can be ordered to do (`N1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchOrder {
    /// Interrupt the supply.
    Trip,
    /// Allow the customer to switch the supply on.
    PermitClose,
    /// Switch the supply on.
    Close,
    /// Sound the alarm.
    Alarm,
    /// Silence the alarm.
    AlarmOff,
    /// Keep the supply on, whatever the credit.
    KeepSupply,
    /// End that.
    ReleaseSupply,
}

impl SwitchOrder {
    const ALL: [Self; 7] = [
        Self::Trip,
        Self::PermitClose,
        Self::Close,
        Self::Alarm,
        Self::AlarmOff,
        Self::KeepSupply,
        Self::ReleaseSupply,
    ];

    /// Its octet.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Trip => 0x1A,
            Self::PermitClose => 0x1B,
            Self::Close => 0x1C,
            Self::Alarm => 0x2A,
            Self::AlarmOff => 0x2B,
            Self::KeepSupply => 0x3A,
            Self::ReleaseSupply => 0x3B,
        }
    }

    /// The order of this octet, if there is one.
    pub fn of(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.octet() == octet)
    }
}

/// What a master asks of a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// An item.
    Read(Identifier),
    /// The next part of an item; the number of the part is in 2007 only.
    ReadNext(Identifier, u8),
    /// Load records, oldest first; in 2007 only.
    ReadRecords {
        /// Which ones: those of a class or of all, from the oldest or from a time on, or the last.
        item: Identifier,
        /// How many at most, 1 to 255.
        count: u8,
        /// From when on, where the item is that of a given time; whole minutes.
        from: Option<Moment>,
    },
    /// The own address of whoever is there.
    ReadAddress,
    /// An item is set.
    Write {
        /// Which one.
        item: Identifier,
        /// Who orders.
        authority: Authority,
        /// Its octets.
        data: &'a [u8],
    },
    /// The clocks of all are set; nobody answers.
    SetTime(Moment),
    /// A snapshot of the registers is taken now.
    FreezeNow,
    /// The maximum demand begins anew.
    ClearDemand(Authority),
    /// The meter begins anew at nothing: energies, maximum demands, what was frozen and recorded; in 2007 only.
    ClearMeter(Authority),
    /// Load switch, alarm, supply.
    Switch {
        /// What to do.
        order: SwitchOrder,
        /// Second octet of the order (`N2`), 0 in the standard; some makers name a circuit with it.
        circuit: u8,
        /// Who orders.
        authority: Authority,
        /// Until when the station may carry it out.
        until: Moment,
    },
}

impl Request<'_> {
    /// The function that it uses.
    pub const fn function(&self) -> Function {
        match self {
            Self::Read(_) | Self::ReadRecords { .. } => Function::Read,
            Self::ReadNext(..) => Function::ReadNext,
            Self::ReadAddress => Function::ReadAddress,
            Self::Write { .. } => Function::Write,
            Self::SetTime(_) => Function::SetTime,
            Self::FreezeNow => Function::Freeze,
            Self::ClearDemand(_) => Function::ClearDemand,
            Self::ClearMeter(_) => Function::ClearMeter,
            Self::Switch { .. } => Function::Switch,
        }
    }

    /// Appends the frame of the request.
    ///
    /// # Errors
    /// [`Error::NotInEdition`]; [`Error::TooLong`] for more data than a frame carries.
    pub fn encode(&self, edition: Edition, address: Address, out: &mut Vec<u8>) -> Result<(), Error> {
        let code = self.function().code(edition)?;
        let mut data = Vec::new();
        match self {
            Self::Read(item) => item.write(edition, &mut data),
            Self::ReadNext(item, part) => {
                item.write(edition, &mut data);
                if edition == Edition::Of2007 {
                    data.push(*part);
                }
            }
            Self::ReadRecords { .. } if edition == Edition::Of1997 => {
                return Err(Error::NotInEdition { edition: edition.year(), what: "read load records" });
            }
            Self::ReadRecords { item, count, from } => {
                item.write(edition, &mut data);
                data.push(*count);
                data.extend(from.iter().flat_map(|from| from.minutes()));
            }
            Self::ReadAddress => {}
            Self::Write { item, authority, data: value } => {
                item.write(edition, &mut data);
                match edition {
                    Edition::Of2007 => authority.write(&mut data),
                    // The older edition knows a password in front of the data and no operator.
                    Edition::Of1997 => {
                        data.push(authority.level);
                        data.extend_from_slice(&authority.password);
                    }
                }
                data.extend_from_slice(value);
            }
            Self::SetTime(moment) => data.extend_from_slice(&moment.wire()),
            Self::FreezeNow => data.extend_from_slice(&[0x99; 4]),
            Self::ClearDemand(authority) => {
                if edition == Edition::Of2007 {
                    authority.write(&mut data);
                }
            }
            Self::ClearMeter(authority) => authority.write(&mut data),
            Self::Switch { order, circuit, authority, until } => {
                authority.write(&mut data);
                data.extend_from_slice(&[order.octet(), *circuit]);
                data.extend_from_slice(&until.wire());
            }
        }
        if data.len() > REQUEST_MAX {
            return Err(Error::TooLong { got: data.len(), limit: REQUEST_MAX });
        }
        frame(address, Control::new(code), &data, out)
    }
}

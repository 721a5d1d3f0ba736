//! What a fleet is made of.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use models::{Language, Model};

use crate::{Clock, Error, FaultRule, FirmwareConfig, SwitchConfig};

/// Meters in one fleet at most: one port each, and ports end at 65535.
pub const METERS_LIMIT: u32 = 60_000;
/// Connections that one meter serves at a time; a further one is closed at once.
pub const CONNECTIONS_PER_METER: usize = 4;
/// The device address of the first meter on an HDLC line.
pub const FIRST_DEVICE: u16 = 17;
/// Meters on one HDLC line at most; as many as an RS485 bus with repeaters has.
pub const DEVICES_LIMIT: u32 = 256;
/// Days of history at most.
const HISTORY_LIMIT_DAYS: u32 = 10 * 366;
/// The control modes of the Blue Book end here.
const CONTROL_MODE_LIMIT: u64 = 6;
/// Octets of an image block at most.
const BLOCK_SIZE_LIMIT: u64 = 65_536;
/// Serial numbers fit five octets of the system title.
const SERIAL_LIMIT: u64 = 1 << 40;

/// A fleet of meters of one model.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    /// What the meters are.
    pub model: Arc<Model>,
    /// How many; 1 to [`METERS_LIMIT`]. Default 1.
    pub count: u32,
    /// How they are spoken to, and how many share a line. Default [`Framing::Wrapper`], or [`Framing::Plain`] where the model does not speak DLMS.
    pub framing: Framing,
    /// TCP or UDP port of the first line on 127.0.0.1, the others follow; 0 takes any free ports. With the wrapper a line has one meter. Default 0.
    pub base_port: u16,
    /// Everything that looks random comes from it. Default 1.
    pub seed: u64,
    /// Serial number of meter 0, the others follow; below 2^40. Default 30000000.
    pub serial_base: u64,
    /// What the meters demand of readers. Default [`Security::Gmac`], or [`Security::None`] where the model does not speak DLMS; there is nothing but
    /// [`Security::Lls`] beside it then.
    pub security: Security,
    /// System title of the head-end, for the inventory. Default `4845414400000001` ("HEAD", 1).
    pub client_title: [u8; 8],
    /// The meters' clock. Default: the wall clock.
    pub clock: Clock,
    /// Zone of the meters' local time. Default UTC.
    pub zone: TimeZone,
    /// Age of the oldest capture in days when the fleet starts; a profile keeps no more than its depth. Default 30.
    pub history_days: u32,
    /// How the load switches behave.
    pub switch: SwitchConfig,
    /// How the meters take new firmware, where the model says that they do.
    pub firmware: FirmwareConfig,
    /// What is wrong with whom. Default: nothing.
    pub faults: Vec<FaultRule>,
    /// File to which everything that happens to the meters is appended, a JSON object on each line:
    /// `{"at":"2026-03-01T00:00:00Z","meter":3,"event":"relay","closed":false}`; [`Event`](crate::Event) lists the events.
    /// What comes by itself, such as a relay that moves late, is there within a second, with the time at which it was due.
    /// Default: none.
    pub ledger: Option<PathBuf>,
}

/// What stands between octets and APDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The wrapper of IEC 62056-47 over TCP, a port for each meter.
    Wrapper,
    /// The same over UDP.
    Datagrams,
    /// HDLC: each port is a gateway to a line with several meters, at the device addresses from [`FIRST_DEVICE`] on.
    Hdlc {
        /// Meters on each line; 1 to [`DEVICES_LIMIT`].
        meters_per_line: u32,
        /// Most octets of information in a frame, which the protocol takes as 16 to 2030.
        max_info: u16,
        /// Most frames in a row, which the protocol takes as 1 to 7.
        window: u8,
    },
    /// The frames of the model's own language, which is none with APDUs: each port is a gateway to a line with several devices.
    Plain {
        /// Devices on each line, each with its sub-units; 1 to [`DEVICES_LIMIT`].
        devices_per_line: u32,
    },
}

/// The security of the meters of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Everything is readable without security.
    None,
    /// A password is needed.
    Lls,
    /// HLS with GMAC (mechanism 5), authenticated and encrypted.
    Gmac,
    /// HLS by a secret, which is the password of the meter, in the clear.
    Secret(SecretKind),
    /// Meters 0, 3, 6, … none, 1, 4, 7, … LLS, 2, 5, 8, … GMAC.
    Mixed,
}

/// The security of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityLevel {
    /// No security.
    None,
    /// A password.
    Lls,
    /// HLS with GMAC and ciphering.
    Gmac,
    /// HLS by a secret, in the clear.
    Secret(SecretKind),
}

/// A mechanism of high level security by a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// Mechanism 3.
    Md5,
    /// Mechanism 4.
    Sha1,
    /// Mechanism 6.
    Sha256,
}

impl FleetConfig {
    /// A fleet of one meter with the defaults given at the fields.
    pub fn new(model: Arc<Model>) -> Self {
        let (framing, security) = match model.language {
            Language::Dlms => (Framing::Wrapper, Security::Gmac),
            _ => (Framing::Plain { devices_per_line: 1 }, Security::None),
        };
        Self {
            model,
            count: 1,
            framing,
            base_port: 0,
            seed: 1,
            serial_base: 30_000_000,
            security,
            client_title: *b"HEAD\0\0\0\x01",
            clock: Clock::wall(),
            zone: TimeZone::UTC,
            history_days: 30,
            switch: SwitchConfig::default(),
            firmware: FirmwareConfig::default(),
            faults: Vec::new(),
            ledger: None,
        }
    }

    /// Meters that share a line, at least 1.
    pub(crate) fn meters_per_line(&self) -> u32 {
        match self.framing {
            Framing::Wrapper | Framing::Datagrams => 1,
            Framing::Hdlc { meters_per_line, .. } => meters_per_line.max(1),
            Framing::Plain { devices_per_line } => {
                devices_per_line.max(1).saturating_mul(u32::from(self.model.subunits) + 1)
            }
        }
    }

    /// Lines that the meters need.
    pub(crate) fn lines(&self) -> u32 {
        self.count.div_ceil(self.meters_per_line())
    }

    /// Refuses what is beyond the limits.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let limit = |what, got: u64, limit: u64| match got <= limit {
            true => Ok(()),
            false => Err(Error::Limit { what, got, limit }),
        };
        if self.count == 0 {
            return Err(Error::Empty);
        }
        limit("meters", self.count.into(), METERS_LIMIT.into())?;
        let is_plain = matches!(self.framing, Framing::Plain { .. });
        let is_of_dlms = !matches!(self.security, Security::None | Security::Lls);
        if is_plain == (self.model.language == Language::Dlms) || (is_plain && is_of_dlms) {
            return Err(Error::Language { model: self.model.name.clone() });
        }
        let devices = match self.framing {
            Framing::Plain { devices_per_line } => devices_per_line,
            _ => self.meters_per_line(),
        };
        limit("devices on a line", devices.into(), DEVICES_LIMIT.into())?;
        if self.base_port != 0 {
            limit("the last port", u64::from(self.base_port) + u64::from(self.lines()) - 1, u16::MAX.into())?;
        }
        limit("the control mode", self.switch.control_mode.into(), CONTROL_MODE_LIMIT)?;
        limit("the size of an image block", self.firmware.block_size.into(), BLOCK_SIZE_LIMIT)?;
        if self.firmware.block_size == 0 {
            return Err(Error::NoBlocks);
        }
        limit("days of history", self.history_days.into(), HISTORY_LIMIT_DAYS.into())?;
        limit("the serial number", self.serial_base.saturating_add(self.count.into()), SERIAL_LIMIT)
    }
}

impl Security {
    /// The level of the meter with that number.
    pub fn of(self, number: u32) -> SecurityLevel {
        match (self, number % 3) {
            (Self::None, _) | (Self::Mixed, 0) => SecurityLevel::None,
            (Self::Lls, _) | (Self::Mixed, 1) => SecurityLevel::Lls,
            (Self::Secret(kind), _) => SecurityLevel::Secret(kind),
            (Self::Gmac | Self::Mixed, _) => SecurityLevel::Gmac,
        }
    }
}

impl SecurityLevel {
    /// The text of the inventory, such as `gmac`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lls => "lls",
            Self::Gmac => "gmac",
            Self::Secret(SecretKind::Md5) => "md5",
            Self::Secret(SecretKind::Sha1) => "sha1",
            Self::Secret(SecretKind::Sha256) => "sha256",
        }
    }
}

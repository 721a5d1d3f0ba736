use std::collections::BTreeMap;

use crate::xml::{attribute, open};
use crate::{Decimal, Error, Ident, time};

/// What a concentrator has read of its meters: result documents, as files or in messages.
///
/// [`read`](Self::read) takes what is whole in a document that is cut off or damaged, and says what is wrong with the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The devices in it, in its order; one may stand there more than once.
    pub devices: Vec<Device>,
    /// Why the document ends before its end; what comes before is whole.
    pub damage: Option<Error>,
    /// How many registers and events were left out because they cannot be understood.
    pub refused: u32,
    /// Why the first of them was.
    pub refusal: Option<Error>,
}

/// What a document has of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Its name (`DeviceID`): what the concentrator calls the meter.
    pub id: String,
    /// The concentrator that says so (`P2LPCIdent`); empty where the document does not.
    pub concentrator: String,
    /// Its profiles, in the order of the document.
    pub profiles: Vec<Profile>,
    /// Its events, in the order of the document.
    pub events: Vec<Event>,
}

/// Registers that were captured together, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name, such as `99.1.0`.
    pub ident: Ident,
    /// Seconds between two captures; 0 when they are not regular, or the document does not say.
    pub period_s: u32,
    /// The values in the order of the document, which may be by time or by register.
    pub registers: Vec<Register>,
}

/// One value of one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Its name.
    pub ident: Ident,
    /// Its value, in the unit that the meter displays: kWh, kvarh, kW, m³.
    pub value: Decimal,
    /// When it was captured, in seconds since 1970-01-01T00:00:00Z: the end of the interval.
    pub at: i64,
    /// Bits that the meter has set for the interval.
    pub status: u32,
}

/// Something that a device has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// What: a status word, or a code.
    pub status: u32,
    /// The meter that it is about, when a concentrator says something of one (`MeterID`).
    pub meter: Option<String>,
}

/// What was captured at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When: seconds since 1970-01-01T00:00:00Z, the end of the interval.
    pub at: i64,
    /// The bits that any of its registers has.
    pub status: u32,
    /// The values by register. Of a register that stands there twice, the later value counts.
    pub values: BTreeMap<Ident, Decimal>,
}

impl Profile {
    /// The captures, by time, in whatever order the document has the registers. One of a damaged document may lack some.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
        for Register { ident, value, at, status } in &self.registers {
            let empty = || Row { at: *at, status: 0, values: BTreeMap::new() };
            let row = rows.entry(*at).or_insert_with(empty);
            row.status |= status;
            row.values.insert(*ident, *value);
        }
        rows.into_values().collect()
    }
}

impl Document {
    /// The document as a concentrator writes it; what was wrong with it where it was read is not written.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = String::from(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        self.write(&mut out);
        out.into_bytes()
    }

    /// Appends its root element.
    pub(crate) fn write(&self, out: &mut String) {
        let has_profiles = self.devices.iter().any(|device| !device.profiles.is_empty());
        let root = if has_profiles { "MeterProfile" } else { "MeterEvents" };
        open(out, root, &[], false);
        for device in &self.devices {
            open(out, "Device", &[("DeviceID", &device.id), ("P2LPCIdent", &device.concentrator)], false);
            device.profiles.iter().for_each(|profile| profile.write(out));
            device.events.iter().for_each(|event| event.write(out));
            out.push_str("</Device>");
        }
        out.push_str(&format!("</{root}>"));
    }
}

impl Profile {
    fn write(&self, out: &mut String) {
        let attributes = [("Ident", self.ident.to_string()), ("Period", self.period_s.to_string())];
        open(out, "Profile", &attributes.each_ref().map(|(name, value)| (*name, value.as_str())), false);
        for Register { ident, value, at, status } in &self.registers {
            let attributes = [
                ("Ident", ident.to_string()),
                ("Value", value.to_string()),
                ("DateTime", time::write(*at)),
                ("Status", status.to_string()),
            ];
            open(out, "Register", &attributes.each_ref().map(|(name, value)| (*name, value.as_str())), true);
        }
        out.push_str("</Profile>");
    }
}

impl Event {
    fn write(&self, out: &mut String) {
        out.push_str("<Event");
        attribute(out, "DateTime", &time::write(self.at));
        attribute(out, "Status", &self.status.to_string());
        self.meter.iter().for_each(|meter| attribute(out, "MeterID", meter));
        out.push_str("/>");
    }
}

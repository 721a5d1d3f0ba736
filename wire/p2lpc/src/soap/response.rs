use super::fields::Fields;
use super::{Fault, Request, Upgrade, body, message};
use crate::xml::field;
use crate::{Document, Error, hex, time};

/// What a concentrator answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Meters.
    Meters(Vec<MeterState>),
    /// Something that was stored; empty, when there is nothing.
    Document(Document),
    /// Files, the names ascending.
    Files(Vec<FileEntry>),
    /// A piece of a file.
    Chunk {
        /// Its octets; none behind the end of the file.
        octets: Vec<u8>,
        /// Octets of the whole file.
        total: u64,
    },
    /// Who the concentrator is and how it is.
    Status(Status),
    /// What its clock shows, in seconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// What a meter said.
    Cosem(Cosem),
    /// Where new firmware stands.
    Upgrade(Upgrade),
    /// It was done.
    Done,
}

/// What a concentrator knows of a meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterState {
    /// Its name.
    pub id: String,
    /// Whether it is on the power line now.
    pub linked: bool,
    /// Phase of the supply that it is on, 1 to 3; 0 when that is not known.
    pub phase: u8,
    /// Repeaters in between.
    pub level: u8,
    /// When it was heard of for the first time, in seconds since 1970-01-01T00:00:00Z.
    pub first_seen: i64,
    /// When it was on the power line last.
    pub last_seen: i64,
}

/// A result file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// Its octets.
    pub size: u64,
}

/// Who a concentrator is and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its serial number.
    pub serial: String,
    /// Its firmware.
    pub firmware: String,
    /// Meters that it has heard of.
    pub meters: u32,
    /// What its clock shows, in seconds since 1970-01-01T00:00:00Z.
    pub time: i64,
}

/// What a meter said to a request that was passed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosem {
    /// 0, or why not: a data-access-result or an action-result.
    pub result: u8,
    /// The value, encoded; empty when there is none.
    pub data: Vec<u8>,
}

impl Response {
    /// The message that answers a request.
    pub fn encode(&self, request: &Request) -> Vec<u8> {
        message(&format!("{}Response", request.operation()), |out| self.write(out))
    }

    /// Reads the message that answers a request, or says why the concentrator refuses it.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for the answer to another one, and whatever is wrong with the message.
    pub fn read(request: &Request, octets: &[u8]) -> Result<Result<Self, Fault>, Error> {
        let (name, fields) = body(octets)?;
        if name == "Fault" {
            return Ok(Err(Fault::read(&fields)?));
        }
        if name.strip_suffix("Response") != Some(request.operation()) {
            return Err(Error::Unexpected { element: name.chars().take(40).collect() });
        }
        let of = |name| fields.all().iter().filter(move |element| element.name == name);
        Ok(Ok(match request {
            Request::MetersList | Request::MeterStatus { .. } => {
                let meters = of("meter").map(|meter| meter_state(&Fields::of(meter.content)?));
                Self::Meters(meters.collect::<Result<_, _>>()?)
            }
            Request::MeterProfile { .. } | Request::MeterEvents { .. } | Request::ConcentratorEvents(_) => {
                let element = fields.all().first().ok_or(Error::Missing { what: "document" })?;
                Self::Document(Document::read(element.whole.as_bytes()))
            }
            Request::MeterResults { .. } => {
                let files = of("file").map(|file| file_entry(&Fields::of(file.content)?));
                Self::Files(files.collect::<Result<_, _>>()?)
            }
            Request::FileChunk { .. } => {
                Self::Chunk { octets: fields.octets("data")?, total: fields.number("total")? }
            }
            Request::ConcentratorStatus => Self::Status(Status {
                serial: fields.text("serial")?,
                firmware: fields.text("firmware")?,
                meters: fields.number("meters")?,
                time: fields.time("dateTime")?,
            }),
            Request::ShownTime => Self::Time(fields.time("dateTime")?),
            Request::CosemGet { .. } | Request::CosemSet { .. } | Request::CosemAction { .. } => {
                Self::Cosem(Cosem { result: fields.number("result")?, data: fields.octets("data")? })
            }
            Request::UpgradeStatus { .. } => Self::Upgrade(Upgrade::read(&fields)?),
            Request::TimeSync(_)
            | Request::DisconnectControl { .. }
            | Request::UploadChunk { .. }
            | Request::UpgradeMeters { .. }
            | Request::UpgradeConcentrator { .. } => Self::Done,
        }))
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Meters(meters) => meters.iter().for_each(|meter| {
                out.push_str("<meter>");
                field(out, "meterID", &meter.id);
                field(out, "state", if meter.linked { "registered" } else { "lost" });
                field(out, "phase", &meter.phase.to_string());
                field(out, "level", &meter.level.to_string());
                field(out, "firstSeen", &time::write(meter.first_seen));
                field(out, "lastSeen", &time::write(meter.last_seen));
                out.push_str("</meter>");
            }),
            Self::Document(document) => document.write(out),
            Self::Files(files) => files.iter().for_each(|file| {
                out.push_str("<file>");
                field(out, "fileName", &file.name);
                field(out, "size", &file.size.to_string());
                out.push_str("</file>");
            }),
            Self::Chunk { octets, total } => {
                field(out, "data", &hex::encode(octets));
                field(out, "total", &total.to_string());
            }
            Self::Status(status) => {
                field(out, "serial", &status.serial);
                field(out, "firmware", &status.firmware);
                field(out, "meters", &status.meters.to_string());
                field(out, "dateTime", &time::write(status.time));
            }
            Self::Time(at) => field(out, "dateTime", &time::write(*at)),
            Self::Cosem(cosem) => {
                field(out, "result", &cosem.result.to_string());
                field(out, "data", &hex::encode(&cosem.data));
            }
            Self::Upgrade(upgrade) => upgrade.write(out),
            Self::Done => {}
        }
    }
}

fn meter_state(fields: &Fields<'_>) -> Result<MeterState, Error> {
    let linked = match fields.text("state")?.as_str() {
        "registered" => true,
        "lost" => false,
        _ => return Err(Error::Value { what: "state" }),
    };
    Ok(MeterState {
        id: fields.text("meterID")?,
        linked,
        phase: fields.number("phase")?,
        level: fields.number("level")?,
        first_seen: fields.time("firstSeen")?,
        last_seen: fields.time("lastSeen")?,
    })
}

fn file_entry(fields: &Fields<'_>) -> Result<FileEntry, Error> {
    Ok(FileEntry { name: fields.text("fileName")?, size: fields.number("size")? })
}

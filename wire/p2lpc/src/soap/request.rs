use super::fields::Fields;
use super::{Object, Span, body, message};
use crate::xml::{field, text};
use crate::{Error, Ident, hex, time};

/// What a concentrator can be asked. Meters are named as the concentrator names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The meters that it has heard of: [`Response::Meters`](super::Response::Meters).
    MetersList,
    /// One of them.
    MeterStatus {
        /// Its name.
        meter: String,
    },
    /// What it has stored of a profile: [`Response::Document`](super::Response::Document).
    MeterProfile {
        /// Name of the meter.
        meter: String,
        /// Name of the profile.
        profile: Ident,
        /// The register, when not all are wanted.
        register: Option<Ident>,
        /// Of which time.
        span: Span,
    },
    /// What it has stored of a meter's log: [`Response::Document`](super::Response::Document).
    MeterEvents {
        /// Name of the meter.
        meter: String,
        /// Of which time.
        span: Span,
    },
    /// Its result files behind one, in ascending order: [`Response::Files`](super::Response::Files).
    MeterResults {
        /// Name of the last file that is known; empty for none.
        marker: String,
        /// How many names at most.
        limit: u32,
    },
    /// A piece of a file: [`Response::Chunk`](super::Response::Chunk).
    FileChunk {
        /// Name of the file.
        name: String,
        /// Where the piece begins, in octets.
        offset: u64,
        /// Octets of the piece at most.
        length: u32,
    },
    /// Gives it a piece of a file, behind what it holds of it, or from the beginning on anew: [`Response::Done`](super::Response::Done).
    UploadChunk {
        /// Name of the file.
        name: String,
        /// Where the piece begins, in octets.
        offset: u64,
        /// The piece.
        data: Vec<u8>,
    },
    /// Has it bring firmware from a file into meters, when it has time: [`Response::Done`](super::Response::Done).
    UpgradeMeters {
        /// Name of the file.
        file: String,
        /// Names of the meters.
        meters: Vec<String>,
    },
    /// Has it run firmware from a file itself: [`Response::Done`](super::Response::Done). Assumed: that it is called so.
    UpgradeConcentrator {
        /// Name of the file.
        file: String,
    },
    /// What it holds of a file of firmware, and how far the devices have come with it: [`Response::Upgrade`](super::Response::Upgrade). Assumed.
    UpgradeStatus {
        /// Name of the file.
        file: String,
    },
    /// Its own log: [`Response::Document`](super::Response::Document).
    ConcentratorEvents(Span),
    /// Who it is and how it is: [`Response::Status`](super::Response::Status).
    ConcentratorStatus,
    /// What its clock shows: [`Response::Time`](super::Response::Time).
    ShownTime,
    /// Sets its clock, from which its meters take theirs: [`Response::Done`](super::Response::Done).
    TimeSync(i64),
    /// Reads an attribute of a meter over the power line: [`Response::Cosem`](super::Response::Cosem).
    CosemGet {
        /// Name of the meter.
        meter: String,
        /// The attribute.
        object: Object,
        /// Selector and parameters of selective access, encoded; empty for none.
        access: Vec<u8>,
    },
    /// Sets one.
    CosemSet {
        /// Name of the meter.
        meter: String,
        /// The attribute.
        object: Object,
        /// The value, encoded.
        data: Vec<u8>,
    },
    /// Invokes a method.
    CosemAction {
        /// Name of the meter.
        meter: String,
        /// The method.
        object: Object,
        /// Its parameter, encoded; empty for none.
        data: Vec<u8>,
    },
    /// Switches a meter: [`Response::Done`](super::Response::Done) when it was ordered to.
    DisconnectControl {
        /// Name of the meter.
        meter: String,
        /// Whether its supply is to be on.
        connect: bool,
    },
}

impl Request {
    /// Name of the operation.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::MetersList => "getMetersList",
            Self::MeterStatus { .. } => "getMeterStatus",
            Self::MeterProfile { .. } => "getMeterProfile",
            Self::MeterEvents { .. } => "getMeterEvents",
            Self::MeterResults { .. } => "getMeterResults",
            Self::FileChunk { .. } => "downloadFileChunk",
            Self::UploadChunk { .. } => "uploadFileChunk",
            Self::UpgradeMeters { .. } => "upgradeMeters",
            Self::UpgradeConcentrator { .. } => "upgradeConcentrator",
            Self::UpgradeStatus { .. } => "getUpgradeStatus",
            Self::ConcentratorEvents(_) => "getConcentratorEvents",
            Self::ConcentratorStatus => "getConcentratorStatus",
            Self::ShownTime => "getConcentratorSystemTime",
            Self::TimeSync(_) => "timeSync",
            Self::CosemGet { .. } => "cosemGetRequest",
            Self::CosemSet { .. } => "cosemSetRequest",
            Self::CosemAction { .. } => "cosemActionRequest",
            Self::DisconnectControl { .. } => "setMeterDisconnectControl",
        }
    }

    /// What the header `SOAPAction` says, in its quotes.
    pub fn action(&self) -> String {
        format!("\"{}#{}\"", super::NAMESPACE, self.operation())
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        message(self.operation(), |out| self.write(out))
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for an operation that is not known, and whatever is wrong with the message.
    pub fn read(octets: &[u8]) -> Result<Self, Error> {
        let (operation, fields) = body(octets)?;
        let meter = || fields.text("meterID");
        Ok(match operation.as_str() {
            "getMetersList" => Self::MetersList,
            "getMeterStatus" => Self::MeterStatus { meter: meter()? },
            "getMeterProfile" => Self::MeterProfile {
                meter: meter()?,
                profile: fields.ident("profileID")?,
                register: match fields.find("registerID").filter(|register| !register.content.is_empty()) {
                    Some(_) => Some(fields.ident("registerID")?),
                    None => None,
                },
                span: span(&fields)?,
            },
            "getMeterEvents" => Self::MeterEvents { meter: meter()?, span: span(&fields)? },
            "getMeterResults" => {
                Self::MeterResults { marker: fields.text("marker")?, limit: fields.number("limit")? }
            }
            "downloadFileChunk" => Self::FileChunk {
                name: fields.text("fileName")?,
                offset: fields.number("offset")?,
                length: fields.number("length")?,
            },
            "uploadFileChunk" => Self::UploadChunk {
                name: fields.text("fileName")?,
                offset: fields.number("offset")?,
                data: fields.octets("data")?,
            },
            "upgradeMeters" => {
                Self::UpgradeMeters { file: fields.text("fileName")?, meters: meters(&fields)? }
            }
            "upgradeConcentrator" => Self::UpgradeConcentrator { file: fields.text("fileName")? },
            "getUpgradeStatus" => Self::UpgradeStatus { file: fields.text("fileName")? },
            "getConcentratorEvents" => Self::ConcentratorEvents(span(&fields)?),
            "getConcentratorStatus" => Self::ConcentratorStatus,
            "getConcentratorSystemTime" => Self::ShownTime,
            "timeSync" => Self::TimeSync(fields.time("dateTime")?),
            "cosemGetRequest" => Self::CosemGet {
                meter: meter()?,
                object: object(&fields, "attributeId")?,
                access: fields.octets("access")?,
            },
            "cosemSetRequest" => Self::CosemSet {
                meter: meter()?,
                object: object(&fields, "attributeId")?,
                data: fields.octets("data")?,
            },
            "cosemActionRequest" => Self::CosemAction {
                meter: meter()?,
                object: object(&fields, "methodId")?,
                data: fields.octets("data")?,
            },
            "setMeterDisconnectControl" => {
                Self::DisconnectControl { meter: meter()?, connect: fields.truth("connect")? }
            }
            _ => return Err(Error::Unexpected { element: operation.chars().take(40).collect() }),
        })
    }

    fn write(&self, out: &mut String) {
        let mut say = |name: &str, value: &str| field(out, name, value);
        match self {
            Self::MetersList | Self::ConcentratorStatus | Self::ShownTime => {}
            Self::MeterStatus { meter } => say("meterID", meter),
            Self::MeterProfile { meter, profile, register, span } => {
                say("meterID", meter);
                say("profileID", &profile.to_string());
                say("registerID", &register.map(|register| register.to_string()).unwrap_or_default());
                write_span(*span, &mut say);
            }
            Self::MeterEvents { meter, span } => {
                say("meterID", meter);
                write_span(*span, &mut say);
            }
            Self::MeterResults { marker, limit } => {
                say("marker", marker);
                say("limit", &limit.to_string());
            }
            Self::FileChunk { name, offset, length } => {
                say("fileName", name);
                say("offset", &offset.to_string());
                say("length", &length.to_string());
            }
            Self::UploadChunk { name, offset, data } => {
                say("fileName", name);
                say("offset", &offset.to_string());
                say("data", &hex::encode(data));
            }
            Self::UpgradeMeters { file, meters } => {
                say("fileName", file);
                meters.iter().for_each(|meter| say("meterID", meter));
            }
            Self::UpgradeConcentrator { file } | Self::UpgradeStatus { file } => say("fileName", file),
            Self::ConcentratorEvents(span) => write_span(*span, &mut say),
            Self::TimeSync(at) => say("dateTime", &time::write(*at)),
            Self::CosemGet { meter, object, access } => {
                write_object(meter, object, "attributeId", &mut say);
                say("access", &hex::encode(access));
            }
            Self::CosemSet { meter, object, data } => {
                write_object(meter, object, "attributeId", &mut say);
                say("data", &hex::encode(data));
            }
            Self::CosemAction { meter, object, data } => {
                write_object(meter, object, "methodId", &mut say);
                say("data", &hex::encode(data));
            }
            Self::DisconnectControl { meter, connect } => {
                say("meterID", meter);
                say("connect", if *connect { "true" } else { "false" });
            }
        }
    }
}

fn write_span(span: Span, say: &mut impl FnMut(&str, &str)) {
    say("from", &time::write(span.from));
    say("to", &time::write(span.to));
}

fn write_object(meter: &str, object: &Object, member: &str, say: &mut impl FnMut(&str, &str)) {
    say("meterID", meter);
    say("classId", &object.class_id.to_string());
    say("instanceId", &object.instance.to_string());
    say(member, &object.member.to_string());
}

/// The names of several meters.
fn meters(fields: &Fields<'_>) -> Result<Vec<String>, Error> {
    let named = fields.all().iter().filter(|element| element.name == "meterID");
    named.map(|element| text(element.content, "meterID")).collect()
}

fn span(fields: &Fields<'_>) -> Result<Span, Error> {
    Ok(Span { from: fields.time("from")?, to: fields.time("to")? })
}

fn object(fields: &Fields<'_>, member: &'static str) -> Result<Object, Error> {
    let (class_id, instance) = (fields.number("classId")?, fields.ident("instanceId")?);
    Ok(Object { class_id, instance, member: fields.number(member)? })
}

//! The rules of the ways to a meter, and of what it is a part of.

use collectors::{Address, AddressError};
use models::{Language, Model};

use super::{Problem, is_serial};
use crate::store::Security;
use crate::store::meters::{MAX_PATHS, PartOf, Path};

/// The highest part of an HDLC address that is no group of stations (IEC 62056-46, 6.4.2.3).
const MAX_HDLC: u16 = 0x3FFD;
/// The highest HDLC address of one octet that is no group of stations.
const MAX_HDLC_OCTET: u16 = 0x7E;
/// The highest device address of twelve digits, as DL/T 645 has them; those of IEC 62056-21 have no more here.
const MAX_TWELVE_DIGITS: u64 = 999_999_999_999;
/// The highest server address of Modbus (serial line 1.02, 2.2).
const MAX_SERVER: u64 = 247;
/// What parts the address of a further way from the meter on its line, in a text.
const DEVICE_MARK: char = '#';

/// A way as a client describes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct DraftPath {
    /// Where its line ends.
    pub(crate) address: String,
    /// The meter on the line.
    pub(crate) device_address: Option<u64>,
}

impl DraftPath {
    /// A way written as `ADDRESS` or `ADDRESS#DEVICE`; what is no number stays with the address, which is none then.
    pub(crate) fn parse(text: &str) -> Self {
        let parts = text.rsplit_once(DEVICE_MARK).map(|(address, device)| (address, device.parse()));
        match parts {
            Some((address, Ok(device))) => Self { address: address.to_owned(), device_address: Some(device) },
            _ => Self { address: text.to_owned(), device_address: None },
        }
    }
}

/// The service access points of server and client that a model has for a level of security.
pub(crate) const fn own_saps(model: &Model, security: Security) -> (u16, u16) {
    let spec = &model.association;
    let client = match security {
        Security::None => spec.client_sap_none,
        Security::Lls => spec.client_sap_lls,
        _ => spec.client_sap_hls,
    };
    (spec.server_sap, client)
}

/// What a sub-unit is a part of; `None` for a device of its own.
pub(super) fn part_of(
    serial: &str,
    parent: &str,
    (subunit, circuit): (u32, u32),
    rule: &mut impl FnMut(bool, &'static str, &str),
) -> Option<PartOf> {
    let number = u8::try_from(subunit).ok().filter(|number| *number > 0);
    if parent.is_empty() {
        rule(subunit == 0, "subunit", "it has to be left out where no parent is named");
        rule(circuit == 0, "circuit", "it has to be left out where no parent is named");
        return None;
    }
    rule(is_serial(parent) && parent != serial, "parent", "the serial number of another meter is expected");
    rule(number.is_some(), "subunit", "1 to 255 is expected with a parent");
    let circuit = u8::try_from(circuit.max(1));
    rule(circuit.is_ok(), "circuit", "1 to 255 is expected, or 0 for the first");
    number.zip(circuit.ok()).map(|(subunit, circuit)| PartOf { parent: parent.to_owned(), subunit, circuit })
}

/// The address of a meter; `None` where it is that of its parent.
pub(super) fn address(
    text: &str,
    is_subunit: bool,
    rule: &mut impl FnMut(bool, &'static str, &str),
) -> Option<Address> {
    if text.is_empty() && is_subunit {
        return None;
    }
    let parsed: Result<Address, AddressError> = text.parse();
    rule(parsed.is_ok(), "address", &parsed.as_ref().err().map(AddressError::to_string).unwrap_or_default());
    parsed.ok()
}

/// The further ways of a meter, when its service access points and the device addresses are some that the lines can carry.
pub(super) fn paths(
    drafts: Vec<DraftPath>,
    has_address: bool,
    (model, saps): (&Model, (u16, u16)),
) -> Result<Vec<Path>, Vec<Problem>> {
    let problem = |problem: String| Problem { field: "paths", problem };
    if drafts.len() > MAX_PATHS {
        return Err(vec![problem(format!("at most {MAX_PATHS} are expected"))]);
    }
    if !drafts.is_empty() && !has_address {
        return Err(vec![problem("a meter without an address of its own has the ways of its parent".into())]);
    }
    let (mut paths, mut problems) = (Vec::new(), Vec::new());
    for (place, draft) in (1..).zip(drafts) {
        let checked = match draft.address.parse::<Address>() {
            Ok(address) => device_address(Some(&address), draft.device_address, (model, saps))
                .map(|device| (address, device)),
            Err(error) => Err(vec![problem(error.to_string())]),
        };
        match checked {
            Ok((address, device_address)) => paths.push(Path { address, device_address }),
            Err(found) => {
                let told = found.into_iter().map(|found| format!("{place}: {}", found.problem));
                problems.extend(told.map(problem));
            }
        }
    }
    if problems.is_empty() { Ok(paths) } else { Err(problems) }
}

/// Sub-unit and circuit have to be some that the type of meter has.
pub(super) fn subunit(part_of: Option<&PartOf>, model: &Model) -> Result<(), Vec<Problem>> {
    let problem = |field, problem| Err(vec![Problem { field, problem }]);
    let circuits = if model.is_only_switched() { 2..=model.last_circuit } else { 1..=1 };
    match part_of {
        Some(part) if part.subunit > model.subunits => match model.subunits {
            0 => problem("subunit", format!("a meter of model {} has no sub-units", model.name)),
            most => problem("subunit", format!("1 to {most} is expected of model {}", model.name)),
        },
        Some(part) if !circuits.contains(&part.circuit) => {
            let (least, most) = circuits.into_inner();
            let detail = format!(
                "{least} to {most} is expected of model {}; circuits that can only be switched have models of their own",
                model.name
            );
            problem("circuit", detail)
        }
        _ => Ok(()),
    }
}

/// The device address of a meter, when it and the service access points are some that the line and the language can carry. Without an address the line
/// is that of the parent, and so is a device address that is left out.
pub(super) fn device_address(
    address: Option<&Address>,
    device_address: Option<u64>,
    (model, saps): (&Model, (u16, u16)),
) -> Result<Option<u64>, Vec<Problem>> {
    let (range, may_be_left_out) = match (&model.language, address) {
        (Language::Dlms, Some(address)) => return dlms_address(address, device_address, saps),
        (Language::Dlms, None) => return Ok(device_address),
        (Language::Dlt645(_), _) => (0..=MAX_TWELVE_DIGITS, false),
        (Language::Iec62056_21(_), _) => (0..=MAX_TWELVE_DIGITS, true),
        (Language::Modbus(_), _) => (1..=MAX_SERVER, false),
        (Language::Gdw376(_), _) if device_address.is_none() => return Ok(None),
        (Language::Gdw376(_), _) => {
            let problem = "a terminal of Q/GDW 376.1 has none: leave it out".to_owned();
            return Err(vec![Problem { field: "device_address", problem }]);
        }
    };
    let is_named_inside = address.is_none() && model.names_subunits();
    match device_address {
        Some(device) if range.contains(&device) => Ok(Some(device)),
        None if may_be_left_out || is_named_inside => Ok(None),
        _ => {
            let (least, most) = range.into_inner();
            let problem =
                format!("{least} to {most} is expected of a meter that speaks {}", model.language.as_str());
            Err(vec![Problem { field: "device_address", problem }])
        }
    }
}

/// The same of a meter that speaks DLMS.
fn dlms_address(
    address: &Address,
    device_address: Option<u64>,
    (server_sap, client_sap): (u16, u16),
) -> Result<Option<u64>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut rule = |holds: bool, field: &'static str, problem: String| {
        if !holds {
            problems.push(Problem { field, problem });
        }
    };
    let device = device_address.filter(|device| *device > 0);
    if address.is_hdlc() {
        rule(
            device.is_none_or(|device| device <= u64::from(MAX_HDLC)),
            "device_address",
            format!("1 to {MAX_HDLC} is expected, or 0 for none"),
        );
        let max = if device.is_some() { MAX_HDLC } else { MAX_HDLC_OCTET };
        let of = if device.is_some() { "with HDLC" } else { "with HDLC and no device address" };
        rule(server_sap <= max, "server_sap", format!("1 to {max} is expected {of}"));
        rule(
            client_sap <= MAX_HDLC_OCTET,
            "client_sap",
            format!("1 to {MAX_HDLC_OCTET} is expected with HDLC"),
        );
    } else if address.node().is_none() {
        rule(device.is_none(), "device_address", "only a line with HDLC has device addresses".into());
    }
    if problems.is_empty() { Ok(device) } else { Err(problems) }
}

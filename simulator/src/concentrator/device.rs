//! The concentrator as a device of its own: names, clock, the lists of its nodes, its log, and its firmware.

use dlms::axdr::Data;
use dlms::cosem::image_transfer::{Block, Initiation};
use dlms::profile::{CaptureObject, encode_list};
use dlms::selection::Selection;
use dlms::server::Objects;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, DateTime, MethodDescriptor, Obis};
use jiff::Timestamp;

use super::Backend;
use super::site::Site;
use crate::local::timestamp;

/// Names of its objects: those that the standard gives.
const LOGICAL_DEVICE_NAME: Obis = Obis::new([0, 0, 42, 0, 0, 255]);
const SERIAL: Obis = Obis::new([0, 0, 96, 1, 0, 255]);
const FIRMWARE: Obis = Obis::new([1, 0, 0, 2, 0, 255]);
const CLOCK: Obis = Obis::new([0, 0, 1, 0, 0, 255]);
const SAP_ASSIGNMENT: Obis = Obis::new([0, 0, 41, 0, 0, 255]);
const REPORTING_SYSTEMS: Obis = Obis::new([0, 0, 26, 6, 0, 255]);
const LOG: Obis = Obis::new([0, 0, 99, 98, 0, 255]);
const EVENT_CODE: Obis = Obis::new([0, 0, 96, 11, 0, 255]);
/// Name of the node that an event is about.
const EVENT_NODE: Obis = Obis::new([0, 0, 96, 11, 10, 255]);
const IMAGE_TRANSFER: Obis = Obis::new([0, 0, 44, 0, 0, 255]);
/// What the firmware calls itself that it is made with.
pub(super) const VERSION: &[u8] = b"SIM-DC 1.0";
/// The concentrator itself in the list of logical devices.
pub(super) const OWN_SAP: u16 = 1;

/// The objects of a concentrator.
pub(super) struct Device<'a>(pub(super) &'a Site);

impl Objects for Device<'_> {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        let AttributeDescriptor { class_id, instance, attribute } = *attribute;
        if attribute == 1 {
            octets(&instance.octets()).encode(out);
            return Ok(());
        }
        let value = match (class_id, instance, attribute) {
            (1, LOGICAL_DEVICE_NAME, 2) => octets(format!("SIM{}", self.0.serial).as_bytes()),
            (1, SERIAL, 2) => octets(self.0.serial.as_bytes()),
            (1, FIRMWARE, 2) => octets(&self.0.firmware()),
            (18, IMAGE_TRANSFER, number) => {
                self.0.image(|image, _| image.attribute(number)).ok_or(DataAccessResult::ObjectUndefined)?
            }
            (8, CLOCK, 2) => time(self.0.shown()),
            (8, CLOCK, 3) => Data::Long(0),
            (8, CLOCK, 4) => Data::Unsigned(0),
            (17, SAP_ASSIGNMENT, 2) => self.logical_devices(),
            (56, REPORTING_SYSTEMS, 2) => self.reporting_systems(),
            (7, LOG, 2) => self.log(selection)?,
            (7, LOG, 3) => {
                encode_list(&columns(), out);
                return Ok(());
            }
            (7, LOG, 4) => Data::DoubleLongUnsigned(0),
            _ => return Err(DataAccessResult::ObjectUndefined),
        };
        value.encode(out);
        Ok(())
    }

    fn set(&mut self, attribute: &AttributeDescriptor, value: &Data) -> Result<(), DataAccessResult> {
        if (attribute.class_id, attribute.instance, attribute.attribute) != (8, CLOCK, 2) {
            return Err(DataAccessResult::ReadWriteDenied);
        }
        let time = DateTime::of(value, "time").map_err(|_| DataAccessResult::TypeUnmatched)?;
        self.0.set_clock(time.unix_seconds().ok_or(DataAccessResult::TypeUnmatched)?);
        Ok(())
    }

    fn action(
        &mut self,
        method: &MethodDescriptor,
        parameter: Option<&Data>,
    ) -> Result<Option<Data>, ActionResult> {
        let MethodDescriptor { class_id, instance, method } = *method;
        let (18, IMAGE_TRANSFER, Some(parameter)) = (class_id, instance, parameter) else {
            return Err(ActionResult::ReadWriteDenied);
        };
        let untyped = |_| ActionResult::TypeUnmatched;
        match method {
            1 => {
                let initiation = Initiation::from_data(parameter).map_err(untyped)?;
                self.0.image(|image, _| image.initiate(initiation))?;
            }
            2 => {
                let block = Block::from_data(parameter).map_err(untyped)?;
                self.0.image(|image, _| image.store(&block, false)).map(drop)?;
            }
            3 => self.0.image(|image, now| image.verify(now))?,
            4 => self.0.image(|image, now| image.activate(now))?,
            _ => return Err(ActionResult::ObjectUndefined),
        }
        Ok(None)
    }
}

impl Device<'_> {
    /// Itself, and where nodes have wrapper ports, each that it has heard of, by its serial number.
    fn logical_devices(&self) -> Data {
        let device =
            |sap, name: &str| Data::Structure(vec![Data::LongUnsigned(sap), octets(name.as_bytes())]);
        let own = device(OWN_SAP, &self.0.serial);
        let port = |number| match self.0.backend {
            Backend::Wrapper { base } => base.checked_add(u16::try_from(number).ok()?),
            Backend::Gateway { .. } | Backend::Forward | Backend::P2lpc => None,
        };
        let nodes =
            self.0.known().filter_map(|(number, node)| Some(device(port(number)?, &node.meter.serial())));
        Data::Array(std::iter::once(own).chain(nodes).collect())
    }

    /// The nodes on the power line now, by what they are called there: their serial numbers.
    fn reporting_systems(&self) -> Data {
        Data::Array(self.0.linked().map(|(_, node)| octets(node.meter.serial().as_bytes())).collect())
    }

    fn log(&self, selection: Option<&Selection>) -> Result<Data, DataAccessResult> {
        let (from, to) = match selection {
            None => (Timestamp::MIN, Timestamp::MAX),
            Some(Selection::Range(range)) => {
                let limit = |limit: &DateTime| limit.unix_seconds().map(timestamp);
                let unknown = DataAccessResult::TypeUnmatched;
                (limit(&range.from).ok_or(unknown)?, limit(&range.to).ok_or(unknown)?)
            }
            Some(_) => return Err(DataAccessResult::ScopeOfAccessViolated),
        };
        let row = |(at, code, node): (Timestamp, u8, Option<u32>)| {
            let name =
                node.and_then(|node| self.0.node(node)).map(|node| node.meter.serial()).unwrap_or_default();
            Data::Structure(vec![time(at.as_second()), Data::Unsigned(code), octets(name.as_bytes())])
        };
        Ok(Data::Array(self.0.entries(from, to).into_iter().map(row).collect()))
    }
}

/// What the log captures: time, code of the event, and serial number of the node.
fn columns() -> [CaptureObject; 3] {
    let column = |class_id, instance| CaptureObject { class_id, instance, attribute: 2, data_index: 0 };
    [column(8, CLOCK), column(1, EVENT_CODE), column(1, EVENT_NODE)]
}

fn octets(octets: &[u8]) -> Data {
    Data::OctetString(octets.to_vec())
}

fn time(seconds: i64) -> Data {
    octets(&DateTime::from_unix(seconds, Some(0), 0).octets())
}

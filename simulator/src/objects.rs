//! The objects of a meter, as the server of the protocol asks for them.

use dlms::axdr::Data;
use dlms::selection::Selection;
use dlms::server::Objects;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor, Obis, ScalerUnit};

use crate::buffer;
use crate::local::{Offsets, date_time};
use crate::meter::{Meter, status};

/// Load switch: disconnect control of IEC 62056-6-2, class 70.
const LOAD_SWITCH: Obis = Obis::new([0, 0, 96, 3, 10, 255]);
const FIRMWARE: &str = "SIM-1.0";
/// Minutes by which summer time moves the clocks.
const SUMMER_MIN: i8 = 60;
/// FIFO: the oldest capture first.
const SORT_FIFO: u8 = 1;
/// Remote and local switching allowed, reconnection from the meter's button: control mode 4.
const CONTROL_MODE: u8 = 4;
const DEMAND_PERIOD_S: u32 = 900;
const DEMAND_PERIODS: u16 = 3;

/// A meter as one client sees it.
#[derive(Debug)]
pub(crate) struct ClientView<'a> {
    pub(crate) meter: &'a Meter,
    pub(crate) access: Access,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Clock, names and invocation counter: the public client of a meter that demands more.
    Public,
    /// Everything.
    Full,
}

impl Objects for ClientView<'_> {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        if attribute.class_id == 7 {
            return self.profile(attribute, selection, out);
        }
        if selection.is_some() {
            return Err(DataAccessResult::ScopeOfAccessViolated);
        }
        let value = match attribute.class_id {
            1 => self.data(attribute),
            3..=5 => self.register(attribute),
            8 => self.clock(attribute),
            70 => self.load_switch(attribute),
            _ => Err(DataAccessResult::ObjectUndefined),
        }?;
        value.encode(out);
        Ok(())
    }

    fn set(&mut self, _: &AttributeDescriptor, _: &Data) -> Result<(), DataAccessResult> {
        Err(DataAccessResult::ReadWriteDenied)
    }

    fn action(&mut self, method: &MethodDescriptor, _: Option<&Data>) -> Result<Option<Data>, ActionResult> {
        if self.access == Access::Public || method.class_id != 70 || method.instance != LOAD_SWITCH {
            return Err(ActionResult::ReadWriteDenied);
        }
        match method.method {
            1 => self.meter.state().connected = false,
            2 => self.meter.state().connected = true,
            _ => return Err(ActionResult::ObjectUndefined),
        }
        Ok(None)
    }
}

impl ClientView<'_> {
    /// Data, class 1.
    fn data(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        let model = &self.meter.fleet().plan.model;
        let name = attribute.instance;
        let value = if name == model.identity.serial {
            octets(&self.meter.shown_serial())
        } else if name == model.identity.logical_device_name {
            octets(&format!("SIM{}", self.meter.serial()))
        } else if name == model.identity.firmware {
            octets(FIRMWARE)
        } else if name == model.invocation_counter {
            Data::DoubleLongUnsigned(self.meter.state().client_counter.unwrap_or(0))
        } else {
            self.full()?;
            if !self.meter.fleet().plan.statuses.contains(&name) {
                return Err(DataAccessResult::ObjectUndefined);
            }
            Data::Unsigned(status(Offsets::new(self.meter.zone()).at(self.meter.now()).summer))
        };
        match attribute.attribute {
            1 => Ok(logical_name(name)),
            2 => Ok(value),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    /// Register, extended register and demand register: classes 3, 4 and 5.
    fn register(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        let key = (attribute.class_id, attribute.instance);
        let plan = self.meter.fleet().plan.registers.get(&key).ok_or(DataAccessResult::ObjectUndefined)?;
        let now = self.meter.moment(self.meter.now());
        match (attribute.class_id, attribute.attribute) {
            (_, 1) => Ok(logical_name(attribute.instance)),
            (_, 2) => Ok(plan.value.data(now)),
            (3 | 4, 3) | (5, 4) => Ok(scaler_unit(plan.scaler_unit)),
            (4, 4) | (5, 5) => Ok(Data::Unsigned(0)),
            (4, 5) | (5, 6) => Ok(self.time(plan.value.since(now))),
            (5, 3) => Ok(plan.last.data(now)),
            (5, 7) => Ok(self.time(now.at - now.at.rem_euclid(i64::from(DEMAND_PERIOD_S)))),
            (5, 8) => Ok(Data::DoubleLongUnsigned(DEMAND_PERIOD_S)),
            (5, 9) => Ok(Data::LongUnsigned(DEMAND_PERIODS)),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    /// Profile generic, class 7.
    fn profile(
        &self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        self.full()?;
        let plan = &self.meter.fleet().plan;
        let index = plan.profile_at(attribute.instance).ok_or(DataAccessResult::ObjectUndefined)?;
        let view = self.meter.view(index);
        let spec = &plan.model.profiles[index];
        let count = |count: usize| Data::DoubleLongUnsigned(u32::try_from(count).unwrap_or(u32::MAX));
        let value = match attribute.attribute {
            1 => logical_name(attribute.instance),
            2 => return buffer::write(self.meter, &view, selection, out),
            3 => {
                dlms::profile::encode_list(view.captured(), out);
                return Ok(());
            }
            4 => Data::DoubleLongUnsigned(spec.period_s),
            5 => Data::Enum(SORT_FIFO),
            6 => sort_object(plan.model.clock),
            7 => count(view.all().len()),
            8 => Data::DoubleLongUnsigned(spec.depth),
            _ => return Err(DataAccessResult::ObjectUndefined),
        };
        value.encode(out);
        Ok(())
    }

    /// Clock, class 8.
    fn clock(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        if attribute.instance != self.meter.fleet().plan.model.clock {
            return Err(DataAccessResult::ObjectUndefined);
        }
        let now = self.meter.now();
        let offset = Offsets::new(self.meter.zone()).at(now);
        let normal = if offset.summer { offset.minutes - i16::from(SUMMER_MIN) } else { offset.minutes };
        match attribute.attribute {
            1 => Ok(logical_name(attribute.instance)),
            2 => Ok(self.time(now)),
            3 => Ok(Data::Long(-normal)),
            4 => Ok(Data::Unsigned(offset.clock_status())),
            7 => Ok(Data::Integer(SUMMER_MIN)),
            8 => Ok(Data::Boolean(true)),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    /// Disconnect control, class 70.
    fn load_switch(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        if attribute.instance != LOAD_SWITCH {
            return Err(DataAccessResult::ObjectUndefined);
        }
        let connected = self.meter.connected();
        match attribute.attribute {
            1 => Ok(logical_name(attribute.instance)),
            2 => Ok(Data::Boolean(connected)),
            3 => Ok(Data::Enum(u8::from(connected))),
            4 => Ok(Data::Enum(CONTROL_MODE)),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    fn full(&self) -> Result<(), DataAccessResult> {
        match self.access {
            Access::Full => Ok(()),
            Access::Public => Err(DataAccessResult::ReadWriteDenied),
        }
    }

    fn time(&self, at: i64) -> Data {
        let octets = date_time(&mut Offsets::new(self.meter.zone()), at).octets();
        Data::OctetString(octets.to_vec())
    }
}

fn octets(text: &str) -> Data {
    Data::OctetString(text.as_bytes().to_vec())
}

fn logical_name(name: Obis) -> Data {
    Data::OctetString(name.octets().to_vec())
}

fn scaler_unit(ScalerUnit { scaler, unit }: ScalerUnit) -> Data {
    Data::Structure(vec![Data::Integer(scaler), Data::Enum(unit.0)])
}

/// The clock as a capture object.
fn sort_object(clock: Obis) -> Data {
    Data::Structure(vec![Data::LongUnsigned(8), logical_name(clock), Data::Integer(2), Data::LongUnsigned(0)])
}

//! Data, class 1: names, firmware, counter, status, and the lock of a tampered meter.

use dlms::axdr::Data;
use dlms::{AttributeDescriptor, DataAccessResult, Obis};

use super::{ClientView, logical_name, octets};
use crate::local::Offsets;
use crate::meter::status;

impl ClientView<'_> {
    pub(super) fn data(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        let model = &self.meter.fleet().plan.model;
        let name = attribute.instance;
        let value = if name == model.identity.serial {
            octets(&self.meter.shown_serial())
        } else if name == model.identity.logical_device_name {
            octets(&format!("SIM{}", self.meter.serial()))
        } else if name == model.identity.firmware {
            Data::OctetString(self.meter.act(|state, _| state.image.version().to_vec()))
        } else if name == model.invocation_counter {
            Data::DoubleLongUnsigned(self.meter.act(|state, _| state.client_counter).unwrap_or(0))
        } else {
            self.full()?;
            self.guarded(name)?
        };
        match attribute.attribute {
            1 => Ok(logical_name(name)),
            2 => Ok(value),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    pub(super) fn set_data(
        &self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), DataAccessResult> {
        if let Some(numbers) = self.switch_numbers(attribute.instance).filter(|_| attribute.attribute == 2) {
            return self.set_switch(numbers, value);
        }
        if !self.is_tamper_lock(attribute.instance) || attribute.attribute != 2 {
            return Err(DataAccessResult::ReadWriteDenied);
        }
        match value {
            Data::LongUnsigned(0) => {
                self.meter.act(|state, now| state.switch.unlock(now));
                Ok(())
            }
            Data::LongUnsigned(_) => Err(DataAccessResult::OtherReason),
            _ => Err(DataAccessResult::TypeUnmatched),
        }
    }

    /// What the public client does not see.
    fn guarded(&self, name: Obis) -> Result<Data, DataAccessResult> {
        if self.is_tamper_lock(name) {
            let locked = self.meter.act(|state, _| state.switch.locked());
            return Ok(Data::LongUnsigned(u16::from(locked)));
        }
        if let Some(numbers) = self.switch_numbers(name) {
            let is_closed = self.meter.act(|state, _| state.switch.closed());
            return Ok(Data::Unsigned(if is_closed { numbers.connected } else { numbers.disconnected }));
        }
        let transformers = self.meter.fleet().plan.model.transformers;
        if let Some(shown) = transformers.and_then(|objects| self.meter.ratios().shown(&objects, name)) {
            return Ok(Data::LongUnsigned(shown));
        }
        if let Some(billing) = &self.meter.fleet().plan.model.billing {
            if name == billing.counter {
                return Ok(Data::DoubleLongUnsigned(self.meter.act(|state, _| state.resets.count())));
            }
            if billing.last == Some(name) {
                let last = self.meter.act(|state, _| state.resets.last());
                return Ok(last.map_or(Data::NullData, |last| self.time(last.as_second())));
            }
        }
        if !self.meter.fleet().plan.statuses.contains(&name) {
            return Err(DataAccessResult::ObjectUndefined);
        }
        Ok(Data::Unsigned(status(Offsets::new(self.meter.zone()).at(self.meter.now()).summer)))
    }

    /// Whether this is what holds the load switch open after tampering. Long-unsigned 0 releases it and closes the load
    /// switch, as Sensemi writes it; 0 is read while there is no lock.
    fn is_tamper_lock(&self, name: Obis) -> bool {
        let switch = self.meter.fleet().plan.model.switch.as_ref();
        switch.and_then(|switch| switch.tamper_lock) == Some(name)
    }
}

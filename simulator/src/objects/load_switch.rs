//! Disconnect control, class 70.

use dlms::axdr::Data;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor, Obis};
use models::{DlmsSwitch, SwitchPlace};

use super::{ClientView, logical_name};

impl ClientView<'_> {
    pub(super) fn load_switch(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        if !self.is_load_switch(attribute.instance) {
            return Err(DataAccessResult::ObjectUndefined);
        }
        self.meter.act(|state, _| match attribute.attribute {
            1 => Ok(logical_name(attribute.instance)),
            2 => Ok(Data::Boolean(state.switch.closed())),
            3 => Ok(Data::Enum(state.switch.control().code())),
            4 => Ok(Data::Enum(state.switch.mode())),
            _ => Err(DataAccessResult::ObjectUndefined),
        })
    }

    pub(super) fn switch(&self, method: &MethodDescriptor) -> Result<(), ActionResult> {
        if !self.is_load_switch(method.instance) {
            return Err(ActionResult::ObjectUndefined);
        }
        self.meter.act(|state, now| match method.method {
            1 => state.switch.remote_disconnect(now),
            2 => state.switch.remote_reconnect(now),
            _ => Err(ActionResult::ObjectUndefined),
        })
    }

    fn is_load_switch(&self, name: Obis) -> bool {
        let switch = self.meter.fleet().plan.model.switch.as_ref();
        switch.is_some_and(|switch| switch.obis == name && switch.at.is_none())
    }

    /// What the numbers of a load switch mean that is a data object.
    pub(super) fn switch_numbers(&self, name: Obis) -> Option<DlmsSwitch> {
        let switch = self.meter.fleet().plan.model.switch.as_ref().filter(|switch| switch.obis == name)?;
        match switch.at {
            Some(SwitchPlace::Dlms(numbers)) => Some(numbers),
            _ => None,
        }
    }

    /// Moves a load switch that is a data object.
    pub(super) fn set_switch(&self, numbers: DlmsSwitch, value: &Data) -> Result<(), DataAccessResult> {
        let moved = self.meter.act(|state, now| match value {
            Data::Unsigned(number) if *number == numbers.connected => state.switch.remote_reconnect(now),
            Data::Unsigned(number) if *number == numbers.disconnected => state.switch.remote_disconnect(now),
            _ => Err(ActionResult::TypeUnmatched),
        });
        moved.map_err(|_| DataAccessResult::OtherReason)
    }
}

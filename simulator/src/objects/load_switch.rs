//! Disconnect control, class 70.

use dlms::axdr::Data;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor, Obis};

use super::{ClientView, logical_name};

const LOAD_SWITCH: Obis = Obis::new([0, 0, 96, 3, 10, 255]);

impl ClientView<'_> {
    pub(super) fn load_switch(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        if attribute.instance != LOAD_SWITCH {
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
        if method.instance != LOAD_SWITCH {
            return Err(ActionResult::ObjectUndefined);
        }
        self.meter.act(|state, now| match method.method {
            1 => state.switch.remote_disconnect(now),
            2 => state.switch.remote_reconnect(now),
            _ => Err(ActionResult::ObjectUndefined),
        })
    }
}

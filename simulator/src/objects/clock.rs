//! Clock, class 8.

use dlms::axdr::Data;
use dlms::{AttributeDescriptor, DataAccessResult};

use super::{ClientView, logical_name};
use crate::local::Offsets;

/// Minutes by which summer time moves the clocks.
const SUMMER_MIN: i8 = 60;

impl ClientView<'_> {
    pub(super) fn clock(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
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
}

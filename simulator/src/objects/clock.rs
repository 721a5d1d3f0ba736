//! Clock, class 8.

use dlms::axdr::Data;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, DateTime, MethodDescriptor};

use super::{ClientView, logical_name};
use crate::local::{Offsets, change_of_year, instant};

/// Minutes by which summer time moves the clocks.
const SUMMER_MIN: i8 = 60;
/// Method that moves the time, and the seconds that it takes (Blue Book, 4.5.1).
const SHIFT_TIME: i8 = 6;
const SHIFT_MAX: u16 = 900;

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
            5 => Ok(self.change(now, true)),
            6 => Ok(self.change(now, false)),
            7 => Ok(Data::Integer(SUMMER_MIN)),
            8 => Ok(Data::Boolean(change_of_year(self.meter.zone(), now, true).is_some())),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    pub(super) fn set_clock(
        &self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), DataAccessResult> {
        if attribute.instance != self.meter.fleet().plan.model.clock || attribute.attribute != 2 {
            return Err(DataAccessResult::ReadWriteDenied);
        }
        let time = DateTime::of(value, "clock").map_err(|_| DataAccessResult::TypeUnmatched)?;
        let at = instant(&time, self.meter.zone()).ok_or(DataAccessResult::TypeUnmatched)?;
        self.meter.set_clock(at);
        Ok(())
    }

    pub(super) fn move_clock(&self, method: &MethodDescriptor, parameter: &Data) -> Result<(), ActionResult> {
        let is_clock = method.instance == self.meter.fleet().plan.model.clock;
        match (is_clock, method.method, parameter) {
            (true, SHIFT_TIME, Data::Long(seconds)) if seconds.unsigned_abs() <= SHIFT_MAX => {
                self.meter.set_clock(self.meter.now() + i64::from(*seconds));
                Ok(())
            }
            (true, SHIFT_TIME, _) => Err(ActionResult::TypeUnmatched),
            _ => Err(ActionResult::ObjectUndefined),
        }
    }

    /// When summer time begins or ends in this year, in local time before the change; unspecified where there is none.
    fn change(&self, now: i64, begins: bool) -> Data {
        let change = change_of_year(self.meter.zone(), now, begins);
        Data::OctetString(change.map_or([0xFF; 12], |change| change.octets()).to_vec())
    }
}

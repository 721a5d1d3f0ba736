//! Single action schedule, class 22: the one that activates an image.

use dlms::axdr::Data;
use dlms::cosem::single_action_schedule::Execution;
use dlms::{AttributeDescriptor, DataAccessResult, DateTime, Obis};

use super::{ClientView, logical_name};
use crate::local::{instant, timestamp};

/// The script table that activates images, and the script in it (Blue Book, 4.5.2).
const ACTIVATION: (Obis, u16) = (Obis::new([0, 0, 10, 0, 107, 255]), 1);
/// One time, whose date may be unspecified.
const ONE_TIME: u8 = 1;

impl ClientView<'_> {
    pub(super) fn schedule(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        self.is_schedule(attribute.instance)?;
        match attribute.attribute {
            1 => Ok(logical_name(attribute.instance)),
            2 => {
                let (table, script) = ACTIVATION;
                Ok(Data::Structure(vec![logical_name(table), Data::LongUnsigned(script)]))
            }
            3 => Ok(Data::Enum(ONE_TIME)),
            4 => {
                let scheduled = self.meter.act(|state, _| state.image.scheduled());
                Ok(scheduled.map_or(Data::Array(Vec::new()), |time| time.to_data()))
            }
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    pub(super) fn set_schedule(
        &self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), DataAccessResult> {
        self.is_schedule(attribute.instance)?;
        if attribute.attribute != 4 {
            return Err(DataAccessResult::ReadWriteDenied);
        }
        let times = Execution::list_from_data(value).map_err(|_| DataAccessResult::TypeUnmatched)?;
        if times.len() > 1 {
            return Err(DataAccessResult::OtherReason);
        }
        let time = times.first().copied();
        // A time with unspecified parts is kept and never comes.
        let due = time.and_then(|time| instant(&local(time), self.meter.zone())).map(timestamp);
        self.meter.act(|state, _| state.image.schedule(time, due));
        Ok(())
    }

    fn is_schedule(&self, name: Obis) -> Result<(), DataAccessResult> {
        let firmware = self.meter.fleet().plan.model.firmware.as_ref();
        match firmware.and_then(|firmware| firmware.activation_schedule) {
            Some(schedule) if schedule == name => Ok(()),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }
}

/// The time as date-time without deviation.
fn local(Execution { time, date }: Execution) -> DateTime {
    let [y1, y2, month, day, weekday] = date;
    let [hour, minute, second, hundredths] = time;
    DateTime::new([y1, y2, month, day, weekday, hour, minute, second, hundredths, 0x80, 0, 0xFF])
}

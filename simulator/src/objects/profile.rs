//! Profile generic, class 7.

use dlms::axdr::Data;
use dlms::selection::Selection;
use dlms::{AttributeDescriptor, DataAccessResult, Obis};

use super::{ClientView, logical_name};
use crate::buffer;

/// FIFO: the oldest capture first.
const SORT_FIFO: u8 = 1;

impl ClientView<'_> {
    pub(super) fn profile(
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
}

/// The clock as a capture object.
fn sort_object(clock: Obis) -> Data {
    Data::Structure(vec![Data::LongUnsigned(8), logical_name(clock), Data::Integer(2), Data::LongUnsigned(0)])
}

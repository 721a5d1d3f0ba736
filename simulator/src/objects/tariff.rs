//! Activity calendar and special days table, classes 20 and 11.

use dlms::axdr::Data;
use dlms::cosem::activity_calendar::{self, Side};
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor, Obis};
use models::Tariff;

use super::{ClientView, logical_name};
use crate::local::{instant, timestamp};

impl ClientView<'_> {
    pub(super) fn calendar(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        let model = self.tariff(attribute.instance, |model| Some(model.calendar))?;
        let attribute_of = |side, index: i8| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            let attributes = self.meter.act(|state, _| state.tariffs.side(side, model.dates));
            attributes.into_iter().nth(index).ok_or(DataAccessResult::ObjectUndefined)
        };
        match attribute.attribute {
            1 => Ok(logical_name(attribute.instance)),
            number @ 2..=5 => attribute_of(Side::Active, number - 2),
            number @ 6..=9 => attribute_of(Side::Passive, number - 6),
            activity_calendar::ACTIVATION_TIME => {
                let time = self.meter.act(|state, _| state.tariffs.activation());
                Ok(model.dates.date_time(time))
            }
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    pub(super) fn set_calendar(
        &self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), DataAccessResult> {
        let model = self.tariff(attribute.instance, |model| Some(model.calendar))?;
        match attribute.attribute {
            number @ 6..=9 => {
                let index = usize::try_from(number - 6).unwrap_or(usize::MAX);
                self.meter.act(|state, _| state.tariffs.set_passive(index, value, model))
            }
            activity_calendar::ACTIVATION_TIME => {
                let (time, _) =
                    activity_calendar::date_time(value).map_err(|_| DataAccessResult::TypeUnmatched)?;
                let due = instant(&time, self.meter.zone()).map(timestamp);
                self.meter.act(|state, _| state.tariffs.set_activation(time, due));
                Ok(())
            }
            _ => Err(DataAccessResult::ReadWriteDenied),
        }
    }

    pub(super) fn activate_calendar(&self, method: &MethodDescriptor) -> Result<(), ActionResult> {
        self.tariff(method.instance, |model| Some(model.calendar))
            .map_err(|_| ActionResult::ObjectUndefined)?;
        if method.method != 1 {
            return Err(ActionResult::ObjectUndefined);
        }
        self.meter.act(|state, now| {
            let event = state.tariffs.activate()?;
            state.book.note(now, event);
            Ok(())
        })
    }

    pub(super) fn special_days(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        let model = self.tariff(attribute.instance, |model| model.special_days_table)?;
        match attribute.attribute {
            1 => Ok(logical_name(attribute.instance)),
            2 => Ok(self.meter.act(|state, _| state.tariffs.special_days(model.dates))),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    pub(super) fn set_special_days(
        &self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), DataAccessResult> {
        let model = self.tariff(attribute.instance, |model| model.special_days_table)?;
        match attribute.attribute {
            2 => self.meter.act(|state, _| state.tariffs.set_special_days(value, model)),
            _ => Err(DataAccessResult::ReadWriteDenied),
        }
    }

    pub(super) fn change_special_days(
        &self,
        method: &MethodDescriptor,
        parameter: &Data,
    ) -> Result<(), ActionResult> {
        let model = self
            .tariff(method.instance, |model| model.special_days_table)
            .map_err(|_| ActionResult::ObjectUndefined)?;
        self.meter.act(|state, _| match method.method {
            1 => state.tariffs.insert_special_day(parameter, model),
            2 => state.tariffs.delete_special_day(parameter),
            _ => Err(ActionResult::ObjectUndefined),
        })
    }

    /// How the model takes tariffs, when `name` is that of one of its objects.
    fn tariff(
        &self,
        name: Obis,
        object: impl Fn(&Tariff) -> Option<Obis>,
    ) -> Result<&Tariff, DataAccessResult> {
        let model = self.meter.fleet().plan.model.tariff.as_ref();
        model.filter(|model| object(model) == Some(name)).ok_or(DataAccessResult::ObjectUndefined)
    }
}

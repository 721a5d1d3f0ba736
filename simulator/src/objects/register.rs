//! Register, extended register and demand register: classes 3, 4 and 5.

use dlms::axdr::Data;
use dlms::{AttributeDescriptor, DataAccessResult, ScalerUnit};

use super::{ClientView, logical_name};

const DEMAND_PERIOD_S: u32 = 900;
const DEMAND_PERIODS: u16 = 3;

impl ClientView<'_> {
    pub(super) fn register(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        let key = (attribute.class_id, attribute.instance);
        let plan = self.meter.fleet().plan.registers.get(&key).ok_or(DataAccessResult::ObjectUndefined)?;
        let now = self.meter.moment(self.meter.now());
        match (attribute.class_id, attribute.attribute) {
            (_, 1) => Ok(logical_name(attribute.instance)),
            (_, 2) => Ok(match self.meter.act(|state, _| state.set.get(&attribute.instance).copied()) {
                Some(value) => plan.value.element(value),
                None => plan.value.data(now),
            }),
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
}

impl ClientView<'_> {
    /// Whether the model names the object among its registers, whatever its class.
    pub(super) fn is_register(&self, attribute: &AttributeDescriptor) -> bool {
        let key = (attribute.class_id, attribute.instance);
        let mut registers = self.meter.model().registers.iter();
        registers.any(|register| (register.class_id, register.obis) == key)
    }

    /// Sets the value, where the model allows that, in the type in which it is read.
    pub(super) fn set_register(
        &self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), DataAccessResult> {
        let key = (attribute.class_id, attribute.instance);
        let plan = &self.meter.fleet().plan;
        let quantity = plan.registers.get(&key).ok_or(DataAccessResult::ObjectUndefined)?.value;
        let may_be_set = plan.model.parameters().any(|(register, _)| register.obis == attribute.instance);
        if attribute.attribute != 2 || !may_be_set {
            return Err(DataAccessResult::ReadWriteDenied);
        }
        let number = match *value {
            Data::DoubleLong(number) => i64::from(number),
            Data::LongUnsigned(number) => i64::from(number),
            Data::DoubleLongUnsigned(number) => i64::from(number),
            _ => return Err(DataAccessResult::TypeUnmatched),
        };
        if quantity.element(number) != *value {
            return Err(DataAccessResult::TypeUnmatched);
        }
        self.meter.act(|state, _| state.set.insert(attribute.instance, number));
        Ok(())
    }
}

fn scaler_unit(ScalerUnit { scaler, unit }: ScalerUnit) -> Data {
    Data::Structure(vec![Data::Integer(scaler), Data::Enum(unit.0)])
}

//! Image transfer, class 18.

use dlms::axdr::Data;
use dlms::cosem::image_transfer::{Block, Initiation};
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor, Obis};

use super::{ClientView, logical_name};
use crate::fault::Trouble;

impl ClientView<'_> {
    pub(super) fn image(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        if !self.is_image_transfer(attribute.instance) {
            return Err(DataAccessResult::ObjectUndefined);
        }
        if attribute.attribute == 1 {
            return Ok(logical_name(attribute.instance));
        }
        let shown = self.meter.act(|state, _| state.image.attribute(attribute.attribute));
        shown.ok_or(DataAccessResult::ObjectUndefined)
    }

    pub(super) fn set_image(
        &self,
        attribute: &AttributeDescriptor,
        value: &Data,
    ) -> Result<(), DataAccessResult> {
        match (self.is_image_transfer(attribute.instance), attribute.attribute, value) {
            (false, ..) => Err(DataAccessResult::ObjectUndefined),
            (true, 5, Data::Boolean(enabled)) => {
                self.meter.act(|state, _| state.image.enable(*enabled));
                Ok(())
            }
            (true, 5, _) => Err(DataAccessResult::TypeUnmatched),
            (true, ..) => Err(DataAccessResult::ReadWriteDenied),
        }
    }

    pub(super) fn update(&self, method: &MethodDescriptor, parameter: &Data) -> Result<(), ActionResult> {
        if !self.is_image_transfer(method.instance) {
            return Err(ActionResult::ObjectUndefined);
        }
        let busy = |trouble| match self.meter.strikes(trouble) {
            true => Err(ActionResult::TemporaryFailure),
            false => Ok(()),
        };
        match method.method {
            1 => {
                let initiation = Initiation::from_data(parameter).map_err(|_| ActionResult::TypeUnmatched)?;
                self.meter.act(|state, _| state.image.initiate(initiation))
            }
            2 => {
                let block = Block::from_data(parameter).map_err(|_| ActionResult::TypeUnmatched)?;
                let lost = self.meter.strikes(Trouble::LostBlock);
                self.meter.act(|state, now| {
                    let event = state.image.store(&block, lost)?;
                    state.book.note(now, event);
                    Ok(())
                })
            }
            3 => {
                busy(Trouble::VerifyBusy)?;
                self.meter.act(|state, now| state.image.verify(now))
            }
            4 => {
                busy(Trouble::ActivateBusy)?;
                self.meter.act(|state, now| state.image.activate(now))
            }
            _ => Err(ActionResult::ObjectUndefined),
        }
    }

    fn is_image_transfer(&self, name: Obis) -> bool {
        let firmware = self.meter.fleet().plan.model.firmware.as_ref();
        firmware.is_some_and(|firmware| firmware.image_transfer == name)
    }
}

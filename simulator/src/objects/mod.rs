//! The objects of a meter, as the server of the protocol asks for them. Each group of objects has its file; here is what
//! they share: who may do what, and what becomes of a request that a fault strikes.

mod clock;
mod data;
mod image;
mod load_switch;
mod mbus;
mod object_list;
mod profile;
mod register;
mod schedule;
mod script;
mod tariff;

use dlms::axdr::Data;
use dlms::cosem::{activity_calendar, association, image_transfer, single_action_schedule, special_days};
use dlms::selection::Selection;
use dlms::server::Objects;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor, Obis};

use crate::fault::Trouble;
use crate::local::{Offsets, date_time};
use crate::meter::Meter;
use crate::{Access as Done, Event};

/// A meter as one client sees it.
#[derive(Debug)]
pub(crate) struct ClientView<'a> {
    pub(crate) meter: &'a Meter,
    pub(crate) access: Access,
    /// A fault ends the connection instead of the answer.
    pub(crate) cut: bool,
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Clock, names and invocation counter: the public client of a meter that demands more.
    Public,
    /// Everything.
    Full,
}

impl Objects for ClientView<'_> {
    fn get(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        match attribute.class_id {
            7 => return self.profile(attribute, selection, out),
            association::CLASS => return self.association(attribute, selection, out),
            _ => {}
        }
        if selection.is_some() {
            return Err(DataAccessResult::ScopeOfAccessViolated);
        }
        let value = match attribute.class_id {
            1 if !self.is_register(attribute) => self.data(attribute),
            1 | 3..=5 => self.register(attribute),
            8 => self.clock(attribute),
            script::CLASS => self.script_table(attribute),
            special_days::CLASS_ID => self.special_days(attribute),
            image_transfer::CLASS => self.image(attribute),
            activity_calendar::CLASS_ID => self.calendar(attribute),
            single_action_schedule::CLASS => self.schedule(attribute),
            70 => self.load_switch(attribute),
            mbus::CLASS => self.mbus_client(attribute),
            _ => Err(DataAccessResult::ObjectUndefined),
        }?;
        value.encode(out);
        Ok(())
    }

    fn set(&mut self, attribute: &AttributeDescriptor, value: &Data) -> Result<(), DataAccessResult> {
        self.full()?;
        if self.meter.strikes(Trouble::Unexecuted) {
            self.cut = true;
            return Err(DataAccessResult::OtherReason);
        }
        let result = match attribute.class_id {
            1 if !self.is_register(attribute) => self.set_data(attribute, value),
            1 | 3..=5 => self.set_register(attribute, value),
            8 => self.set_clock(attribute, value),
            special_days::CLASS_ID => self.set_special_days(attribute, value),
            image_transfer::CLASS => self.set_image(attribute, value),
            activity_calendar::CLASS_ID => self.set_calendar(attribute, value),
            single_action_schedule::CLASS => self.set_schedule(attribute, value),
            _ => Err(DataAccessResult::ReadWriteDenied),
        };
        let code = result.err().unwrap_or(DataAccessResult::Success).code();
        self.executed(attribute.class_id, attribute.instance, Done::Set(attribute.attribute), code);
        result
    }

    fn action(
        &mut self,
        method: &MethodDescriptor,
        parameter: Option<&Data>,
    ) -> Result<Option<Data>, ActionResult> {
        if self.access == Access::Public {
            return Err(ActionResult::ReadWriteDenied);
        }
        if self.meter.strikes(Trouble::Unexecuted) {
            self.cut = true;
            return Err(ActionResult::OtherReason);
        }
        let parameter = parameter.unwrap_or(&Data::NullData);
        let result = match method.class_id {
            script::CLASS => self.execute(method, parameter),
            special_days::CLASS_ID => self.change_special_days(method, parameter),
            image_transfer::CLASS => self.update(method, parameter),
            activity_calendar::CLASS_ID => self.activate_calendar(method),
            8 => self.move_clock(method, parameter),
            70 => self.switch(method),
            _ => Err(ActionResult::ReadWriteDenied),
        };
        let code = result.err().unwrap_or(ActionResult::Success).code();
        self.executed(method.class_id, method.instance, Done::Action(method.method), code);
        result.map(|()| None)
    }
}

impl ClientView<'_> {
    /// Notes a request that was executed, and whether its answer gets lost.
    fn executed(&mut self, class_id: u16, object: Obis, access: Done, result: u8) {
        // A block that was taken is in the ledger already, as what it is.
        let taken_block = (class_id, access, result) == (image_transfer::CLASS, Done::Action(2), 0);
        if !taken_block {
            let event = Event::Executed { class_id, object, access, result };
            self.meter.act(|state, at| state.book.note(at, event));
        }
        self.cut = self.meter.strikes(Trouble::Unanswered);
    }

    fn full(&self) -> Result<(), DataAccessResult> {
        match self.access {
            Access::Full => Ok(()),
            Access::Public => Err(DataAccessResult::ReadWriteDenied),
        }
    }

    fn time(&self, at: i64) -> Data {
        let octets = date_time(&mut Offsets::new(self.meter.zone()), at).octets();
        Data::OctetString(octets.to_vec())
    }
}

fn octets(text: &str) -> Data {
    Data::OctetString(text.as_bytes().to_vec())
}

fn logical_name(name: Obis) -> Data {
    Data::OctetString(name.octets().to_vec())
}

//! Association LN, class 15: the list of what a client sees.

use std::collections::BTreeSet;

use dlms::cosem::association::{self, CLASS, CURRENT, Object, Rights};
use dlms::cosem::dictionary::Class;
use dlms::cosem::{
    activity_calendar, disconnect_control, image_transfer, single_action_schedule, special_days,
};
use dlms::selection::{ObjectId, Selection};
use dlms::server::Objects as _;
use dlms::{AttributeDescriptor, DataAccessResult, Obis};
use models::{MBus, SwitchPlace, Transformers};

use super::{Access, ClientView, logical_name, mbus, script};

/// Version of the class: access modes are numbers.
const VERSION: u8 = 1;
/// Access modes.
const NO_ACCESS: u8 = 0;
const READ_ONLY: u8 = 1;

impl ClientView<'_> {
    pub(super) fn association(
        &mut self,
        attribute: &AttributeDescriptor,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        if attribute.instance != CURRENT {
            return Err(DataAccessResult::ObjectUndefined);
        }
        match (attribute.attribute, selection) {
            (1, None) => logical_name(CURRENT).encode(out),
            (2, None) => association::encode_list(&self.objects(|_| true, true), out),
            (2, Some(Selection::Objects(objects))) => {
                let listed = self.objects(|object| objects.takes(object), objects.with_rights());
                association::encode_list(&listed, out);
            }
            (2, Some(_)) => return Err(DataAccessResult::ScopeOfAccessViolated),
            _ => return Err(DataAccessResult::ObjectUndefined),
        }
        Ok(())
    }

    /// The objects that this client may read something of.
    fn objects(&mut self, takes: impl Fn(ObjectId) -> bool, with_rights: bool) -> Vec<Object> {
        let mut listed = Vec::new();
        for object in self.all() {
            let ObjectId { class_id, instance } = object;
            let Some(class) = Class::of(class_id).filter(|_| takes(object)) else { continue };
            let rights = self.rights(class, instance);
            if rights.attributes.iter().any(|(number, mode)| *number > 1 && *mode != NO_ACCESS) {
                let version = if class_id == CLASS { VERSION } else { class.version };
                listed.push(Object { class_id, version, instance, rights: with_rights.then_some(rights) });
            }
        }
        listed
    }

    /// Every object of the model, whoever may see it.
    fn all(&self) -> BTreeSet<ObjectId> {
        let plan = &self.meter.fleet().plan;
        let model = &plan.model;
        let identity = &model.identity;
        let names =
            [identity.serial, identity.logical_device_name, identity.firmware, model.invocation_counter];
        let lock = model.switch.iter().filter_map(|switch| switch.tamper_lock);
        let data = names.into_iter().chain(plan.statuses.iter().copied()).chain(lock).map(|name| (1, name));
        let firmware = model.firmware.iter().flat_map(|firmware| {
            let schedule = firmware.activation_schedule.map(|name| (single_action_schedule::CLASS, name));
            [Some((image_transfer::CLASS, firmware.image_transfer)), schedule].into_iter().flatten()
        });
        let tariff = model.tariff.iter().flat_map(|tariff| {
            let days = tariff.special_days_table.map(|name| (special_days::CLASS_ID, name));
            [Some((activity_calendar::CLASS_ID, tariff.calendar)), days].into_iter().flatten()
        });
        let billing = model.billing.iter().flat_map(|billing| {
            [Some((1, billing.counter)), billing.last.map(|last| (1, last))].into_iter().flatten()
        });
        let ratios = model.transformers.iter().flat_map(Transformers::objects).map(|name| (1, name));
        let tables = self.scripts().into_iter().map(|script| (script::CLASS, script.table));
        let data = data.chain(billing).chain(ratios).chain(tables);
        let objects =
            [(8, model.clock), (CLASS, CURRENT)].into_iter().chain(data).chain(firmware).chain(tariff);
        let objects = objects
            .chain(plan.registers.keys().copied())
            .chain(model.mbus.iter().flat_map(MBus::clients).map(|(_, client)| (mbus::CLASS, client)))
            .chain(model.profiles.iter().map(|profile| (7, profile.obis)))
            .chain(model.switch.iter().map(|switch| match switch.at {
                Some(SwitchPlace::Dlms(_)) => (1, switch.obis),
                _ => (disconnect_control::CLASS, switch.obis),
            }));
        objects.map(|(class_id, instance)| ObjectId { class_id, instance }).collect()
    }

    /// What can be read is found out by reading; only the two long lists are taken for granted.
    fn rights(&mut self, class: &'static Class, instance: Obis) -> Rights {
        let numbered = (1_i8..).take_while(|number| class.attribute(*number).is_some());
        let mut scratch = Vec::new();
        let attributes = numbered.map(|number| {
            let attribute = AttributeDescriptor { class_id: class.id, instance, attribute: number };
            let readable = match (class.id, number) {
                (7, 2) => self.access == Access::Full,
                (CLASS, 2) => true,
                _ => self.get(&attribute, None, &mut scratch).is_ok(),
            };
            (number, if readable { READ_ONLY } else { NO_ACCESS })
        });
        Rights { attributes: attributes.collect(), methods: Vec::new() }
    }
}

//! Script table, class 9: what ends a billing period and resets maximum demands.

use dlms::axdr::Data;
use dlms::{ActionResult, AttributeDescriptor, DataAccessResult, MethodDescriptor};
use models::Script;

use super::{ClientView, logical_name};

/// The class, and its method `execute`.
pub(super) const CLASS: u16 = 9;
const EXECUTE: i8 = 1;

impl ClientView<'_> {
    /// The scripts of the model, each once.
    pub(super) fn scripts(&self) -> Vec<Script> {
        let billing = self.meter.fleet().plan.model.billing.as_ref();
        let mut scripts: Vec<_> =
            billing.iter().flat_map(|billing| [billing.close, billing.reset_demand]).flatten().collect();
        scripts.dedup();
        scripts
    }

    pub(super) fn script_table(&self, attribute: &AttributeDescriptor) -> Result<Data, DataAccessResult> {
        self.full()?;
        let scripts = self.scripts();
        let mut scripts = scripts.iter().filter(|script| script.table == attribute.instance).peekable();
        scripts.peek().ok_or(DataAccessResult::ObjectUndefined)?;
        // What a script does in the meter is nobody's business: its list of actions is empty.
        let entry = |script: &Script| {
            Data::Structure(vec![Data::LongUnsigned(script.script), Data::Array(Vec::new())])
        };
        match attribute.attribute {
            1 => Ok(logical_name(attribute.instance)),
            2 => Ok(Data::Array(scripts.map(entry).collect())),
            _ => Err(DataAccessResult::ObjectUndefined),
        }
    }

    pub(super) fn execute(&self, method: &MethodDescriptor, parameter: &Data) -> Result<(), ActionResult> {
        let asked = match parameter {
            Data::LongUnsigned(script) => Script { table: method.instance, script: *script },
            _ => return Err(ActionResult::TypeUnmatched),
        };
        let scripts = self.scripts();
        if method.method != EXECUTE || scripts.iter().all(|script| script.table != asked.table) {
            return Err(ActionResult::ObjectUndefined);
        }
        if !scripts.contains(&asked) {
            return Err(ActionResult::OtherReason);
        }
        let closes = self.meter.fleet().plan.model.billing.as_ref().and_then(|billing| billing.close);
        self.meter.act(
            |state, now| {
                if closes == Some(asked) { state.resets.close(now) } else { state.resets.reset(now) }
            },
        );
        Ok(())
    }
}

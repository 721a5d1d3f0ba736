//! What holds for the order to clear a meter.

use std::time::Duration;

use dlt645::Edition;

use super::{Check, Unique};
use crate::{Error, Language, Model};

/// A look at all registers of all sub-units.
const SETTLE_MAX: Duration = Duration::from_secs(5 * 60);

impl Check<'_> {
    /// Only one language has the order, and its effect has to be seen.
    pub(super) fn clearing(&self, model: &Model) -> Result<(), Error> {
        let Some(clearing) = &model.clearing else { return Ok(()) };
        let has_order = matches!(&model.language, Language::Dlt645(spec) if spec.edition == Edition::Of2007);
        self.that(has_order, "clearing", || {
            "is nothing that a meter can that does not speak DL/T 645-2007".into()
        })?;
        self.that(clearing.whole || clearing.subunit, "clearing", || "needs `whole` or `subunit`".into())?;
        let is_reached = !clearing.subunit || (model.subunits > 0 && !model.names_subunits());
        self.that(is_reached, "clearing.subunit", || {
            "needs sub-units with addresses of their own, because the order names none".into()
        })?;
        self.that(!clearing.counters.is_empty(), "clearing.counters", || {
            "has no entries, at least 1 is expected".into()
        })?;
        let mut named = Unique::new();
        for (key, list) in
            [("clearing.counters", &clearing.counters), ("clearing.accounts", &clearing.accounts)]
        {
            for obis in list {
                self.unique(&mut named, obis, key)?;
                let is_there = model.registers.iter().any(|register| register.obis == *obis);
                self.that(is_there, key, || format!("names {obis}, which must be one of the registers"))?;
            }
        }
        self.that(clearing.settle <= SETTLE_MAX, "clearing.settle", || {
            format!("is {} s, at most {} s are allowed", clearing.settle.as_secs(), SETTLE_MAX.as_secs())
        })
    }
}

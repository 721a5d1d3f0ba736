//! What holds for the times at which a meter switches by itself.

use std::ops::RangeInclusive;

use super::Check;
use crate::{Error, Language, Model, TimesPlace};

/// Numbers of a slot (DL/T 645-2007, annex A).
const NUMBERS: RangeInclusive<u8> = 1..=99;

impl Check<'_> {
    /// A day table is of DL/T 645, and tells two states apart.
    pub(super) fn times(&self, model: &Model) -> Result<(), Error> {
        let Some(times) = &model.times else { return Ok(()) };
        let most = dlt645::DAY_SLOTS;
        self.that((1..=most).contains(&times.most.into()), "times.most", || {
            format!("is {}, must be 1 to {most}", times.most)
        })?;
        self.that(model.switch.is_some(), "times", || "needs a switch that it moves".into())?;
        let TimesPlace::Dlt645(place) = &times.at;
        let Language::Dlt645(spec) = &model.language else {
            return self.that(false, "times.at", || {
                format!("is of dlt645, and the meter speaks {}", model.language.as_str())
            });
        };
        self.item("times.at.dlt645.item", place.item, spec.edition)?;
        let are_two = NUMBERS.contains(&place.on) && NUMBERS.contains(&place.off) && place.on != place.off;
        self.that(are_two, "times.at.dlt645", || "needs two numbers for `on` and `off`, 1 to 99".into())
    }
}

//! What holds for the profiles of a language other than DLMS.

use std::ops::RangeInclusive;

use dlms::profile::Column;
use dlt645::Edition;

use super::{Check, kind};
use crate::{
    Dlt645, Dlt645Place, Dlt645Profile, Dlt645Records, Dlt645Settled, Error, ItemName, Language, Model,
    Place, Profile, ProfilePlace,
};

/// Items of load records from a given time on: the octets besides the class.
const RECORDS: u32 = 0x0600_0001;
const RECORDS_MASK: u32 = 0xFF00_FFFF;
const CLASS_MAX: u8 = 6;
/// An answer in 32 parts has room for so many records with all classes.
const AT_ONCE: RangeInclusive<u8> = 1..=50;
const MINUTE_S: u32 = 60;
/// Snapshots are numbered with one octet.
const SNAPSHOTS_MAX: u32 = 254;
const DAYS: RangeInclusive<usize> = 1..=3;

impl Check<'_> {
    /// Where a profile and its columns are, in the language of the model.
    pub(super) fn profile_place(&self, key: &str, profile: &Profile, model: &Model) -> Result<(), Error> {
        let (spec, at) = match (&model.language, &profile.at) {
            (Language::Dlms, at) => {
                let is_plain = at.is_none() && profile.columns.iter().all(|column| column.at.is_none());
                return self.that(is_plain, &format!("{key}.at"), || {
                    "says where something is, which meters that speak dlms say themselves".into()
                });
            }
            (Language::Dlt645(spec), Some(ProfilePlace::Dlt645(at))) => (spec, at),
            (language, _) => {
                return self.that(false, &format!("{key}.at"), || match language {
                    Language::Dlt645(_) => {
                        "is expected: `at.dlt645.records = …`, `frozen` or `settled`".into()
                    }
                    other => format!("is of dlt645, and the meter speaks {}", other.as_str()),
                });
            }
        };
        for (index, column) in profile.columns.iter().enumerate().skip(1) {
            let key = format!("{key}.columns[{index}]");
            self.that(kind(column) == Column::Value, &format!("{key}.class_id"), || {
                "must be that of a value: there is nothing else behind the time".into()
            })?;
            let Some(Place::Dlt645(place)) = &column.at else {
                return self.that(false, &format!("{key}.at"), || "is expected: `at.dlt645 = …`".into());
            };
            self.dlt645_column(&format!("{key}.at.dlt645"), place, (spec, at))?;
        }
        let key = format!("{key}.at.dlt645");
        match at {
            Dlt645Profile::Records(records) => self.dlt645_records(&key, records, (spec, profile)),
            Dlt645Profile::Frozen(frozen) => {
                self.snapshots(&key, frozen.step, profile)?;
                self.own_item(&format!("{key}.frozen.time"), frozen.time, spec.edition)
            }
            Dlt645Profile::Settled(settled) => self.dlt645_settled(&key, settled, (spec, profile)),
        }
    }

    fn dlt645_column(
        &self,
        key: &str,
        place: &Dlt645Place,
        (spec, at): (&Dlt645, &Dlt645Profile),
    ) -> Result<(), Error> {
        self.dlt645_place(key, place, (spec.edition, 0))?;
        self.own_item(&format!("{key}.item"), place.item, spec.edition)?;
        self.that(place.step == 0, &format!("{key}.step"), || {
            "is of sub-units, which a profile has not".into()
        })?;
        self.that(!place.bits, &format!("{key}.bits"), || "is of registers, a profile has numbers".into())?;
        let Dlt645Profile::Records(records) = at else { return Ok(()) };
        let is_asked_for = records.class().is_none_or(|class| class == place.item.class());
        let is_record = place.item.of(None).0 & RECORDS_MASK == RECORDS;
        self.that(is_record && is_asked_for && place.fits_class(), &format!("{key}.item"), || {
            "must be a class of the records, with its octets inside of the class".into()
        })
    }

    fn dlt645_records(
        &self,
        key: &str,
        records: &Dlt645Records,
        (spec, profile): (&Dlt645, &Profile),
    ) -> Result<(), Error> {
        let key = |name: &str| format!("{key}.records.{name}");
        self.that(spec.edition == Edition::Of2007, &key("item"), || {
            "the edition of 1997 has no load records".into()
        })?;
        self.own_item(&key("item"), records.item, spec.edition)?;
        let is_record = records.item.of(None).0 & RECORDS_MASK == RECORDS;
        self.that(is_record && records.item.class() <= CLASS_MAX, &key("item"), || {
            format!("`{}` must be 06000001 to 06060001", records.item)
        })?;
        records.interval.map_or(Ok(()), |item| self.own_item(&key("interval"), item, spec.edition))?;
        self.that(AT_ONCE.contains(&records.at_once), &key("at_once"), || {
            format!("is {}, must be {} to {}", records.at_once, AT_ONCE.start(), AT_ONCE.end())
        })?;
        let is_whole = profile.period_s > 0 && profile.period_s.is_multiple_of(MINUTE_S);
        self.that(is_whole, &key("item"), || "needs a `period_s` of whole minutes".into())
    }

    fn dlt645_settled(
        &self,
        key: &str,
        settled: &Dlt645Settled,
        (spec, profile): (&Dlt645, &Profile),
    ) -> Result<(), Error> {
        self.snapshots(key, settled.step, profile)?;
        self.that(profile.period_s == 0, &format!("{key}.settled"), || {
            "needs a `period_s` of 0: settlement periods are months".into()
        })?;
        self.that(spec.clock.is_some(), &format!("{key}.settled"), || {
            "needs `language.dlt645.clock`: when something was settled follows from it".into()
        })?;
        let key = format!("{key}.settled.days");
        self.that(DAYS.contains(&settled.days.len()), &key, || {
            format!("has {} entries, {} to {} are allowed", settled.days.len(), DAYS.start(), DAYS.end())
        })?;
        settled.days.iter().try_for_each(|day| self.own_item(&key, *day, spec.edition))
    }

    fn snapshots(&self, key: &str, step: u16, profile: &Profile) -> Result<(), Error> {
        self.that(step > 0, &format!("{key}.step"), || "must be more than 0".into())?;
        self.that(profile.depth <= SNAPSHOTS_MAX, &format!("{key}.depth"), || {
            format!("is {}, a meter counts {SNAPSHOTS_MAX} snapshots at most", profile.depth)
        })
    }

    /// An item of the address that is asked, whoever has it.
    fn own_item(&self, key: &str, item: ItemName, edition: Edition) -> Result<(), Error> {
        self.item(key, item, edition)?;
        self.that(!item.names_subunit(), key, || {
            format!("`{item}` names a sub-unit, and profiles are read of whoever has an address")
        })
    }
}

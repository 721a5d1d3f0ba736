//! The rules of a tariff file, and what becomes of one that keeps them.

use std::collections::{BTreeMap, BTreeSet};

use collectors::Activation;
use dlms::DateTime;
use dlms::cosem::activity_calendar::{Action, Calendar, Day, Season, Week};
use dlms::cosem::special_days::SpecialDay;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use models::Model;

use super::file::{self, File};
use super::{Problem, Tariff, moment};

/// Days of the week as a file names them.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// A part of a date that fits any, with the high and low octet of a year.
const ANY: u8 = 0xFF;
/// A time of activation so far ahead is a slip of the pen.
const AHEAD_YEARS: i32 = 10;

impl File {
    /// The tariff, when a meter of this model takes it and its time of activation is yet to come. `now` is our time and `zone` that of the
    /// meter's clock.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file.
    pub fn check(&self, model: &Model, now: Timestamp, zone: &TimeZone) -> Result<Tariff, Vec<Problem>> {
        let checked = self.tariff(model);
        let activation = match &checked {
            Ok(tariff) => Some(tariff.activation()),
            Err(_) => activation(&self.activation),
        };
        let Some(problem) = activation.and_then(|activation| untimely(activation, now, zone)) else {
            return checked;
        };
        let problem = Problem { field: "activation".into(), problem };
        Err(checked.err().into_iter().flatten().chain([problem]).collect())
    }

    /// The tariff, when a meter of this model takes it, whenever that is.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the file.
    pub fn tariff(&self, model: &Model) -> Result<Tariff, Vec<Problem>> {
        let Some(limits) = &model.tariff else {
            let problem = format!("meters of model {} take no tariffs", model.name);
            return Err(vec![Problem { field: "name".into(), problem }]);
        };
        let mut check = Check { file: self, limits, problems: Vec::new() };
        check.name("name", &self.name);
        check.rates();
        let days = check.days();
        let weeks = check.weeks();
        let seasons = check.seasons();
        let special_days = check.special_days();
        let activation = activation(&self.activation);
        check.that(activation.is_some(), "activation", || {
            format!("is `{}`, `now` or a time such as 2027-01-01T00:00 is expected", self.activation)
        });
        match activation {
            Some(activation) if check.problems.is_empty() => Ok(Tariff {
                calendar: Calendar { name: self.name.clone().into_bytes(), seasons, weeks, days },
                special_days,
                activation,
                day_types: self.day_types.keys().cloned().collect(),
            }),
            _ => Err(check.problems),
        }
    }
}

struct Check<'a> {
    file: &'a File,
    limits: &'a models::Tariff,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn rates(&mut self) {
        self.count("rates", self.file.rates.len(), 1, self.limits.rates);
        let mut numbers = BTreeSet::new();
        for (name, number) in &self.file.rates {
            let field = format!("rates.{name}");
            self.that((1..=self.limits.rates).contains(number), &field, || {
                format!("is {number}, the model has rates 1 to {}", self.limits.rates)
            });
            self.that(numbers.insert(number), &field, || format!("another rate has number {number}, too"));
        }
    }

    fn days(&mut self) -> Vec<Day> {
        self.count("day_types", self.file.day_types.len(), 1, self.limits.day_types);
        let days = self.file.day_types.iter().zip(1..=u8::MAX);
        days.map(|((name, switches), id)| Day { id, actions: self.switches(name, switches) }).collect()
    }

    fn switches(&mut self, name: &str, switches: &[file::Switch]) -> Vec<Action> {
        let path = format!("day_types.{name}");
        self.count(&path, switches.len(), 1, self.limits.switches_per_day);
        let mut actions: Vec<Action> = Vec::new();
        for (index, switch) in switches.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let selector = self.file.rates.get(&switch.rate).copied();
            self.that(selector.is_some(), &format!("{path}.rate"), || {
                format!("there is no rate `{}`", switch.rate)
            });
            let field = format!("{path}.from");
            let Some([hour, minute]) = moment::time_of_day(&switch.from) else {
                self.wrong(field, format!("is `{}`, a time such as 06:00 is expected", switch.from));
                continue;
            };
            match actions.last() {
                None => self.that(index > 0 || (hour, minute) == (0, 0), &field, || {
                    format!("is {}, a day begins at 00:00", switch.from)
                }),
                Some(Action { start: [h, m, ..], .. }) => {
                    self.that([hour, minute] > [*h, *m], &field, || {
                        format!(
                            "is {}, a time after {h:02}:{m:02}, where the rate before it begins, is expected",
                            switch.from
                        )
                    })
                }
            }
            let script = self.limits.script_table;
            actions.push(Action {
                start: [hour, minute, 0, 0],
                script,
                selector: selector.unwrap_or_default(),
            });
        }
        actions
    }

    fn weeks(&mut self) -> Vec<Week> {
        self.count("weeks", self.file.weeks.len(), 1, self.limits.weeks);
        let mut weeks = Vec::new();
        for (name, week) in &self.file.weeks {
            let path = format!("weeks.{name}");
            self.name(&path, name);
            let mut days = [0; 7];
            for (index, id) in days.iter_mut().enumerate() {
                *id = self.day_of_week(&path, week, index);
            }
            weeks.push(Week { name: name.clone().into_bytes(), days });
        }
        weeks
    }

    /// The number of the day type of a day of the week, from 0 for Monday.
    fn day_of_week(&mut self, path: &str, week: &file::Week, index: usize) -> u8 {
        let alone = [
            &week.monday,
            &week.tuesday,
            &week.wednesday,
            &week.thursday,
            &week.friday,
            &week.saturday,
            &week.sunday,
        ][index];
        let (group, together) =
            if index < 5 { ("weekdays", &week.weekdays) } else { ("weekend", &week.weekend) };
        let day = DAYS[index];
        let field = format!("{path}.{day}");
        match (alone, together) {
            (Some(name), None) => return self.day_type(&field, name),
            // What is wrong with the name of a group is said once.
            (None, Some(name)) if matches!(index, 0 | 5) => {
                return self.day_type(&format!("{path}.{group}"), name);
            }
            (None, Some(name)) => return self.number(name).unwrap_or_default(),
            (None, None) => self.wrong(field, format!("has no day type, neither here nor with `{group}`")),
            (Some(_), Some(_)) => self.wrong(field, format!("has a day type twice, here and with `{group}`")),
        }
        0
    }

    fn seasons(&mut self) -> Vec<Season> {
        self.count("seasons", self.file.seasons.len(), 1, self.limits.seasons);
        let mut starts = BTreeMap::new();
        for (name, season) in &self.file.seasons {
            let path = format!("seasons.{name}");
            self.name(&path, name);
            let known = self.file.weeks.contains_key(&season.week);
            self.that(known, &format!("{path}.week"), || format!("there is no week `{}`", season.week));
            let field = format!("{path}.from");
            // 29 February would begin a season in some years only.
            let Some(start) = moment::month_day(&season.from).filter(|start| *start != [2, 29]) else {
                let problem =
                    format!("is `{}`, month and day of every year such as 04-01 are expected", season.from);
                self.wrong(field, problem);
                continue;
            };
            if let Some((other, _)) = starts.insert(start, (name, season)) {
                self.wrong(field, format!("is {}, and season `{other}` begins then, too", season.from));
            }
        }
        let season = |([month, day], (name, season)): ([u8; 2], (&String, &file::Season))| Season {
            name: name.clone().into_bytes(),
            start: DateTime::new([ANY, ANY, month, day, ANY, 0, 0, 0, 0, 0x80, 0, 0]),
            week: season.week.clone().into_bytes(),
        };
        starts.into_iter().map(season).collect()
    }

    fn special_days(&mut self) -> Vec<SpecialDay> {
        self.count("special_days", self.file.special_days.len(), 0, self.limits.special_days);
        let mut seen: BTreeMap<[u8; 2], BTreeSet<Option<u16>>> = BTreeMap::new();
        let mut days = Vec::new();
        for (special, position) in self.file.special_days.iter().zip(1_u16..) {
            let path = format!("special_days[{}]", position - 1);
            let day = self.day_type(&format!("{path}.day_type"), &special.day_type);
            let field = format!("{path}.date");
            let Some((year, [month, day_of_month])) = moment::date(&special.date) else {
                let problem =
                    format!("is `{}`, a date such as 12-25 or 2027-03-29 is expected", special.date);
                self.wrong(field, problem);
                continue;
            };
            let years = seen.entry([month, day_of_month]).or_default();
            // A date of every year covers that of any.
            let is_double = match year {
                None => !years.is_empty(),
                Some(_) => years.contains(&year) || years.contains(&None),
            };
            years.insert(year);
            self.that(!is_double, &field, || format!("{} is a special day already", special.date));
            let [high, low] = year.unwrap_or(u16::MAX).to_be_bytes();
            days.push(SpecialDay { index: position, date: [high, low, month, day_of_month, ANY], day });
        }
        days
    }

    /// The number of a day type that must exist.
    fn day_type(&mut self, field: &str, name: &str) -> u8 {
        let number = self.number(name);
        self.that(number.is_some(), field, || format!("there is no day type `{name}`"));
        number.unwrap_or_default()
    }

    /// The number of a day type: its position.
    fn number(&self, name: &str) -> Option<u8> {
        let position = self.file.day_types.keys().position(|known| known == name)?;
        u8::try_from(position + 1).ok()
    }

    /// A name that the meter shows.
    fn name(&mut self, field: &str, name: &str) {
        let limit = self.limits.name_octets;
        let visible = name.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ');
        // Meters fill names up with spaces, so those at the end of a name would be lost.
        let fits = (1..=usize::from(limit)).contains(&name.len()) && visible && name.trim_end() == name;
        self.that(fits, field, || {
            format!(
                "the name must have 1 to {limit} visible characters of ASCII, it has {} octets",
                name.len()
            )
        });
    }

    fn count(&mut self, field: &str, count: usize, least: usize, most: u16) {
        self.that((least..=usize::from(most)).contains(&count), field, || match most {
            0 => "the model has none".into(),
            _ => format!("has {count} entries, {least} to {most} are possible with this model"),
        });
    }

    fn that(&mut self, holds: bool, field: &str, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(Problem { field: field.to_owned(), problem: problem() });
        }
    }

    fn wrong(&mut self, field: String, problem: String) {
        self.problems.push(Problem { field, problem });
    }
}

/// When a tariff comes into force, as a file says it.
fn activation(text: &str) -> Option<Activation> {
    if text == "now" {
        return Some(Activation::Now);
    }
    moment::date_time(text).map(Activation::At)
}

/// What speaks against a time of activation.
fn untimely(activation: Activation, now: Timestamp, zone: &TimeZone) -> Option<String> {
    let Activation::At(time) = activation else { return None };
    let is_past = time.to_zoned(zone.clone()).map_or(true, |zoned| zoned.timestamp() <= now);
    if is_past {
        return Some(format!("is {time}, which is in the past"));
    }
    let is_far = time.date() > now.to_zoned(zone.clone()).date().saturating_add(AHEAD_YEARS.years());
    is_far.then(|| format!("is {time}, more than {AHEAD_YEARS} years ahead"))
}

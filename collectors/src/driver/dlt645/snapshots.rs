//! Snapshots: counted from the last one back, so that a new one gives all of them other numbers.

use std::collections::BTreeMap;

use dlt645::{Address, Format, Identifier, Moment, Request};
use jiff::{Timestamp, ToSpan, civil};
use models::{Dlt645Frozen, Dlt645Profile, Dlt645Settled, Profile, ProfilePlace};

use super::{
    Asked, Dlt645Driver, exact,
    profile::{Wanted, add, calendar, cell, undeviating},
    wrong,
};
use crate::{
    Captures, Event,
    diagnosis::{Setback, Stage},
    driver::{capture_subject, no_value, profile_subject, unsupported},
    exchange::Subject,
    layout::certain,
    line::LineError,
    time::instant,
    turn::Turn,
};

/// Snapshots that are reported at once.
const CHUNK: usize = 8;
/// How often reading begins anew because the meter has taken another snapshot meanwhile.
const STARTS_MAX: u32 = 4;
/// Hour and day of a settlement that does not take place.
const NEVER: [u8; 2] = [0x99, 0x99];

impl Dlt645Driver<'_> {
    /// Reads the snapshots of a range, which is covered by them then.
    pub(super) async fn snapshots(
        &mut self,
        turn: &mut Turn<'_>,
        place: &Dlt645Profile,
        wanted: &Wanted<'_>,
    ) -> Result<(Timestamp, Timestamp), Setback> {
        let (mut first, mut reported, mut missing) = (None, None, None);
        for _ in 0..STARTS_MAX {
            let taken = self.taken(turn, place, wanted).await?;
            let mut due: Vec<(u32, Timestamp)> = (0..)
                .zip(&taken)
                .filter(|(_, at)| wanted.holds(**at) && Some(**at) > reported)
                .map(|(number, at)| (number, *at))
                .collect();
            due.reverse();
            let mut is_moved = false;
            for some in due.chunks(CHUNK) {
                let captures = self.numbered(turn, place, wanted, some, &mut missing).await?;
                // Numbers that were read while another snapshot was taken are nobody knows whose.
                is_moved = self.newest(turn, place, wanted).await? != taken.first().copied();
                if is_moved {
                    break;
                }
                if let Some(last) = captures.at.last() {
                    first = first.or(captures.at.first().copied());
                    reported = Some(*last);
                    turn.report(Event::Captures(captures)).await?;
                }
                turn.progressed();
            }
            if !is_moved {
                // A meter that has none of what is due keeps no such snapshots; one that has some did not exist before.
                return match missing.filter(|_| reported.is_none()) {
                    Some(setback) => Err(setback),
                    None => Ok(certain(wanted.layout.period_s, (wanted.from, wanted.to), first)),
                };
            }
        }
        Err(wrong("it takes snapshots faster than they can be read"))
    }

    /// The snapshots with these numbers, from 0 on; without those of which the meter has nothing: why not, is in `missing`.
    async fn numbered(
        &self,
        turn: &mut Turn<'_>,
        place: &Dlt645Profile,
        wanted: &Wanted<'_>,
        snapshots: &[(u32, Timestamp)],
        missing: &mut Option<Setback>,
    ) -> Result<Captures, Setback> {
        let mut captures = wanted.captures();
        for (number, at) in snapshots {
            turn.yield_to_urgent().await?;
            let mut items: BTreeMap<Identifier, Option<Vec<u8>>> = BTreeMap::new();
            for column in &wanted.places {
                let item = column.item.back(*number, place.step().unwrap_or_default());
                if items.contains_key(&item) {
                    continue;
                }
                let octets = match self.item(turn, item, wanted.subject).await {
                    Ok(octets) => Some(octets),
                    Err(setback) if setback.is_absence() => {
                        *missing = Some(setback);
                        None
                    }
                    Err(setback) => return Err(setback),
                };
                items.insert(item, octets);
            }
            if items.values().all(Option::is_none) {
                continue;
            }
            let values = wanted.places.iter().map(|column| {
                let item = column.item.back(*number, place.step().unwrap_or_default());
                let octets = items.get(&item).and_then(Option::as_deref);
                cell(column, octets.and_then(|octets| octets.get(usize::from(column.offset)..)))
            });
            add(&mut captures, *at, values.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(captures)
    }

    /// When snapshots were taken, the last one first, down to the first one that is too old to be wanted.
    async fn taken(
        &self,
        turn: &mut Turn<'_>,
        place: &Dlt645Profile,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Timestamp>, Setback> {
        match place {
            Dlt645Profile::Records(_) => Ok(Vec::new()),
            Dlt645Profile::Settled(settled) => self.settled(turn, settled, wanted).await,
            Dlt645Profile::Frozen(frozen) => {
                let mut taken = Vec::new();
                for number in 0..wanted.depth {
                    turn.yield_to_urgent().await?;
                    let Some(at) = self.frozen(turn, frozen, number, wanted.subject).await? else { break };
                    taken.push(at);
                    if at < wanted.from {
                        break;
                    }
                }
                Ok(taken)
            }
        }
    }

    /// When the last snapshot was taken.
    async fn newest(
        &self,
        turn: &mut Turn<'_>,
        place: &Dlt645Profile,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Timestamp>, Setback> {
        match place {
            Dlt645Profile::Frozen(frozen) => self.frozen(turn, frozen, 0, wanted.subject).await,
            _ => Ok(self.taken(turn, place, wanted).await?.first().copied()),
        }
    }

    /// When the snapshot with a number was taken; `None` when there is none with it yet.
    async fn frozen(
        &self,
        turn: &mut Turn<'_>,
        frozen: &Dlt645Frozen,
        number: u32,
        subject: Subject,
    ) -> Result<Option<Timestamp>, Setback> {
        let octets = match self.item(turn, frozen.time.back(number, frozen.step), subject).await {
            Ok(octets) => octets,
            // A meter that does not know the first one keeps no such snapshots.
            Err(setback) if setback.is_absence() && number > 0 => return Ok(None),
            Err(setback) => return Err(setback),
        };
        if octets.iter().all(|octet| *octet == 0) || octets.iter().all(|octet| *octet == 0xFF) {
            return Ok(None);
        }
        let moment = Moment::from_minutes(exact(&octets)?)
            .ok_or_else(|| wrong("a snapshot has a time that is not on the calendar"))?;
        self.instant(turn, calendar(moment)?).map(Some)
    }

    /// When periods were settled.
    async fn settled(
        &self,
        turn: &mut Turn<'_>,
        settled: &Dlt645Settled,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Timestamp>, Setback> {
        let mut days = Vec::with_capacity(settled.days.len());
        for item in &settled.days {
            let octets: [u8; 2] = match self.item(turn, item.of(None), wanted.subject).await {
                Ok(octets) => exact(&octets)?,
                // Meters that settle once a month may know no second day.
                Err(setback) if setback.is_absence() && !days.is_empty() => continue,
                Err(setback) => return Err(setback),
            };
            if octets != NEVER {
                days.push(day_and_hour(octets)?);
            }
        }
        let now = self.clock(turn).await?;
        let settled = settlements(now, &days, wanted.depth);
        settled.into_iter().map(|local| self.instant(turn, local)).collect()
    }

    /// When the last snapshot was taken that was ordered; `None` when there is none yet.
    pub(in crate::driver) async fn last_snapshot(
        &self,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Timestamp>, Setback> {
        let (profile, frozen) = self.ordered(turn)?;
        self.frozen(turn, frozen, 0, profile_subject(profile.obis)).await
    }

    /// Orders a snapshot once. To everybody it is a broadcast, which nobody answers: what came of it is read.
    pub(in crate::driver) async fn take_snapshot(
        &self,
        turn: &mut Turn<'_>,
        everybody: bool,
    ) -> Result<(), Setback> {
        let (profile, _) = self.ordered(turn)?;
        let subject = capture_subject(profile.obis);
        if !everybody {
            return self.ask::<true>(turn, &Asked { request: Request::FreezeNow, subject }).await.map(drop);
        }
        let octets = self.spoken(&Request::FreezeNow, Address::BROADCAST)?;
        turn.say_farewell(&octets).await;
        Err(Setback::Line(Stage::Open, LineError::Silent))
    }

    /// The snapshots that are taken by order.
    fn ordered(&self, turn: &Turn<'_>) -> Result<(&Profile, &Dlt645Frozen), Setback> {
        let found = self.model.profiles.iter().find_map(|profile| match &profile.at {
            Some(ProfilePlace::Dlt645(Dlt645Profile::Frozen(frozen))) if frozen.ordered => {
                Some((profile, frozen))
            }
            _ => None,
        });
        found.ok_or_else(|| unsupported(turn, "take_snapshot"))
    }

    /// The instant of a local time; the first one where there are two.
    fn instant(&self, turn: &Turn<'_>, local: civil::DateTime) -> Result<Timestamp, Setback> {
        let station = turn.station();
        instant(&undeviating(local)?, &station.zone, &station.model.quirks)
            .ok_or_else(|| wrong("a snapshot has a time that is not on the calendar"))
    }
}

/// The day of the month and the hour of a settlement.
fn day_and_hour([hour, day]: [u8; 2]) -> Result<(i8, i8), Setback> {
    let two = |octet: u8| {
        let number = Format { octets: 1, decimals: 0, signed: false }.read(&[octet], 0).map_err(wrong)?;
        i8::try_from(number.ok_or_else(no_value)?.mantissa).map_err(wrong)
    };
    let (day, hour) = (two(day)?, two(hour)?);
    if !(1..=31).contains(&day) || hour > 23 {
        return Err(wrong(format!("it settles on day {day} at {hour}:00")));
    }
    Ok((day, hour))
}

/// The last times up to `now` at which periods were settled, the last one first; as many as the meter keeps.
fn settlements(now: civil::DateTime, days: &[(i8, i8)], depth: u32) -> Vec<civil::DateTime> {
    // A month may be without the day.
    let months = (0..=i64::from(depth) * 2)
        .filter_map(|back| now.date().first_of_month().checked_sub(back.months()).ok());
    let mut times: Vec<civil::DateTime> = months
        .flat_map(|month| days.iter().map(move |(day, hour)| (month, *day, *hour)))
        .filter_map(|(month, day, hour)| {
            civil::DateTime::new(month.year(), month.month(), day, hour, 0, 0, 0).ok()
        })
        .filter(|time| *time <= now)
        .collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    times.dedup();
    times.truncate(usize::try_from(depth).unwrap_or(usize::MAX));
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settlements_follow_from_the_days_and_the_clock() {
        let at = |text: &str| text.parse::<civil::DateTime>().unwrap();
        let some = settlements(at("2026-03-15T12:00"), &[(1, 0)], 3);
        assert_eq!(some, ["2026-03-01T00:00", "2026-02-01T00:00", "2026-01-01T00:00"].map(at));
        let some = settlements(at("2026-03-15T11:59"), &[(1, 0), (15, 12)], 3);
        assert_eq!(some, ["2026-03-01T00:00", "2026-02-15T12:00", "2026-02-01T00:00"].map(at));
        // There is no 31st of February, and no settlement on it.
        let some = settlements(at("2026-03-15T12:00"), &[(31, 0)], 2);
        assert_eq!(some, ["2026-01-31T00:00", "2025-12-31T00:00"].map(at));
        assert_eq!(settlements(at("2026-03-15T12:00"), &[], 2), []);
    }

    #[test]
    fn a_day_of_settlement_is_read_with_its_hour_first() {
        assert_eq!(day_and_hour([0x12, 0x28]), Ok((28, 12)));
        assert!(day_and_hour([0x24, 0x01]).is_err() && day_and_hour([0, 0]).is_err());
        assert!(day_and_hour([0x0A, 0x01]).is_err());
    }
}

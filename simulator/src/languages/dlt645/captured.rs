//! What profiles captured, as a station keeps it: load records and snapshots.

use dlt645::{CLASS_OCTETS, CLASSES, Format, Identifier, Moment, Record};
use jiff::{Timestamp, civil::DateTime};
use models::{Dlt645Place, Dlt645Profile, Dlt645Records, Place, Profile, ProfilePlace};

use super::{Dlt645Station, calendar, moment};
use crate::Meter;

const MINUTE_S: u32 = 60;
const INTERVAL: Format = Format { octets: 2, decimals: 0, signed: false };
/// Settlement on the first of the month at midnight, and none: hour and day.
const FIRST: [u8; 2] = [0x00, 0x01];
const NEVER: [u8; 2] = [0x99, 0x99];

impl Dlt645Station {
    /// The octets of an item that has to do with a profile; `rest` stands behind the item in the request.
    pub(super) fn captured(&self, item: Identifier, rest: &[u8], asked: Option<u8>) -> Option<Vec<u8>> {
        let meter = self.device.part(asked)?;
        let profiles = self.device.model().profiles.iter().enumerate();
        profiles.into_iter().find_map(|(index, profile)| {
            let Some(ProfilePlace::Dlt645(place)) = &profile.at else { return None };
            match place {
                Dlt645Profile::Records(records) => recorded(meter, (index, profile), records, (item, rest)),
                Dlt645Profile::Frozen(frozen) => {
                    let time = |number: u32| frozen.time.back(number, frozen.step) == item;
                    match (0..profile.depth).find(|number| time(*number)) {
                        Some(number) => Some(match nth_last(meter, (index, place), number) {
                            Some(at) => moment(local(meter, at)).minutes().to_vec(),
                            None => vec![0; 5],
                        }),
                        None => snapshot(meter, (index, profile), place, item),
                    }
                }
                Dlt645Profile::Settled(settled) => {
                    match settled.days.iter().position(|day| day.of(None) == item) {
                        Some(0) => Some(FIRST.to_vec()),
                        Some(_) => Some(NEVER.to_vec()),
                        None => snapshot(meter, (index, profile), place, item),
                    }
                }
            }
        })
    }
}

/// What is asked of load records.
fn recorded(
    meter: &Meter,
    (index, profile): (usize, &Profile),
    records: &Dlt645Records,
    (item, rest): (Identifier, &[u8]),
) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    if records.interval.is_some_and(|interval| interval.of(None) == item) {
        INTERVAL.write(i64::from(profile.period_s / MINUTE_S), &mut octets)?;
        return Some(octets);
    }
    let view = meter.view(index);
    let (count, times) = rest.split_first()?;
    let times: Vec<i64> = match item {
        item if item == records.item.of(None) => {
            let from = instant(meter, Moment::from_minutes(*times.first_chunk()?)?)?;
            view.captures(from, meter.now()).take(usize::from(*count)).collect()
        }
        item if item == records.oldest() => view.all().take(1).collect(),
        item if item == records.last() => view.all().last().into_iter().collect(),
        _ => return None,
    };
    for at in times {
        let values = meter.row(index, at);
        let mut classes: [Vec<u8>; CLASSES] = Default::default();
        for (place, value) in places(profile).zip(values) {
            let class = usize::from(place.item.class()).checked_sub(1)?;
            let octets = classes.get_mut(class)?;
            octets.resize(CLASS_OCTETS[class].into(), 0);
            put(octets, place, value)?;
        }
        let at = moment(local(meter, at));
        let record = Record { at, classes: classes.each_ref().map(Vec::as_slice), damaged: false };
        record.write(records.class(), &mut octets).ok()?;
    }
    Some(octets)
}

/// An item of a snapshot.
fn snapshot(
    meter: &Meter,
    (index, profile): (usize, &Profile),
    place: &Dlt645Profile,
    item: Identifier,
) -> Option<Vec<u8>> {
    let step = place.step()?;
    let is_of = |place: &Dlt645Place, number: u32| place.item.back(number, step) == item;
    let number = (0..profile.depth).find(|number| places(profile).any(|place| is_of(place, *number)))?;
    let values = meter.row(index, nth_last(meter, (index, place), number)?);
    let mut octets = Vec::new();
    for (place, value) in places(profile).zip(values).filter(|(place, _)| is_of(place, number)) {
        let end = usize::from(place.offset) + usize::from(place.octets);
        octets.resize(octets.len().max(end), 0);
        put(&mut octets, place, value)?;
    }
    Some(octets)
}

fn places(profile: &Profile) -> impl Iterator<Item = &Dlt645Place> {
    profile.columns.iter().filter_map(|column| match &column.at {
        Some(Place::Dlt645(place)) => Some(place),
        _ => None,
    })
}

/// Writes the digits of a value that there is room for.
fn put(octets: &mut [u8], place: &Dlt645Place, value: i64) -> Option<()> {
    let mut number = Vec::new();
    place.format().write(value % 10_i64.pow(u32::from(place.octets) * 2), &mut number)?;
    let start = usize::from(place.offset);
    octets.get_mut(start..start + number.len())?.copy_from_slice(&number);
    Some(())
}

/// When the snapshot was taken that is so many snapshots back.
fn nth_last(meter: &Meter, (index, place): (usize, &Dlt645Profile), number: u32) -> Option<i64> {
    let all: Vec<i64> = match place {
        Dlt645Profile::Frozen(frozen) if frozen.ordered => meter.act(|state, _| state.snapshots.clone()),
        _ => meter.view(index).all().collect(),
    };
    all.into_iter().nth_back(usize::try_from(number).ok()?)
}

fn local(meter: &Meter, at: i64) -> DateTime {
    Timestamp::from_second(at).unwrap_or_default().to_zoned(meter.zone().clone()).datetime()
}

/// The instant of a local time of this century.
fn instant(meter: &Meter, at: Moment) -> Option<i64> {
    let zoned = calendar(at)?.to_zoned(meter.zone().clone()).ok()?;
    Some(zoned.timestamp().as_second())
}

//! What a meter does not keep without a gap: load records that are missing, damaged or too many to be looked for, and snapshots that get other numbers while they are
//! read. The meter is written down here, frame by frame, so that it can do all of that.

use std::{collections::BTreeMap, sync::Mutex};

use collectors::{Dialer, Instruments, MemoryDialer, ProfileRange};
use dlt645::{Address, CLASSES, Control, Moment, Record, Refusal, Splitter, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

const SERIAL: u64 = 4711;
const QUARTER: SignedDuration = SignedDuration::from_mins(15);

/// A meter that keeps load records and daily snapshots.
#[derive(Default)]
struct Keeper {
    /// Imported energy by the time of the record; none where the record is damaged.
    records: BTreeMap<Timestamp, Option<u32>>,
    /// It gives records from a time on only when it has one of that time.
    is_exact: bool,
    /// When snapshots were taken, the last one first.
    snapshots: Vec<Timestamp>,
    /// After so many values of snapshots another one is taken.
    takes_after: Option<u32>,
    asked: u32,
}

fn local(at: Timestamp) -> Moment {
    let local = at.to_zoned(TimeZone::UTC).datetime();
    let two = |number: i8| number.unsigned_abs();
    Moment {
        year: u8::try_from(local.year() - 2000).unwrap(),
        month: two(local.month()),
        day: two(local.day()),
        hour: two(local.hour()),
        minute: two(local.minute()),
        second: 0,
    }
}

fn bcd(number: u32) -> [u8; 4] {
    let two = |pair: u32| u8::try_from(((pair / 10) << 4) | (pair % 10)).unwrap();
    [0, 1, 2, 3].map(|place| two(number / 100_u32.pow(place) % 100))
}

/// What a snapshot of that time holds.
fn frozen(at: Timestamp) -> u32 {
    u32::try_from(at.as_second() / 86_400).unwrap()
}

impl Keeper {
    fn answer(&mut self, item: u32, rest: &[u8]) -> Option<Vec<u8>> {
        self.asked += 1;
        match item {
            0x0400_0402 => Some([bcd(u32::try_from(SERIAL).unwrap()).as_slice(), &[0, 0]].concat()),
            0x0604_0000 => Some(self.written(self.records.iter().take(1))),
            0x0604_0002 => Some(self.written(self.records.iter().rev().take(1))),
            0x0604_0001 => {
                let wanted = Moment::from_minutes(rest[1..6].try_into().unwrap()).unwrap();
                let from =
                    *self.records.keys().find(|at| local(**at).minutes() == wanted.minutes()).or_else(
                        || {
                            let key = |moment: Moment| {
                                [moment.year, moment.month, moment.day, moment.hour, moment.minute]
                            };
                            self.records.keys().find(|at| !self.is_exact && key(local(**at)) > key(wanted))
                        },
                    )?;
                Some(self.written(self.records.range(from..).take(rest[0].into())))
            }
            _ if item & 0xFFFF_FF00 == 0x0506_0000 => {
                let number = usize::try_from(item & 0xFF).unwrap();
                Some(self.snapshots.get(number - 1).map_or(vec![0; 5], |at| local(*at).minutes().to_vec()))
            }
            _ if item & 0xFFFF_FF00 == 0x0506_0100 => {
                let number = usize::try_from(item & 0xFF).unwrap();
                let value = frozen(*self.snapshots.get(number - 1)?);
                if let Some(left) = self.takes_after.as_mut() {
                    *left -= 1;
                    if *left == 0 {
                        self.takes_after = None;
                        self.snapshots.insert(0, self.snapshots[0] + SignedDuration::from_hours(24));
                    }
                }
                Some(bcd(value).to_vec())
            }
            _ => None,
        }
    }

    fn written<'a>(&self, records: impl Iterator<Item = (&'a Timestamp, &'a Option<u32>)>) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, value) in records {
            let energies = [bcd(value.unwrap_or_default()).as_slice(), &[0; 12]].concat();
            let mut classes: [&[u8]; CLASSES] = [&[]; CLASSES];
            classes[3] = &energies;
            let record = Record { at: local(*at), classes, damaged: value.is_none() };
            record.write(Some(4), &mut out).unwrap();
        }
        assert!(out.len() < 190, "one frame is enough for what is asked here");
        out
    }

    async fn play(keeper: Arc<Mutex<Self>>, mut lines: mpsc::Receiver<DuplexStream>) {
        let own: Address = SERIAL.to_string().parse().unwrap();
        while let Some(mut line) = lines.recv().await {
            let (mut splitter, mut chunk) = (Splitter::new(), [0; 512]);
            while let Ok(got @ 1..) = line.read(&mut chunk).await {
                splitter.push(&chunk[..got]);
                let mut out = Vec::new();
                while let Some(asked) = splitter.next_frame() {
                    assert_eq!(asked.address, own);
                    let (name, rest) = asked.data.split_first_chunk::<4>().unwrap();
                    match keeper.lock().unwrap().answer(u32::from_le_bytes(*name), rest) {
                        Some(octets) => {
                            let data = [name.as_slice(), &octets].concat();
                            frame(own, Control::done(asked.control.function(), false), &data, &mut out)
                                .unwrap();
                        }
                        None => {
                            let refused = Control::refused(asked.control.function());
                            frame(own, refused, &[Refusal::NO_SUCH_ITEM.0], &mut out).unwrap();
                        }
                    }
                }
                let _ = line.write_all(&out).await;
            }
        }
    }
}

/// What came of reading a profile of a meter.
async fn read(keeper: Keeper, profile: &str, (from, to): (Timestamp, Timestamp)) -> (Done, u32) {
    let mut model = Model::clone(&models::builtin().unwrap()["generic-dlt645"]);
    for profile in &mut model.profiles {
        // One value is enough.
        profile.columns.truncate(2);
    }
    if let Some(models::ProfilePlace::Dlt645(models::Dlt645Profile::Records(records))) =
        &mut model.profiles[0].at
    {
        records.at_once = 6;
    }
    let obis = model.profile(profile).unwrap().obis;
    let station = Station {
        meter: 1,
        address: "serial:///dev/bus?baud=9600&parity=even".parse().unwrap(),
        device_address: Some(SERIAL),
        subunit: None,
        via: None,
        server_sap: 1,
        client_sap: 16,
        credentials: Credentials::none(),
        model: Arc::new(model),
        serial: Some(SERIAL.to_string()),
        zone: TimeZone::UTC,
    };
    let (dialer, lines) = MemoryDialer::new();
    let keeper = Arc::new(Mutex::new(keeper));
    let player = tokio::spawn(Keeper::play(Arc::clone(&keeper), lines));
    let (reports, mut reported) = mpsc::channel(64);
    let (sender, receiver) = mpsc::channel(1);
    let task = Task::ReadProfile(ProfileRange { obis, from, to, layout: None, last: None });
    let (station, span) = (Arc::new(station), tracing::Span::none());
    let work = Work { job: 0, station, counters: None, seed: Seed::new([42; 32]), task, priority: 0, span };
    sender.try_send(work).unwrap();
    drop(sender);
    let channel =
        Channel::with(Limits::default(), reports, Dialer::Memory(dialer), Arc::new(collectors::SystemClock));
    let (mut events, mut end) = (Vec::new(), None);
    let gather = async {
        while let Some(Report { event, .. }) = reported.recv().await {
            match event {
                Event::Ended(outcome) => end = Some(outcome),
                event => events.push(event),
            }
        }
    };
    tokio::join!(channel.seen_through(Arc::new(Instruments::default())).run(receiver), gather);
    player.abort();
    let asked = keeper.lock().unwrap().asked;
    (Done { events, end: end.expect("every work ends") }, asked)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Records of so many quarter-hours from a time on.
fn quarters(from: &str, count: i32) -> impl Iterator<Item = (Timestamp, Option<u32>)> {
    let from = at(from);
    (0..count).map(move |number| (from + QUARTER * number, Some(100 + number.unsigned_abs())))
}

fn expected(
    records: &BTreeMap<Timestamp, Option<u32>>,
    (from, to): (Timestamp, Timestamp),
) -> Vec<(Timestamp, Vec<Option<i64>>)> {
    records.range(from..=to).map(|(at, value)| (*at, vec![value.map(i64::from)])).collect()
}

#[tokio::test(start_paused = true)]
async fn records_that_are_missing_are_looked_for_and_nothing_is_invented() {
    let mut records: BTreeMap<_, _> = quarters("2026-03-01T06:00:00Z", 20).collect();
    // One is missing, then five are, and one is damaged.
    records.retain(|at, _| !["2026-03-01T07:00:00Z"].contains(&at.to_string().as_str()));
    records.retain(|time, _| *time < at("2026-03-01T08:00:00Z") || *time >= at("2026-03-01T09:15:00Z"));
    records.insert(at("2026-03-01T10:00:00Z"), None);
    let range = (at("2026-03-01T00:00:00Z"), at("2026-03-01T12:00:00Z"));
    for (is_exact, most) in [(true, 20), (false, 12)] {
        let keeper = Keeper { records: records.clone(), is_exact, ..Keeper::default() };
        let (done, asked) = read(keeper, "load", range).await;
        assert_eq!(done.end.as_ref().unwrap().range, Some(range), "{is_exact}");
        assert_eq!(done.rows(), expected(&records, range), "{is_exact}");
        // Not a question for each quarter of an hour before the first record.
        assert!(asked <= most, "{is_exact}: {asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hole_that_is_too_long_is_left_to_another_read() {
    let records: BTreeMap<_, _> =
        quarters("2026-03-01T00:15:00Z", 6).chain(quarters("2026-03-04T00:00:00Z", 4)).collect();
    let range = (at("2026-03-01T00:15:00Z"), at("2026-03-04T12:00:00Z"));
    let keeper = Keeper { records: records.clone(), is_exact: true, ..Keeper::default() };
    let (done, _) = read(keeper, "load", range).await;
    let (from, to) = done.end.as_ref().unwrap().range.unwrap();
    // The first six are one answer, and 96 quarters of an hour are looked at behind them.
    assert_eq!((from, to), (range.0, at("2026-03-02T01:44:59Z")));
    assert_eq!(done.rows(), expected(&records, (from, to)));
}

#[tokio::test(start_paused = true)]
async fn a_meter_without_load_records_says_so() {
    let (done, _) = read(
        Keeper { is_exact: true, ..Keeper::default() },
        "load",
        (at("2026-03-01T00:00:00Z"), at("2026-03-01T12:00:00Z")),
    )
    .await;
    assert_eq!(done.failure().reason, Reason::MeterRefused);
    assert!(done.failure().detail.contains("no such item"), "{}", done.failure());
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_taken_meanwhile_moves_no_value_to_another_day() {
    let days =
        |count: i64| (0..count).map(|day| at("2026-03-20T00:00:00Z") - SignedDuration::from_hours(24 * day));
    let range = (at("2026-03-02T00:00:00Z"), at("2026-03-25T00:00:00Z"));
    for takes_after in [None, Some(1), Some(8), Some(9), Some(12), Some(19)] {
        let keeper = Keeper { snapshots: days(30).collect(), takes_after, ..Keeper::default() };
        let (done, _) = read(keeper, "daily", range).await;
        assert!(done.end.is_ok(), "{takes_after:?}: {:?}", done.end);
        let rows = done.rows();
        let mut due: Vec<_> = days(19).collect();
        due.extend(takes_after.map(|_| at("2026-03-21T00:00:00Z")));
        due.sort_unstable();
        let due: Vec<_> = due.into_iter().map(|at| (at, vec![Some(i64::from(frozen(at)))])).collect();
        assert_eq!(rows, due, "{takes_after:?}");
    }
}

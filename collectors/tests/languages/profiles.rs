//! Profiles: what meters that speak DL/T 645 keep as load records and snapshots is read as captures, with a layout, like those of a meter that speaks DLMS.

use collectors::{Captures, Layout, ProfileRange};

use super::*;

/// Models whose meters keep profiles.
const KEEPING: [&str; 2] = ["generic-dlt645", "generic-dlt645-1997"];

fn read(bench: &Bench, profile: &str, layout: Option<Arc<Layout>>) -> Task {
    let obis = bench.model.profile(profile).unwrap().obis;
    let to = Timestamp::now();
    let from = to - SignedDuration::from_hours(40 * 24);
    Task::ReadProfile(ProfileRange { obis, from, to, layout, last: None })
}

impl Done {
    fn layout(&self) -> Option<&Arc<Layout>> {
        self.events.iter().find_map(|event| match event {
            Event::Layout(layout) => Some(layout),
            _ => None,
        })
    }

    pub(super) fn rows(&self) -> Vec<(Timestamp, Vec<Option<i64>>)> {
        let captures = self.events.iter().filter_map(|event| match event {
            Event::Captures(captures) => Some(captures),
            _ => None,
        });
        captures.flat_map(rows).collect()
    }
}

fn rows(captures: &Captures) -> impl Iterator<Item = (Timestamp, Vec<Option<i64>>)> {
    assert!(
        captures.offset_min.iter().all(Option::is_none) && captures.clock_status.iter().all(|s| *s == 0xFF)
    );
    captures.at.iter().copied().zip(captures.values.chunks(captures.width).map(<[_]>::to_vec))
}

/// What the meter holds of a range, in the digits that it shows.
fn held(bench: &Bench, number: usize, profile: &str, task: &Task) -> Vec<(Timestamp, Vec<Option<i64>>)> {
    let Task::ReadProfile(range) = task else { panic!("no read of a profile") };
    let digits = |obis: dlms::Obis| if obis.octets()[3] == 6 { 1_000_000 } else { 100_000_000 };
    let columns = bench.fleet.meters()[number].columns(profile).unwrap();
    let captures = bench.fleet.meters()[number].expected(profile, range.from, range.to).unwrap();
    let row = |values: Vec<i64>| {
        values.into_iter().zip(&columns).map(|(value, (obis, _))| Some(value % digits(*obis))).collect()
    };
    captures.into_iter().map(|capture| (capture.at, row(capture.values))).collect()
}

async fn bench(name: &str, change: impl FnOnce(&mut Model, &mut FleetConfig)) -> Bench {
    Bench::new(name, |model, config| {
        config.history_days = 70;
        change(model, config);
    })
    .await
}

#[tokio::test]
async fn hb_03_every_profile_is_read_as_the_meter_keeps_it() {
    for name in KEEPING {
        let mut bench = bench(name, |_, _| {}).await;
        let (last, profiles) = (bench.last(), bench.model.profiles.clone());
        // What is taken by order has a test of its own.
        for profile in profiles.iter().filter(|profile| profile.name != "ordered") {
            let task = read(&bench, &profile.name, None);
            let done = bench.ask(last, task.clone()).await;
            let place = format!("{name} {}", profile.name);
            let covered = done.end.as_ref().unwrap_or_else(|failure| panic!("{place}: {failure}")).range;
            let Task::ReadProfile(range) = &task else { unreachable!("made above") };
            let held = held(&bench, last, &profile.name, &task);
            // Without a period nobody knows what was in front of the first capture.
            let from = if profile.period_s > 0 { range.from } else { held[0].0 };
            assert_eq!(covered, Some((from, range.to)), "{place}");
            assert!(!held.is_empty(), "{place}");
            assert_eq!(done.rows(), held, "{place}");
            let layout = done.layout().expect("a layout");
            assert_eq!((layout.obis, layout.period_s), (profile.obis, profile.period_s), "{place}");
            let columns: Vec<_> =
                layout.values().map(|column| (column.capture.instance, column.unit)).collect();
            let wanted: Vec<_> =
                profile.columns[1..].iter().map(|column| (column.obis, column.unit)).collect();
            assert_eq!(columns, wanted, "{place}");
        }
    }
}

#[tokio::test]
async fn a_known_layout_costs_nothing_but_the_records_themselves() {
    let mut bench = bench("generic-dlt645", |_, _| {}).await;
    let task = read(&bench, "load", None);
    let first = bench.ask(0, task).await;
    let layout = first.layout().cloned();
    let to = first.rows().last().expect("rows").0;
    let obis = bench.model.profile("load").unwrap().obis;
    let from = to - SignedDuration::from_mins(15 * 11);
    let done = bench.ask(0, Task::ReadProfile(ProfileRange { obis, from, to, layout, last: None })).await;
    assert_eq!((done.rows().len(), done.layout()), (12, None));
    // The serial number, and twelve records of 27 octets in two frames.
    assert_eq!(done.end.unwrap().exchanges, 1 + 2);
}

#[tokio::test]
async fn records_that_are_closer_than_before_make_a_new_layout() {
    let mut bench = bench("generic-dlt645", |_, _| {}).await;
    let task = read(&bench, "load", None);
    let known = bench.ask(0, task).await.layout().cloned().unwrap();
    let wider = Arc::new(Layout { period_s: 1800, ..Layout::clone(&known) });
    let task = read(&bench, "load", Some(wider));
    let done = bench.ask(0, task).await;
    assert_eq!(done.failure().reason, Reason::LayoutChanged);
    assert_eq!((done.layout(), done.rows().len()), (Some(&known), 0));
}

#[tokio::test]
async fn lost_answers_cost_no_capture() {
    for name in KEEPING {
        let mut bench = bench(name, |_, config| {
            let fault = Fault::Dropped(Often::SharePpm(100_000));
            config.faults = vec![FaultRule { fault, meters: Affected::Numbers((0..100).collect()) }];
        })
        .await;
        let profiles = bench.model.profiles.clone();
        for profile in profiles.iter().filter(|profile| profile.name != "ordered") {
            let Task::ReadProfile(range) = read(&bench, &profile.name, None) else { unreachable!("a read") };
            let from =
                range.to - SignedDuration::from_hours(if profile.period_s == 900 { 12 } else { 24 * 10 });
            let task = Task::ReadProfile(ProfileRange { from, ..range });
            let done = bench.ask(0, task.clone()).await;
            assert!(done.end.is_ok(), "{name} {}: {:?}", profile.name, done.end);
            assert_eq!(done.rows(), held(&bench, 0, &profile.name, &task), "{name} {}", profile.name);
        }
    }
}

#[tokio::test]
async fn a_profile_that_a_language_has_not_is_refused_by_its_name() {
    for name in ["multi-user-modbus", "joy311", "huabang-triple"] {
        let mut bench = Bench::new(name, |_, _| {}).await;
        let (to, obis) = (Timestamp::now(), "1.0.99.1.0.255".parse().unwrap());
        let range =
            ProfileRange { obis, from: to - SignedDuration::from_hours(1), to, layout: None, last: None };
        let done = bench.ask(0, Task::ReadProfile(range)).await;
        assert_eq!(done.failure().reason, Reason::Unsupported, "{name}");
        assert!(done.failure().detail.contains("read_profile"), "{}", done.failure());
    }
}

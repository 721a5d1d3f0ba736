//! Billing sets through the public interface: complete, exact, marked where something is missing, and the same again as of any time.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::sync::Arc;

use ami_proto::v1::billing_service_client::BillingServiceClient;
use ami_proto::v1::get_billing_sets_request::Cycle;
use ami_proto::v1::{
    BillingDates, BillingIntervals, BillingIssue, BillingRegister, BillingSet, BillingSource, Decimal,
    ErrorReason, FlagRule, GetBillingSetsRequest, RetireMeterRequest,
};
use collectors::{Captures, Event, Layout, LayoutColumn, RegisterValue, Report};
use common::{Database, at, captures, layout, quarters};
use dlms::Unit;
use dlms::profile::{CaptureObject, Column};
use jiff::Timestamp;
use served::{Served, reason};
use tonic::Status;
use uuid::Uuid;

/// October 2026 in Berlin: it begins in summer and ends in winter, so it has 31 days and an hour.
const OCTOBER: &str = "2026-09-30T22:00:00Z";
const NOVEMBER: &str = "2026-10-31T23:00:00Z";
const QUARTERS: usize = (31 * 24 + 1) * 4;
const IMPORT: &str = "1.0.1.8.0.255";

fn column(class_id: u16, obis: &str, attribute: i8, scaler: i8, unit: u8) -> LayoutColumn {
    let capture = CaptureObject { class_id, instance: obis.parse().unwrap(), attribute, data_index: 0 };
    LayoutColumn { capture, column: Column::of(&capture), scaler, unit: Unit(unit) }
}

/// A snapshot of a register, in the profile of that name with that period.
fn frozen(profile: &str, period_s: u32, scaler: i8, when: &str, value: i64) -> Captures {
    let columns = vec![column(8, "0.0.1.0.0.255", 2, 0, 255), column(3, IMPORT, 2, scaler, 30)];
    let layout = Layout { obis: profile.parse().unwrap(), period_s, columns };
    Captures {
        layout: Arc::new(layout),
        at: vec![at(when)],
        offset_min: vec![Some(60)],
        clock_status: vec![0],
        status: vec![None],
        width: 1,
        values: vec![Some(value)],
    }
}

fn monthly(when: &str, value: i64) -> Captures {
    frozen("1.0.98.1.0.255", 0, -3, when, value)
}

async fn store(database: &Database, meter: i32, all: impl IntoIterator<Item = Captures>) {
    let reports: Vec<_> = all.into_iter().map(|one| captures(meter, 7, one)).collect();
    database.store.write(Uuid::new_v4(), &reports).await.unwrap();
}

/// Every quarter of an hour of October, the import counting up by one each from 5000 thousandths on.
fn load_profile(from: usize, count: usize) -> Captures {
    let first = at(OCTOBER) + jiff::SignedDuration::from_mins(15 * from as i64);
    quarters(&layout(900, -3), first, count, 5000 + from as i64)
}

fn october(serials: &[&str]) -> GetBillingSetsRequest {
    GetBillingSetsRequest {
        meter_serials: serials.iter().map(|serial| (*serial).to_owned()).collect(),
        cycle: Some(Cycle::Month("2026-10".into())),
        ..GetBillingSetsRequest::default()
    }
}

async fn asked(served: &Served, question: GetBillingSetsRequest) -> Result<Vec<BillingSet>, Status> {
    let mut client = BillingServiceClient::new(served.channel.clone());
    let mut stream = client.get_billing_sets(question).await?.into_inner();
    let mut sets = Vec::new();
    while let Some(message) = stream.message().await? {
        sets.push(message.set.unwrap());
    }
    Ok(sets)
}

async fn one(served: &Served, question: GetBillingSetsRequest) -> BillingSet {
    let mut sets = asked(served, question).await.unwrap();
    assert_eq!(sets.len(), 1, "{sets:?}");
    sets.remove(0)
}

fn import(set: &BillingSet) -> &BillingRegister {
    set.registers.iter().find(|register| register.obis == IMPORT).unwrap()
}

fn sources(register: &BillingRegister) -> [Option<BillingSource>; 2] {
    [&register.opening, &register.closing].map(|value| value.as_ref().map(|value| value.source()))
}

fn proto(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() })
}

#[tokio::test]
async fn a_complete_month_with_an_hour_more_is_exact() {
    let served = Served::new().await;
    let meter = served.database.meter("B1");
    let ends = [monthly(OCTOBER, 1_000_001), monthly(NOVEMBER, 1_234_567)];
    store(&served.database, meter, ends.into_iter().chain([load_profile(0, QUARTERS + 1)])).await;
    let set = one(&served, october(&["B1"])).await;
    assert!(set.complete, "{set:?}");
    assert_eq!((set.from, set.to), (proto(at(OCTOBER)), proto(at(NOVEMBER))));
    let register = import(&set);
    assert_eq!(sources(register), [Some(BillingSource::Billing); 2]);
    assert_eq!(register.consumption, Some(Decimal { mantissa: 234_566, exponent: -3 }));
    assert_eq!(register.unit, "Wh");
    let intervals = &set.intervals[0];
    assert_eq!((intervals.expected, intervals.present), (2980, 2980));
    assert!(intervals.gaps.is_empty());
    // PostgreSQL computes the same with numbers of its own.
    let difference = format!(
        "SELECT (SELECT value FROM reading WHERE obis = '{IMPORT}' AND ts = '{NOVEMBER}' AND value > 1000)
              - (SELECT value FROM reading WHERE obis = '{IMPORT}' AND ts = '{OCTOBER}' AND value >= 1000)"
    );
    assert_eq!(served.database.sql(&difference), "234.566");
    // Two dates are the same cycle, and the same content has the same version.
    let dates = BillingDates { from: "2026-10-01".into(), to: "2026-11-01".into() };
    let again =
        one(&served, GetBillingSetsRequest { cycle: Some(Cycle::Dates(dates)), ..october(&["B1"]) }).await;
    assert_eq!(again.version, set.version);
}

#[tokio::test]
async fn what_stands_at_a_limit_is_the_best_that_is_there() {
    let served = Served::new().await;
    let meter = served.database.meter("S1");
    // A load profile at the beginning; a day, with another scaler, at the end.
    store(&served.database, meter, [load_profile(0, 10)]).await;
    store(&served.database, meter, [frozen("1.0.98.2.0.255", 86_400, 1, NOVEMBER, 77)]).await;
    let set = one(&served, october(&["S1"])).await;
    let register = import(&set);
    assert_eq!(sources(register), [Some(BillingSource::LoadProfile), Some(BillingSource::Daily)]);
    assert_eq!(register.consumption, Some(Decimal { mantissa: 770_000 - 5000, exponent: -3 }));
    store(&served.database, meter, [monthly(OCTOBER, 4000)]).await;
    let set = one(&served, october(&["S1"])).await;
    assert_eq!(sources(import(&set)), [Some(BillingSource::Billing), Some(BillingSource::Daily)]);
    assert_eq!(import(&set).consumption, Some(Decimal { mantissa: 770_000 - 4000, exponent: -3 }));
}

#[tokio::test]
async fn what_is_missing_is_marked() {
    let served = Served::new().await;
    let meter = served.database.meter("G1");
    // The captures of 01:00 to 02:15 and everything from the 2000th quarter on are missing; one was taken out of turn.
    store(&served.database, meter, [load_profile(0, 4), load_profile(10, 1990)]).await;
    store(&served.database, meter, [quarters(&layout(900, -3), at("2026-09-30T23:07:00Z"), 1, 5005)]).await;
    let set = one(&served, october(&["G1"])).await;
    assert!(!set.complete);
    assert_eq!(set.issues().collect::<Vec<_>>(), [BillingIssue::IntervalsMissing]);
    let register = import(&set);
    assert_eq!(register.issues().collect::<Vec<_>>(), [BillingIssue::ClosingMissing]);
    assert_eq!((register.closing.is_none(), register.consumption), (true, None));
    let intervals = &set.intervals[0];
    // The capture at the beginning of the month is the end of an interval of September.
    assert_eq!((intervals.expected, intervals.present), (2980, 3 + 1990));
    let gaps: Vec<_> = intervals
        .gaps
        .iter()
        .map(|gap| (gap.from.unwrap().seconds, gap.to.unwrap().seconds, gap.intervals))
        .collect();
    let begin = at(OCTOBER).as_second();
    let expected =
        [(begin + 3 * 900, begin + 9 * 900, 6), (begin + 1999 * 900, at(NOVEMBER).as_second(), 2980 - 1999)];
    assert_eq!(gaps, expected);
}

#[tokio::test]
async fn a_set_is_the_same_again_as_of_any_time() {
    let served = Served::new().await;
    let meter = served.database.meter("K1");
    let ends = |closing| [monthly(OCTOBER, 1000), monthly(NOVEMBER, closing)];
    store(&served.database, meter, ends(2000).into_iter().chain([load_profile(0, QUARTERS)])).await;
    let as_of = |known_at| GetBillingSetsRequest { known_at, ..october(&["K1"]) };
    let first = one(&served, as_of(None)).await;
    // The meter says something else later, twice, and an interval arrives late.
    store(&served.database, meter, ends(2500)).await;
    let second = one(&served, as_of(None)).await;
    store(&served.database, meter, ends(2400).into_iter().chain([load_profile(QUARTERS, 1)])).await;
    let third = one(&served, as_of(None)).await;
    let told = |set: &BillingSet| (import(set).consumption.unwrap().mantissa, set.intervals[0].present);
    assert_eq!([&first, &second, &third].map(told), [(1000, 2979), (1500, 2979), (1400, 2980)]);
    for known in [&first, &second, &third] {
        let again = one(&served, as_of(known.known_at)).await;
        assert_eq!(&again, known);
    }
    let before = one(&served, as_of(proto(at("2026-01-01T00:00:00Z")))).await;
    assert_eq!(before.issues().collect::<Vec<_>>().last(), Some(&BillingIssue::NothingKnown));
    assert!(before.registers.is_empty());
}

/// Captures every two hours by a clock on the wall of Berlin, or by one that shows UTC, without the last one of October.
fn every_two_hours(by_the_wall: bool) -> Captures {
    let zone = jiff::tz::TimeZone::get(if by_the_wall { "Europe/Berlin" } else { "UTC" }).unwrap();
    let hours = (1..).map(|hour| at(OCTOBER) + jiff::SignedDuration::from_hours(hour));
    let instants =
        hours.take_while(|hour| *hour < at(NOVEMBER)).filter(|hour| zone.to_datetime(*hour).hour() % 2 == 0);
    let instants: Vec<_> = instants.collect();
    let captures = quarters(&layout(7200, -3), at(OCTOBER), instants.len(), 5000);
    Captures { at: instants, ..captures }
}

#[tokio::test]
async fn intervals_of_more_than_an_hour_are_there_behind_the_change_of_the_clock() {
    let served = Served::new().await;
    for (serial, by_the_wall) in [("L1", true), ("U1", false)] {
        let meter = served.database.meter(serial);
        served.database.sql(&format!("UPDATE meter SET created_at = '2026-01-01' WHERE id = {meter}"));
        let captured = every_two_hours(by_the_wall);
        let (count, last) = (captured.at.len() as u32, *captured.at.last().unwrap());
        // A slip at the end of the second to last one.
        let mut slip = captured.clone();
        let place = captured.at.len() - 2;
        slip.values[2 * place] = Some(0);
        store(&served.database, meter, [slip]).await;
        let set = one(&served, october(&[serial])).await;
        let intervals = &set.intervals[0];
        let missing = u32::from(at(NOVEMBER).duration_since(last) >= jiff::SignedDuration::from_hours(2));
        assert_eq!(
            (intervals.present, intervals.expected),
            (count, count + missing),
            "{serial}: {:?}",
            intervals.gaps
        );
        assert_eq!(
            intervals.flags.iter().map(|flags| (flags.rule(), flags.intervals)).collect::<Vec<_>>(),
            [(FlagRule::Zero, 1)]
        );
    }
}

/// A load profile with the demand of each quarter: 40 W, and 900 W in the 50th.
fn demands() -> Captures {
    let columns = vec![column(8, "0.0.1.0.0.255", 2, 0, 255), column(5, "1.0.1.5.0.255", 2, 0, 27)];
    let layout = Arc::new(Layout { obis: "1.0.99.2.0.255".parse().unwrap(), period_s: 900, columns });
    let watts = (0..=QUARTERS).map(|n| Some(if n == 50 { 900 } else { 40 })).collect();
    let quarters = quarters(&layout, at(OCTOBER), QUARTERS + 1, 0);
    Captures { width: 1, values: watts, ..quarters }
}

#[tokio::test]
async fn what_is_doubtful_is_named_and_makes_a_set_no_less_complete() {
    let served = Served::new().await;
    let meter = served.database.meter("D1");
    // Import falls to nothing once, has no value once while the clock is doubtful, and the clock is doubtful at the beginning, which ends an interval of September.
    let mut profile = load_profile(0, QUARTERS + 1);
    profile.values[2 * 100] = Some(0);
    profile.values[2 * 200] = Some(4_294_967_295);
    for n in [0, 200] {
        profile.clock_status[n] = 0b10;
    }
    let mut powers = demands();
    powers.clock_status[50] = 0b10;
    let october = || october(&["D1"]);
    let closing = monthly(NOVEMBER, 4_294_967_295);
    store(&served.database, meter, [monthly(OCTOBER, 1000), closing, profile, powers]).await;
    let set = one(&served, october()).await;
    let doubtful = FlagRule::ClockDoubtful as i32;
    assert!(set.flagged && set.issues.is_empty() && set.complete, "{set:?}");
    let register = import(&set);
    let flags = [&register.opening, &register.closing].map(|value| value.as_ref().unwrap().flags.clone());
    assert_eq!(flags, [vec![], vec![FlagRule::NoValue as i32]]);
    assert_eq!(register.consumption, Some(Decimal { mantissa: 4_294_966_295, exponent: -3 }));
    let demand = (set.demands[0].value.unwrap().mantissa, &set.demands[0].flags[..]);
    assert_eq!(demand, (900, &[doubtful][..]));
    let told = |set: &BillingSet| {
        let of = |one: &BillingIntervals| {
            (one.flagged, one.flags.iter().map(|flags| (flags.rule(), flags.intervals)).collect::<Vec<_>>())
        };
        set.intervals.iter().map(of).collect::<Vec<_>>()
    };
    let expected = [(FlagRule::ClockDoubtful, 1), (FlagRule::NoValue, 1), (FlagRule::Zero, 1)];
    assert_eq!(told(&set), [(2, expected.to_vec()), (1, vec![(FlagRule::ClockDoubtful, 1)])]);
    // The meter says something else later, which is not doubtful; as of before it still is.
    let better = [monthly(NOVEMBER, 2000), load_profile(200, 1)];
    store(&served.database, meter, better).await;
    let later = one(&served, october()).await;
    assert_eq!(told(&later)[0], (1, vec![(FlagRule::Zero, 1)]));
    assert!(import(&later).closing.as_ref().unwrap().flags.is_empty());
    let again = one(&served, GetBillingSetsRequest { known_at: set.known_at, ..october() }).await;
    assert_eq!(again, set);
    // Where there is no snapshot of the beginning, that of the load profile counts, with what is doubtful about it.
    served.database.sql(&format!("DELETE FROM profile_row WHERE ts = '{OCTOBER}' AND v0 = 1000"));
    let opening = import(&one(&served, october()).await).opening.clone().unwrap();
    assert_eq!((opening.source(), opening.flags), (BillingSource::LoadProfile, vec![doubtful]));
}

/// Bits of the status word of IDIS.
const CLOCK_ADJUSTED: i32 = 1 << 5;
const POWER_DOWN: i32 = 1 << 7;

#[tokio::test]
async fn what_a_meter_went_through_is_told_and_puts_no_register_in_doubt() {
    let served = Served::new().await;
    let knowing = served.database.store.clone().with_models(&models::builtin().unwrap());
    let with = |mut captures: Captures, n: usize, word| {
        captures.status[n] = Some(word);
        captures
    };
    // The status word of the closing snapshot, that of the quarter with the highest demand, and whether the set is doubtful.
    let cases = [
        ("P1", POWER_DOWN, POWER_DOWN, false),
        ("P2", CLOCK_ADJUSTED | POWER_DOWN, POWER_DOWN, false),
        ("P3", 0, CLOCK_ADJUSTED, true),
        ("P4", 1 << 2, 0, true),
    ];
    for (serial, at_the_end, of_the_highest, is_doubtful) in cases {
        let meter = served.database.meter(serial);
        let ends = [monthly(OCTOBER, 1000), with(monthly(NOVEMBER, 2000), 0, at_the_end)];
        let all = ends.into_iter().chain([with(demands(), 50, of_the_highest)]);
        let reports: Vec<_> = all.map(|one| captures(meter, 7, one)).collect();
        knowing.write(Uuid::new_v4(), &reports).await.unwrap();
        let set = one(&served, october(&[serial])).await;
        assert_eq!((set.flagged, set.complete), (is_doubtful, true), "{serial}: {set:?}");
        // Whether it puts anything in doubt or not, it is told.
        let count = |word: i32| word.count_ones() as usize;
        assert_eq!(import(&set).closing.as_ref().unwrap().flags.len(), count(at_the_end), "{serial}");
        assert_eq!(set.demands[0].flags.len(), count(of_the_highest), "{serial}");
        assert_eq!(set.intervals[0].flagged as usize, count(of_the_highest), "{serial}");
    }
}

#[tokio::test]
async fn a_meter_that_was_exchanged_within_the_cycle_has_two_sets() {
    let served = Served::new().await;
    let database = &served.database;
    let (old, new) = (database.meter("OLD"), database.meter("NEW"));
    database.sql(&format!("UPDATE meter SET created_at = '2026-01-01' WHERE id = {old}"));
    database.sql(&format!("UPDATE meter SET created_at = '2026-10-11 09:00+00' WHERE id = {new}"));
    // 1000 quarters, and then another meter, which begins at 3.
    store(database, old, [monthly(OCTOBER, 5000), load_profile(0, 1001)]).await;
    let first = at(OCTOBER) + jiff::SignedDuration::from_mins(15 * 1004);
    store(
        database,
        new,
        [quarters(&layout(900, -3), first, QUARTERS + 1 - 1004, 3), monthly(NOVEMBER, 3 + 1976)],
    )
    .await;
    served.inventory().retire_meter(RetireMeterRequest { serial: "OLD".into() }).await.unwrap();
    let removed = at(OCTOBER) + jiff::SignedDuration::from_mins(15 * 1000 + 5);
    database.sql(&format!("UPDATE meter SET retired_at = '{removed}' WHERE id = {old}"));
    let mut sets = asked(&served, october(&[])).await.unwrap();
    assert_eq!(sets.len(), 2);
    let (new, old) = (sets.remove(1), sets.remove(0));
    assert_eq!(old.issues().collect::<Vec<_>>(), [BillingIssue::Removed]);
    assert_eq!(new.issues().collect::<Vec<_>>(), [BillingIssue::Installed]);
    assert_eq!(import(&old).consumption, Some(Decimal { mantissa: 1000, exponent: -3 }));
    assert_eq!(import(&new).consumption, Some(Decimal { mantissa: 1976, exponent: -3 }));
    assert_eq!(import(&old).issues().collect::<Vec<_>>(), [BillingIssue::NotAtLimit]);
    assert_eq!(import(&new).issues().collect::<Vec<_>>(), [BillingIssue::NotAtLimit]);
    assert_eq!((old.intervals[0].expected, old.intervals[0].present), (1000, 1000));
    assert_eq!((new.intervals[0].expected, new.intervals[0].present), (1976, 1976));
    // Neither was there in another year.
    let other = GetBillingSetsRequest { cycle: Some(Cycle::Month("2025-05".into())), ..october(&[]) };
    assert_eq!(asked(&served, other).await.unwrap(), []);
}

#[tokio::test]
async fn a_meter_without_profiles_is_billed_by_what_its_registers_showed_before() {
    let served = Served::new().await;
    let meter = served.database.meter("R1");
    served.database.sql(&format!("UPDATE meter SET model = 'joy311' WHERE id = {meter}"));
    let read = |when: &str, value| RegisterValue {
        obis: IMPORT.parse().unwrap(),
        attribute: 2,
        class_id: 3,
        value,
        scaler: 1,
        unit: Unit(30),
        at: at(when),
    };
    let values = vec![
        read("2026-09-30T20:00:00Z", 100),
        read("2026-09-30T21:40:00Z", 101),
        read("2026-09-30T22:40:00Z", 102),
        read("2026-10-31T22:40:00Z", 300),
    ];
    let report = Report { job: 9, meter, event: Event::Registers(values) };
    served.database.store.write(Uuid::new_v4(), &[report]).await.unwrap();
    let set = one(&served, october(&["R1"])).await;
    let register = import(&set);
    assert_eq!(sources(register), [Some(BillingSource::Register); 2]);
    assert_eq!(register.consumption, Some(Decimal { mantissa: 199, exponent: 1 }));
    assert_eq!(register.issues().collect::<Vec<_>>(), [BillingIssue::NotAtLimit]);
    assert!(!set.complete && set.intervals.is_empty());
}

#[tokio::test]
async fn a_fleet_comes_in_order_and_each_meter_once() {
    let served = Served::new().await;
    served.database.sql(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security, throttle_group, created_at)
         SELECT 'F' || n, CASE n % 2 WHEN 0 THEN 'sed302' ELSE 'generic-dlms' END, 'h' || n || ':4059', 1, 16, 'Asia/Dhaka', 'none',
             CASE WHEN n <= 3 THEN 'cell 1' END, '2026-01-01'
         FROM generate_series(1, 250) AS n",
    );
    let serials = |sets: &[BillingSet]| sets.iter().map(|set| set.meter_serial.clone()).collect::<Vec<_>>();
    let all = asked(&served, october(&[])).await.unwrap();
    assert_eq!(serials(&all), (1..=250).map(|n| format!("F{n}")).collect::<Vec<_>>());
    let expected = [BillingIssue::IntervalsMissing, BillingIssue::NothingKnown];
    assert!(
        all.iter().all(|set| !set.complete && set.issues().collect::<Vec<_>>() == expected),
        "{:?}",
        all[0]
    );
    // Of a meter that was never read all intervals are missing: 31 days of 96, of both profiles of a SED302.
    assert_eq!(all[1].intervals.iter().map(|one| one.expected).collect::<Vec<_>>(), [2976, 2976]);
    let some = |question| async { serials(&asked(&served, question).await.unwrap()) };
    assert_eq!(
        some(GetBillingSetsRequest { throttle_group: "cell 1".into(), ..october(&[]) }).await.len(),
        3
    );
    let even = GetBillingSetsRequest { model: "sed302".into(), serial_prefix: "F24".into(), ..october(&[]) };
    assert_eq!(some(even).await, ["F24", "F240", "F242", "F244", "F246", "F248"]);
    assert_eq!(some(GetBillingSetsRequest { line: "h7:4059".into(), ..october(&[]) }).await, ["F7"]);
}

#[tokio::test]
async fn a_wrong_question_is_refused_by_name() {
    let served = Served::new().await;
    served.database.meter("W1");
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let cases = [
        (GetBillingSetsRequest { cycle: None, ..october(&["W1"]) }, (ErrorReason::InvalidField, "cycle")),
        (october(&["W2"]), (ErrorReason::MeterNotFound, "")),
        (october(&vec!["W1"; 1001]), (ErrorReason::OverLimit, "meter_serials")),
        (
            GetBillingSetsRequest { known_at: proto(later), ..october(&["W1"]) },
            (ErrorReason::InvalidField, "known_at"),
        ),
    ];
    for (wrong, (expected, field)) in cases {
        let refused = asked(&served, wrong).await.unwrap_err();
        assert_eq!(reason(&refused), (expected, field.to_owned()), "{refused:?}");
    }
}

//! What was answered as of a time is answered the same for ever: `psql` writes at the same time, and what it stores counts later.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ami_proto::v1::billing_service_client::BillingServiceClient;
use ami_proto::v1::get_billing_sets_request::Cycle;
use ami_proto::v1::{
    BillingIssue, BillingSet, Decimal, ErrorReason, GetBillingSetsRequest, QueryReadingsRequest,
};
use collectors::Report;
use common::{Database, at, captures, layout, quarters};
use served::{Served, reason};
use uuid::Uuid;

/// October 2026 in Berlin begins here.
const OCTOBER: &str = "2026-09-30T22:00:00Z";
const NOVEMBER: &str = "2026-10-31T23:00:00Z";
const IMPORT: &str = "1.0.1.8.0.255";

/// A session of `psql` that stays open.
struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    fn open(database: &Database) -> Self {
        let mut child = Command::new("psql")
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "headend",
                "-d",
                &database.name,
                "-h",
            ])
            .arg(database.server.cluster().socket_dir())
            .env("PGTZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// Has it do something, and waits until it is done.
    fn run(&mut self, text: &str) {
        writeln!(self.input, "{text};\nSELECT 'done';").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line, "done\n", "{text}");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _already_gone = self.child.wait();
    }
}

fn october(serials: &[&str]) -> GetBillingSetsRequest {
    GetBillingSetsRequest {
        meter_serials: serials.iter().map(|serial| (*serial).to_owned()).collect(),
        cycle: Some(Cycle::Month("2026-10".into())),
        ..GetBillingSetsRequest::default()
    }
}

async fn asked(served: &Served, question: GetBillingSetsRequest) -> Result<Vec<BillingSet>, tonic::Status> {
    let mut client = BillingServiceClient::new(served.channel.clone());
    let mut stream = client.get_billing_sets(question).await?.into_inner();
    let mut sets = Vec::new();
    while let Some(message) = stream.message().await? {
        sets.push(message.set.unwrap());
    }
    Ok(sets)
}

async fn one(served: &Served, serial: &str, known_at: Option<prost_types::Timestamp>) -> BillingSet {
    let mut sets = asked(served, GetBillingSetsRequest { known_at, ..october(&[serial]) }).await.unwrap();
    assert_eq!(sets.len(), 1, "{sets:?}");
    sets.remove(0)
}

fn present(set: &BillingSet) -> u32 {
    set.intervals.iter().map(|one| one.present).sum()
}

async fn store(database: &Database, reports: &[Report]) {
    database.store.write(Uuid::new_v4(), reports).await.unwrap();
}

/// A meter that was there before October.
fn old_meter(database: &Database, serial: &str) -> i32 {
    let meter = database.meter(serial);
    database.sql(&format!("UPDATE meter SET created_at = '2026-01-01' WHERE id = {meter}"));
    meter
}

/// Four quarters of an hour of October.
fn first_hour(meter: i32) -> Report {
    captures(meter, 7, quarters(&layout(900, -3), at("2026-09-30T22:15:00Z"), 4, 5000))
}

/// SQL of the next quarter, like those that are stored.
fn next_quarter(meter: i32) -> String {
    format!(
        "INSERT INTO profile_row (meter_id, layout_id, ts, clock_status, job_id, v0, v1)
         SELECT {meter}, max(layout_id), max(ts) + interval '15 minutes', 0, 8, max(v0) + 1, 2301 FROM profile_row WHERE meter_id = {meter}"
    )
}

#[tokio::test]
async fn what_is_being_stored_changes_no_set_that_was_given() {
    let served = Served::new().await;
    let meter = old_meter(&served.database, "K1");
    store(&served.database, &[first_hour(meter)]).await;
    let mut other = Session::open(&served.database);
    other.run("BEGIN");
    other.run(&next_quarter(meter));
    let during = one(&served, "K1", None).await;
    other.run("COMMIT");
    let after = one(&served, "K1", None).await;
    assert_eq!((present(&during), present(&after)), (4, 5));
    assert_eq!(one(&served, "K1", during.known_at).await, during);
    assert_eq!(one(&served, "K1", after.known_at).await, after);
    // Begun before the question, and the first row stored behind it.
    other.run("BEGIN; SELECT 1 FROM meter LIMIT 0");
    let before = one(&served, "K1", None).await;
    other.run(&next_quarter(meter));
    other.run("COMMIT");
    assert_eq!(one(&served, "K1", before.known_at).await, before);
    assert_eq!(present(&one(&served, "K1", None).await), 6);
}

#[tokio::test]
async fn a_question_as_of_an_instant_that_may_still_change_waits_and_is_refused() {
    let served = Served::new().await;
    let meter = old_meter(&served.database, "K1");
    store(&served.database, &[first_hour(meter)]).await;
    let mut other = Session::open(&served.database);
    other.run("BEGIN");
    other.run(&next_quarter(meter));
    let now = jiff::Timestamp::now();
    let known_at = Some(prost_types::Timestamp { seconds: now.as_second(), nanos: now.subsec_nanosecond() });
    let question = GetBillingSetsRequest { known_at, ..october(&["K1"]) };
    let refused = asked(&served, question.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), (ErrorReason::NotSettled, String::new()), "{refused:?}");
    let readings = QueryReadingsRequest { meter_serials: vec!["K1".into()], known_at, ..Default::default() };
    let refused = served.readings().query_readings(readings.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), (ErrorReason::NotSettled, String::new()), "{refused:?}");
    other.run("COMMIT");
    // Five are stored at an instant of before the question, or behind it: whichever it is, it is that for ever.
    let set = asked(&served, question.clone()).await.unwrap();
    let given = served.readings().query_readings(readings.clone()).await.unwrap().into_inner();
    assert_eq!(given.readings.len(), 2 * present(&set[0]) as usize);
    assert_eq!(asked(&served, question).await.unwrap(), set);
    assert_eq!(served.readings().query_readings(readings).await.unwrap().into_inner(), given);
}

#[tokio::test]
async fn what_waited_for_another_writer_came_to_count_behind_it() {
    let served = Served::new().await;
    let database = &served.database;
    let (first, meter) = (database.meter("K0"), database.meter("K1"));
    store(database, &[first_hour(first), first_hour(meter)]).await;
    let slip = captures(meter, 8, quarters(&layout(900, -3), at("2026-09-30T23:00:00Z"), 1, 9999));
    let right = captures(meter, 9, quarters(&layout(900, -3), at("2026-09-30T23:00:00Z"), 1, 5003));
    // The first to begin waits for a profile of another meter, and comes to this one behind the second.
    let mut other = Session::open(database);
    other.run(&format!("BEGIN; SELECT FROM meter_profile WHERE meter_id = {first} FOR UPDATE"));
    let (early, late) = ([first_hour(first), right], [slip]);
    let written = async {
        let early = database.store.write(Uuid::new_v4(), &early);
        let late = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while database.sql(waiting) != "1" {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            let written = database.store.write(Uuid::new_v4(), &late).await;
            other.run("COMMIT");
            written
        };
        tokio::join!(early, late)
    };
    let (one, two) = written.await;
    assert_eq!((one.unwrap().captures.revised, two.unwrap().captures.revised), (1, 1));
    // Each content that counted did so for some time, and one after the other.
    let wrong = "SELECT count(*) FROM profile_row_rev WHERE stored_at >= seen_at";
    assert_eq!(database.sql(wrong), "0");
    let joined = "SELECT count(*) FROM profile_row_rev v WHERE NOT EXISTS (
            SELECT FROM profile_row_rev n WHERE n.ts = v.ts AND n.stored_at = v.seen_at)
        AND NOT EXISTS (SELECT FROM profile_row r WHERE r.ts = v.ts AND r.stored_at = v.seen_at)";
    assert_eq!(database.sql(joined), "0");
}

#[tokio::test]
async fn flags_come_to_count_with_their_readings() {
    let served = Served::new().await;
    let database = &served.database;
    let meter = database.meter("K1");
    store(database, &[first_hour(meter)]).await;
    let slip = quarters(&layout(900, -3), at("2026-09-30T23:00:00Z"), 1, 7);
    store(database, &[captures(meter, 8, slip)]).await;
    store(database, &[captures(meter, 9, quarters(&layout(900, -3), at("2026-09-30T23:00:00Z"), 1, 5003))])
        .await;
    let times = "SELECT f.raised_at = v.stored_at, f.withdrawn_at = v.seen_at, v.seen_at = r.stored_at
        FROM reading_flag f JOIN profile_row_rev v USING (meter_id, ts) JOIN profile_row r USING (meter_id, ts)
        WHERE f.rule = 'decreased' AND v.v0 = 7";
    assert_eq!(database.sql(times), "t|t|t");
}

#[tokio::test]
async fn registers_that_come_late_change_no_set_that_was_given() {
    let served = Served::new().await;
    let meter = served.database.meter("R1");
    let read = |when: &str, value| collectors::RegisterValue {
        obis: IMPORT.parse().unwrap(),
        attribute: 2,
        class_id: 3,
        value,
        scaler: 0,
        unit: dlms::Unit(30),
        at: at(when),
    };
    let report = |values| Report { job: 9, meter, event: collectors::Event::Registers(values) };
    store(&served.database, &[report(vec![read("2026-09-30T20:00:00Z", 100), read(NOVEMBER, 300)])]).await;
    let first = one(&served, "R1", None).await;
    // Read before all that, and stored now: a file of a concentrator, or a collector that was cut off.
    store(&served.database, &[report(vec![read(OCTOBER, 101)])]).await;
    let second = one(&served, "R1", None).await;
    let consumption = |set: &BillingSet| set.registers[0].consumption;
    let whole = |mantissa| Some(Decimal { mantissa, exponent: 0 });
    assert_eq!((consumption(&first), consumption(&second)), (whole(200), whole(199)));
    assert!(second.stored_at.unwrap().seconds > first.known_at.unwrap().seconds - 60, "{second:?}");
    assert_eq!(one(&served, "R1", first.known_at).await, first);
    for (known_at, count) in [(first.known_at, 2), (second.known_at, 3)] {
        let question =
            QueryReadingsRequest { meter_serials: vec!["R1".into()], known_at, ..Default::default() };
        assert_eq!(
            served.readings().query_readings(question).await.unwrap().into_inner().readings.len(),
            count
        );
    }
}

#[tokio::test]
async fn what_becomes_of_a_meter_later_changes_no_set_that_was_given() {
    let served = Served::new().await;
    let database = &served.database;
    let meter = old_meter(database, "P1");
    store(database, &[first_hour(meter)]).await;
    let active = one(&served, "P1", None).await;
    database.sql(&format!("UPDATE meter SET state = 'retired', retired_at = '{OCTOBER}'::timestamptz + interval '50 minutes' WHERE id = {meter}"));
    let retired = one(&served, "P1", None).await;
    // As a device that comes back to its channel, at another place.
    database.sql(&format!(
        "UPDATE meter SET state = 'active', retired_at = NULL, zone = 'Asia/Dhaka' WHERE id = {meter}"
    ));
    let back = one(&served, "P1", None).await;
    assert!(retired.issues().any(|issue| issue == BillingIssue::Removed), "{retired:?}");
    assert_eq!((active.zone.as_str(), back.zone.as_str()), ("Europe/Berlin", "Asia/Dhaka"));
    for set in [active, retired, back] {
        assert_eq!(one(&served, "P1", set.known_at).await, set);
    }
    // A meter that is added later is no part of what was known of the fleet.
    let known_at = one(&served, "P1", None).await.known_at;
    database.meter("P2");
    let fleet = asked(&served, GetBillingSetsRequest { known_at, ..october(&[]) }).await.unwrap();
    assert_eq!(fleet.iter().map(|set| set.meter_serial.as_str()).collect::<Vec<_>>(), ["P1"]);
}

#[tokio::test]
async fn what_a_model_names_later_changes_no_set_that_was_given() {
    let served = Served::new().await;
    old_meter(&served.database, "N1");
    let named = |set: &BillingSet| {
        set.intervals.iter().map(|one| (one.profile.clone(), one.period_s)).collect::<Vec<_>>()
    };
    let first = one(&served, "N1", None).await;
    // Another program was started, in which the model of the meter is another one.
    let mut other = models::builtin().unwrap();
    let mut model = (*other["generic-dlms"]).clone();
    model.profiles.iter_mut().for_each(|profile| profile.period_s = 1800);
    other.insert(model.name.clone(), std::sync::Arc::new(model));
    served.database.store.note_load_profiles(&other).await.unwrap();
    let second = one(&served, "N1", None).await;
    assert_ne!(named(&first), named(&second));
    assert!(named(&second).iter().any(|(_, period_s)| *period_s == 1800));
    for set in [first, second] {
        assert_eq!(one(&served, "N1", set.known_at).await, set);
    }
    // The same models again change nothing.
    let rows = served.database.sql("SELECT count(*) FROM model_profile");
    served.database.store.note_load_profiles(&other).await.unwrap();
    assert_eq!(served.database.sql("SELECT count(*) FROM model_profile"), rows);
}

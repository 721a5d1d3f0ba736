//! What is missing, what becomes of it, and what is lost: in the tables, as `psql` finds them, and over the API.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ami_proto::v1::collection_service_client::CollectionServiceClient;
use ami_proto::v1::{FailureReason, Gap, ListGapsRequest, ListProfileLossesRequest, ProfileLossCause};
use collectors::{Event, Layout, MeterId, Reason, Report};
use common::{Database, at, captures, done, energy, failed, layout, quarters};
use headend::store::jobs::Wanted;
use headend::{config, plan};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use models::Model;
use served::Served;
use uuid::Uuid;

const LOSSES: &str = "SELECT cause, to_char(after_ts, 'DD HH24:MI'), to_char(until_ts, 'DD HH24:MI'), job_id FROM profile_loss ORDER BY after_ts";

fn models() -> BTreeMap<String, Arc<Model>> {
    let mut model = (*models::builtin().unwrap()["generic-dlms"]).clone();
    model.profiles.retain(|profile| profile.obis == energy());
    model.registers.clear();
    model.logs.clear();
    BTreeMap::from([(model.name.clone(), Arc::new(model))])
}

/// A running planned read of a day of May 2024 and a bit, which the meter is said to keep for so many days.
fn read(database: &Database, meter: MeterId, owner: Uuid, kept_days: i64) -> i64 {
    let job = database.profile_job(meter, at("2024-05-01T00:00:01Z"), at("2024-05-02T06:00:00Z"));
    database.sql(&format!(
        "UPDATE meter SET lease_owner = '{owner}', lease_until = now() + interval '1 hour' WHERE id = {meter};
         UPDATE job SET state = 'running', lease_owner = '{owner}', kept_s = {kept_days}::int8 * 86400 WHERE id = {job}"
    ));
    job
}

fn asked() -> Option<(Timestamp, Timestamp)> {
    Some((at("2024-05-01T00:00:01Z"), at("2024-05-02T06:00:00Z")))
}

#[tokio::test]
async fn what_a_meter_does_not_give_is_lost_with_its_cause_and_not_asked_for_again() {
    let database = Database::new().await;
    let (meter, owner, layout) = (database.meter("M1"), Uuid::new_v4(), layout(900, 0));
    let part = |first: &str, count| captures(meter, 1, quarters(&layout, at(first), count, 0));
    // The meter begins to record at six, and is off from noon to one; what is after midnight is in a batch of its own.
    let job = read(&database, meter, owner, 100_000);
    let day = [part("2024-05-01T06:15:00Z", 24), part("2024-05-01T13:15:00Z", 44)];
    assert_eq!(database.store.write(owner, &day).await.unwrap().losses, 0, "the read has not ended");
    let rest = [part("2024-05-02T00:15:00Z", 20), done(meter, job, asked())];
    assert_eq!(database.store.write(owner, &rest).await.unwrap().losses, 1);
    assert_eq!(database.sql(LOSSES), format!("not_recorded|01 12:00|01 13:00|{job}"));
    assert_eq!(
        database.sql("SELECT coverage FROM meter_profile"),
        "{(\"2024-05-01 06:00:00+00\",\"2024-05-02 05:00:00+00\"]}",
        "an answer may begin late or end early, once"
    );
    let again = read(&database, meter, owner, 100_000);
    assert_eq!(database.store.write(owner, &[done(meter, again, asked())]).await.unwrap().losses, 2);
    let lost = format!(
        "before_first|01 00:00|01 06:00|{again}\nnot_recorded|01 12:00|01 13:00|{job}\nnot_recorded|02 05:00|02 06:00|{again}"
    );
    assert_eq!(database.sql(LOSSES), lost);
    assert_eq!(
        database.sql("SELECT coverage, absent FROM meter_profile"),
        "{(\"2024-05-01 00:00:00+00\",\"2024-05-02 06:00:00+00\"]}|{}"
    );
    let more = read(&database, meter, owner, 100_000);
    assert_eq!(database.store.write(owner, &[done(meter, more, asked())]).await.unwrap().losses, 0);
    assert_eq!(database.sql(LOSSES), lost, "asked again, it is the same loss");

    // What comes to light by another way is not lost any more.
    let late = part("2024-05-01T12:15:00Z", 2);
    database.store.write(owner, &[late, part("2024-05-01T05:00:00Z", 1)]).await.unwrap();
    assert_eq!(
        database.sql("SELECT to_char(after_ts, 'DD HH24:MI'), to_char(until_ts, 'DD HH24:MI') FROM profile_loss ORDER BY after_ts"),
        "01 00:00|01 04:45\n01 05:00|01 06:00\n01 12:30|01 13:00\n02 05:00|02 06:00"
    );
}

/// A short read is one batch, of which nothing was known before.
#[tokio::test]
async fn only_what_is_before_all_that_a_meter_gives_is_before_its_first() {
    let database = Database::new().await;
    let (meter, owner, layout) = (database.meter("M1"), Uuid::new_v4(), layout(900, 0));
    let part = |first: &str, count| captures(meter, 1, quarters(&layout, at(first), count, 0));
    let job = read(&database, meter, owner, 100_000);
    let all = [part("2024-05-01T06:15:00Z", 24), part("2024-05-01T13:15:00Z", 68), done(meter, job, asked())];
    database.store.write(owner, &all).await.unwrap();
    let again = read(&database, meter, owner, 100_000);
    database.store.write(owner, &[done(meter, again, asked())]).await.unwrap();
    assert_eq!(
        database.sql(LOSSES),
        format!("before_first|01 00:00|01 06:00|{again}\nnot_recorded|01 12:00|01 13:00|{job}")
    );
}

#[tokio::test]
async fn what_is_older_than_the_meter_keeps_was_overwritten() {
    let database = Database::new().await;
    let (meter, owner, layout) = (database.meter("M1"), Uuid::new_v4(), layout(900, 0));
    let before = quarters(&layout, at("2024-04-30T23:45:00Z"), 2, 0);
    database.store.write(owner, &[captures(meter, 1, before)]).await.unwrap();
    let job = read(&database, meter, owner, 10);
    let kept = quarters(&layout, at("2024-05-01T18:15:00Z"), 48, 0);
    database.store.write(owner, &[captures(meter, job, kept), done(meter, job, asked())]).await.unwrap();
    assert_eq!(database.sql(LOSSES), "");
    let again = read(&database, meter, owner, 10);
    database.store.write(owner, &[done(meter, again, asked())]).await.unwrap();
    assert_eq!(database.sql(LOSSES), format!("overwritten|01 00:00|01 18:00|{again}"));
}

/// Meters answer with nothing, or with the latest or the earliest of what they hold, and the next time with all of it.
#[tokio::test]
async fn what_one_answer_leaves_out_is_asked_for_again() {
    let database = Database::new().await;
    let (store, models) = (&database.store, models());
    let (owner, layout) = (Uuid::new_v4(), layout(900, 0));
    let config = config::Plan { horizon: Duration::from_secs(5 * 86_400), ..config::Plan::default() };
    let store = store.clone().with_second_look(config.second_look);
    let of = async |pass: &str| -> BTreeMap<MeterId, (i64, (Timestamp, Timestamp))> {
        plan::pass(&store, &models, &config, Timestamp::now()).await.unwrap();
        let leased = store.lease(owner, Wanted::any(10), Duration::from_secs(60), 10).await.unwrap();
        let jobs = leased.into_iter().map(|meter| {
            let [job] = &meter.jobs[..] else { panic!("{pass}: {meter:?}") };
            (meter.meter, (job.id, job.range.unwrap()))
        });
        jobs.collect()
    };
    let meters = ["EMPTY", "LATEST", "EARLIEST", "ALL"].map(|serial| database.meter(serial));
    // Not now: the time of day at which a meter is tried may be just about to come.
    database.sql("UPDATE meter SET identify_tried_at = now() + interval '1 day'");
    let held = |(from, to): (Timestamp, Timestamp)| {
        let first = Timestamp::from_second((from.as_second() + 899) / 900 * 900).unwrap();
        (first, usize::try_from((to.as_second() - first.as_second()) / 900 + 1).unwrap())
    };
    let first = of("first").await;
    let mut asked = Vec::new();
    for (meter, (job, range)) in &first {
        let (begin, count) = held(*range);
        let part = |skip: usize, count| {
            let from = begin + SignedDuration::from_mins(15 * skip as i64);
            captures(*meter, *job, quarters(&layout, from, count, skip as i64))
        };
        let given = match meters.iter().position(|known| known == meter) {
            Some(0) => vec![],
            Some(1) => vec![part(count - 100, 100)],
            Some(2) => vec![part(0, 100)],
            _ => vec![part(0, count)],
        };
        let interned = [Report { job: *job, meter: *meter, event: Event::Layout(Arc::clone(&layout)) }];
        store
            .write(owner, &[&interned[..], &given, &[done(*meter, *job, Some(*range))]].concat())
            .await
            .unwrap();
    }
    assert_eq!(database.sql(LOSSES), "", "once is not enough");
    // Nothing is asked for again at once, and a look that comes too early decides nothing.
    for minutes in [5, 20] {
        database.sql("UPDATE meter_profile SET tried_at = tried_at - interval '1 day', hole_tried_at = hole_tried_at - interval '1 day'");
        database.sql(&format!("UPDATE meter_profile SET absent_at = absent_at - interval '{minutes} minutes'; UPDATE meter_plan SET look_at = now()"));
        for (meter, (job, range)) in of("again").await {
            asked.push((minutes, meter));
            let (begin, count) = held(range);
            let given = if minutes == 5 { 0 } else { count };
            let rows = captures(meter, job, quarters(&layout, begin, given, 0));
            store.write(owner, &[rows, done(meter, job, Some(range))]).await.unwrap();
        }
    }
    assert_eq!(database.sql(LOSSES), "");
    assert!(asked.contains(&(20, meters[1])) && !asked.contains(&(5, meters[1])), "{asked:?}");
    let counts = "SELECT count(*), count(DISTINCT n) FROM (SELECT count(*) AS n FROM profile_row WHERE ts < date_trunc('hour', now()) GROUP BY meter_id) r";
    assert_eq!(database.sql(counts), "4|1", "each has what the one has that gave all at once");
}

/// While the clock of a meter is far off, what it does not give says nothing about what it holds.
#[tokio::test]
async fn by_a_wrong_clock_nothing_is_lost() {
    let database = Database::new().await;
    let (meter, owner, layout) = (database.meter("M1"), Uuid::new_v4(), layout(900, 0));
    let intern = Report { job: 1, meter, event: Event::Layout(Arc::clone(&layout)) };
    database.store.write(owner, &[intern]).await.unwrap();
    for (drift, losses) in [("400 days", ""), ("400 days", ""), ("2 s", ""), ("2 s", "before_first")] {
        database.sql(&format!(
            "INSERT INTO meter_clock (meter_id, read_at, meter_ts, drift_ms, uncertainty_ms, status, kept_at, kept_drift_ms, kept_status)
             SELECT {meter}, now(), now(), extract(epoch FROM interval '{drift}') * 1000, 10, 0, now(), 0, 0
             ON CONFLICT (meter_id) DO UPDATE SET drift_ms = EXCLUDED.drift_ms"
        ));
        let job = read(&database, meter, owner, 100_000);
        database.store.write(owner, &[done(meter, job, asked())]).await.unwrap();
        assert_eq!(database.sql("SELECT cause FROM profile_loss"), losses, "{drift}");
    }
}

/// Captures of a day and of an hour stand on the clock of the meter, which need not be a full hour of UTC.
#[tokio::test]
async fn a_hole_is_asked_for_from_its_first_instant_to_its_last() {
    for (period_s, first, lost) in [
        (86_400, "2024-05-01T18:30:00Z", 3),
        (3600, "2024-05-01T18:15:00Z", 1),
        (7200, "2024-05-01T18:30:00Z", 2),
    ] {
        let database = Database::new().await;
        let mut models = models();
        Arc::make_mut(models.get_mut("generic-dlms").unwrap()).profiles[0].period_s = period_s;
        let (store, meter, owner) = (&database.store, database.meter("M1"), Uuid::new_v4());
        database.sql("UPDATE meter SET identify_tried_at = now() + interval '1 day'");
        let layout = layout(period_s, 0);
        let hour = Timestamp::from_second(Timestamp::now().as_second() / 86_400 * 86_400).unwrap();
        let offset = at(first).as_second() % 86_400;
        let begin = hour + SignedDuration::from_secs(offset - 10 * 86_400);
        let times: Vec<_> =
            (0..9).map(|n| begin + SignedDuration::from_secs(n * i64::from(period_s))).collect();
        let of = |job, times: &[Timestamp]| {
            let mut block = quarters(&layout, begin, times.len(), 0);
            block.at = times.to_vec();
            captures(meter, job, block)
        };
        let known = [&times[..3], &times[3 + lost..]].concat();
        store.write(owner, &[of(1, &known)]).await.unwrap();
        database.sql("UPDATE meter_profile SET tried_at = now() + interval '1 day'");
        plan::pass(store, &models, &config::Plan::default(), Timestamp::now()).await.unwrap();
        let jobs =
            store.lease(owner, Wanted::any(10), Duration::from_secs(60), 10).await.unwrap().remove(0).jobs;
        let [job] = &jobs[..] else { panic!("{jobs:?}") };
        // The meter has them, and gives what it is asked for.
        let (from, to) = job.range.unwrap();
        let given: Vec<_> = times.iter().copied().filter(|at| (from..=to).contains(at)).collect();
        store.write(owner, &[of(job.id, &given), done(meter, job.id, job.range)]).await.unwrap();
        assert_eq!(given, times[3..3 + lost], "{period_s}");
        assert_eq!(database.sql(LOSSES), "", "{period_s}");
        assert_eq!(
            database.sql("SELECT count(*) FROM meter_profile CROSS JOIN LATERAL unnest(coverage)"),
            "1",
            "{period_s}"
        );
    }
}

/// Of a daily profile each try covers an hour more, which by itself is too short to be missed.
#[tokio::test]
async fn what_is_asked_for_bit_by_bit_is_lost_as_a_whole() {
    let database = Database::new().await;
    let (store, meter, owner, layout) =
        (&database.store, database.meter("M1"), Uuid::new_v4(), layout(86_400, 0));
    let day = |n: i64| at("2024-05-01T00:00:00Z") + SignedDuration::from_hours(24 * n);
    let block = |n| captures(meter, 1, quarters(&layout, day(n), 1, 0));
    store.write(owner, &[block(0)]).await.unwrap();
    let mut from = day(0);
    for hour in 1..=24 * 2 + 7 {
        let to = day(0) + SignedDuration::from_hours(hour);
        let job = database.profile_job(meter, from + SignedDuration::from_secs(1), to);
        database.sql(&format!("UPDATE job SET state = 'running', lease_owner = '{owner}' WHERE id = {job}"));
        let range = Some((from + SignedDuration::from_secs(1), to));
        store.write(owner, &[done(meter, job, range)]).await.unwrap();
        let covered = database.sql("SELECT extract(epoch FROM upper(coverage))::int8 FROM meter_profile");
        from = Timestamp::from_second(covered.parse().unwrap()).unwrap();
    }
    store.write(owner, &[block(3)]).await.unwrap();
    assert_eq!(
        database.sql("SELECT cause, sum(until_ts - after_ts) FROM profile_loss GROUP BY cause"),
        "not_recorded|2 days"
    );
}

/// A meter keeps twelve months. Whether some were overwritten shows by the one that was read last: as long as that is there, none was.
#[tokio::test]
async fn sen_05_a_month_that_was_overwritten_is_lost() {
    let served = Served::new().await;
    let database = &served.database;
    let monthly = "0.0.98.1.0.255".parse().unwrap();
    let mut model = (*models::builtin().unwrap()["sed302"]).clone();
    model.profiles.retain(|profile| profile.obis == monthly);
    model.registers.clear();
    model.logs.clear();
    let models = BTreeMap::from([(model.name.clone(), Arc::new(model))]);
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date().first_of_month();
    let month = |back: i64| (today - back.months()).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let layout = Arc::new(Layout { obis: monthly, ..(*layout(0, 0)).clone() });
    let (store, owner) = (&database.store, Uuid::new_v4());
    let captured = |meter, job, months: &[i64]| {
        let mut block = quarters(&layout, month(0), months.len(), 0);
        block.at = months.iter().map(|back| month(*back)).collect();
        captures(meter, job, block)
    };
    for (serial, mark, held) in [
        ("LATE", 14, (0..12).rev().collect::<Vec<_>>()),
        ("JUST", 12, (0..12).rev().collect()),
        ("OFF", 14, vec![14, 3, 2]),
        ("EMPTY", 3, vec![]),
    ] {
        let meter = database.meter(serial);
        let months = |job, months: &[i64]| captured(meter, job, months);
        database
            .sql(&format!("UPDATE meter SET model = 'sed302', identify_tried_at = now() + interval '1 day' WHERE id = {meter}"));
        store.write(owner, &[months(1, &[mark])]).await.unwrap();
        plan::pass(store, &models, &config::Plan::default(), Timestamp::now()).await.unwrap();
        let leased =
            store.lease(owner, Wanted::any(10), Duration::from_secs(60), 10).await.unwrap().remove(0);
        let [job] = &leased.jobs[..] else { panic!("{leased:?}") };
        let (from, to) = job.range.unwrap();
        assert_eq!((leased.meter, from), (meter, month(mark)));
        // What a meter holds comes in two batches.
        let first = held.first().map_or(to, |back| month(*back));
        let (some, others) = held.split_at(held.len() / 2);
        store.write(owner, &[months(job.id, some)]).await.unwrap();
        store.write(owner, &[months(job.id, others), done(meter, job.id, Some((first, to)))]).await.unwrap();
    }
    let mut client = CollectionServiceClient::new(served.channel.clone());
    let losses =
        client.list_profile_losses(ListProfileLossesRequest::default()).await.unwrap().into_inner().losses;
    let instant = |at: Timestamp| at.as_second();
    let seen: Vec<_> = losses
        .iter()
        .map(|loss| {
            let (after, until) = (loss.after.unwrap().seconds, loss.until.unwrap().seconds);
            (loss.meter_serial.as_str(), loss.cause(), after, until)
        })
        .collect();
    let [empty, late] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(*late, ("LATE", ProfileLossCause::Overwritten, instant(month(14)), instant(month(11)) - 1));
    assert_eq!((empty.0, empty.1, empty.2), ("EMPTY", ProfileLossCause::Overwritten, instant(month(3))));
    assert_eq!(
        database.sql("SELECT count(*) FROM meter_profile CROSS JOIN LATERAL unnest(coverage)"),
        "4",
        "nothing is left to be asked for"
    );
    // Months that come to light after all are taken out, and what is left is lost as long as a month fits into it.
    let meter = database.sql("SELECT id FROM meter WHERE serial = 'LATE'").parse().unwrap();
    let left = "SELECT extract(epoch FROM until_ts - after_ts)::int8 FROM profile_loss l JOIN meter m ON m.id = l.meter_id WHERE serial = 'LATE'";
    store.write(owner, &[captured(meter, 2, &[12])]).await.unwrap();
    assert_eq!(database.sql(left), (instant(month(12)) - instant(month(14))).to_string());
    store.write(owner, &[captured(meter, 2, &[13])]).await.unwrap();
    assert_eq!(database.sql(left), "");
}

#[tokio::test]
async fn what_may_still_come_is_not_lost() {
    let database = Database::new().await;
    let (meter, owner, layout) = (database.meter("M1"), Uuid::new_v4(), layout(900, 0));
    let hour = Timestamp::from_second(Timestamp::now().as_second() / 3600 * 3600).unwrap();
    let hours = |n| hour - SignedDuration::from_hours(n);
    let job = database.profile_job(meter, hours(5), hour);
    database.sql(&format!("UPDATE job SET state = 'running', lease_owner = '{owner}' WHERE id = {job}"));
    let some = captures(meter, job, quarters(&layout, hours(5), 5, 0));
    database.store.write(owner, &[some, done(meter, job, Some((hours(5), hour)))]).await.unwrap();
    assert_eq!(database.sql(LOSSES), "");
    assert_eq!(
        database.sql(&format!("SELECT upper(coverage) = '{}' FROM meter_profile", hours(4))),
        "t",
        "the next read begins behind the latest capture"
    );
}

#[tokio::test]
async fn holes_are_filled_behind_all_else_first_what_is_overwritten_first_and_given_up_beyond_the_horizon() {
    let database = Database::new().await;
    let (store, models) = (&database.store, models());
    let hour = Timestamp::from_second(Timestamp::now().as_second() / 3600 * 3600).unwrap();
    let ago = |hours| hour - SignedDuration::from_hours(hours);
    let profile = |serial: &str, ranges: &[(i64, i64)]| {
        let meter = database.meter(serial);
        let ranges: Vec<_> =
            ranges.iter().map(|(from, to)| format!("(\"{}\",\"{}\"]", ago(*from), ago(*to))).collect();
        database.sql(&format!(
            "UPDATE meter SET identify_tried_at = now() + interval '1 day' WHERE id = {meter};
             INSERT INTO meter_profile (meter_id, obis, last_ts, coverage, tried_at, read_at)
             VALUES ({meter}, '\\x0100630100ff', '{}', '{{{}}}', now() + interval '1 day', now())",
            ago(1),
            ranges.join(",")
        ));
        meter
    };
    let young = profile("YOUNG", &[(48, 10), (8, 1)]);
    let old = profile("OLD", &[(1000, 900), (800, 600), (500, 400), (300, 200), (100, 1)]);
    let now = Timestamp::now();
    let planned = plan::pass(store, &models, &config::Plan::default(), now).await.unwrap();
    assert_eq!((planned.jobs, planned.given_up), (4, 1), "a horizon of 720 hours lies in what is there");
    assert_eq!(
        database.sql(&format!(
            "SELECT meter_id = {old}, cause, after_ts = '{}', until_ts = '{}', job_id FROM profile_loss",
            ago(900),
            ago(800)
        )),
        "t|given_up|t|t|"
    );
    assert_eq!(plan::pass(store, &models, &config::Plan::default(), now).await.unwrap().jobs, 0);
    // Ordered after them, what is planned at all goes before them.
    database.sql(&format!("INSERT INTO job (meter_id, kind) VALUES ({young}, 'read_registers')"));
    let owner = Uuid::new_v4();
    let mut order = Vec::new();
    // They stand on one line.
    for leased in store.lease(owner, Wanted::any(10), Duration::from_secs(60), 10).await.unwrap() {
        order.extend(
            leased.jobs.iter().map(|job| (leased.meter, job.priority, job.range.map(|range| range.1))),
        );
    }
    let of = |meter| order.iter().filter(|job| job.0 == meter).map(|job| (job.1, job.2)).collect::<Vec<_>>();
    assert_eq!(
        of(old),
        [600, 400, 200].map(|until| until - 100).map(|until| (-5, Some(ago(until)))).to_vec()
    );
    assert_eq!(of(young), [(0, None), (-5, Some(ago(8)))]);
    let queue = "SELECT string_agg(serial, ' ' ORDER BY priority DESC, wanted_by) FROM job JOIN meter m ON m.id = meter_id";
    assert_eq!(database.sql(queue), "YOUNG OLD OLD OLD YOUNG", "old holes are overwritten first");
}

#[tokio::test]
async fn gaps_and_losses_are_told_with_their_reasons() {
    let served = Served::new().await;
    let database = &served.database;
    let (silent, holed, owner) = (database.meter("SILENT"), database.meter("HOLED"), Uuid::new_v4());
    database.sql("UPDATE meter SET created_at = now() - interval '3 days'");
    let job = database.profile_job(silent, at("2024-05-01T00:00:01Z"), at("2024-05-02T06:00:00Z"));
    database.sql(&format!(
        "UPDATE job SET state = 'running', lease_owner = '{owner}', attempts = 5 WHERE id = {job}"
    ));
    database.store.write(owner, &[failed(silent, job, Reason::NoRoute)]).await.unwrap();
    let hour = Timestamp::from_second(Timestamp::now().as_second() / 3600 * 3600).unwrap();
    let ago = |hours| hour - SignedDuration::from_hours(hours);
    for (from, count) in [(96, 4 * 40), (50, 4 * 50)] {
        let part = quarters(&layout(900, 0), ago(from) + SignedDuration::from_mins(15), count, 0);
        database.store.write(owner, &[captures(holed, 7, part)]).await.unwrap();
    }
    let mut client = CollectionServiceClient::new(served.channel.clone());
    let question = ListGapsRequest { page_size: 1, ..Default::default() };
    let mut gaps: Vec<Gap> = Vec::new();
    let mut token = String::new();
    loop {
        let page = ListGapsRequest { page_token: token, ..question.clone() };
        let page = client.list_gaps(page).await.unwrap().into_inner();
        gaps.extend(page.gaps);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let energy = |serial: &str| -> Vec<Gap> {
        let of = gaps.iter().filter(|gap| gap.meter_serial == serial && gap.profile == "1.0.99.1.0.255");
        of.cloned().collect()
    };
    let [behind] = &energy("SILENT")[..] else { panic!("{gaps:?}") };
    assert_eq!((behind.hole, behind.reason()), (false, FailureReason::NoRoute));
    assert!((3 * 96 - 12..3 * 96).contains(&behind.captures), "{behind:?}");
    assert_eq!(behind.detail, "It broke.");
    let [hole] = &energy("HOLED")[..] else { panic!("{gaps:?}") };
    assert_eq!((hole.hole, hole.captures, hole.reason()), (true, 24, FailureReason::Unspecified));
    let instant = |at: Timestamp| Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 });
    assert_eq!((hole.after, hole.until), (instant(ago(56)), instant(ago(50))));
    // 9600 captures are kept.
    let overwritten = ago(56) + SignedDuration::from_mins(15 * 9601);
    assert_eq!((hole.overwritten_from, hole.profile_name.as_str()), (instant(overwritten), "energy"));
    let holes =
        ListGapsRequest { holes_only: true, meter_serials: vec!["HOLED".into()], ..Default::default() };
    assert_eq!(client.list_gaps(holes).await.unwrap().into_inner().gaps, std::slice::from_ref(hole));

    let mut job = 0;
    for _look in 0..2 {
        job = database.profile_job(holed, ago(56), ago(50));
        database.sql(&format!("UPDATE job SET state = 'running', lease_owner = '{owner}' WHERE id = {job}"));
        database.store.write(owner, &[done(holed, job, Some((ago(56), ago(50))))]).await.unwrap();
    }
    let question = ListProfileLossesRequest { meter_serials: vec!["HOLED".into()], ..Default::default() };
    let losses = client.list_profile_losses(question).await.unwrap().into_inner().losses;
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!((loss.cause(), loss.job_id), (ProfileLossCause::NotRecorded, job));
    assert_eq!((loss.after, loss.until), (hole.after, hole.until));
    let holes = ListGapsRequest { holes_only: true, ..Default::default() };
    assert_eq!(
        client.list_gaps(holes).await.unwrap().into_inner().gaps,
        [],
        "what is lost is no gap any more"
    );
}

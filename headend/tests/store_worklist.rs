//! Meters that cannot be read: what is noted, what is planned of them then, and the work list.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::collections::BTreeMap;

use ami_proto::v1::collection_service_client::CollectionServiceClient;
use ami_proto::v1::{LikelyCause, ListTroublesRequest, ResolveTroublesRequest, Trouble, TroubleCause};
use collectors::{Covered, Event, JobId, MeterId, Reason, Report};
use common::{Database, done, failed};
use headend::{config, plan};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use served::{Served, reason};
use uuid::Uuid;

/// Ends a running job of a meter that was planned, badly for a reason or well.
async fn end(database: &Database, meter: MeterId, kind: &str, reason: Option<Reason>) {
    end_as(database, meter, kind, |job| match reason {
        Some(reason) => failed(meter, job, reason),
        None => done(meter, job, None),
    })
    .await;
}

async fn end_as(database: &Database, meter: MeterId, kind: &str, report: impl FnOnce(JobId) -> Report) {
    let owner = Uuid::new_v4();
    let range = if kind == "read_profile" { "'\\x0100630100ff', now(), now()" } else { "NULL, NULL, NULL" };
    let made = format!(
        "INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, state, lease_owner, attempts, started_at)
         VALUES ({meter}, '{kind}', {range}, 'running', '{owner}', 5, now() - interval '1 minute') RETURNING id"
    );
    let job = database.sql(&made).lines().next().unwrap().parse().unwrap();
    database.store.write(owner, &[report(job)]).await.unwrap();
}

/// Has all that was tried count as tried in the afternoon of tomorrow, and returns when. A meter is asked once a day at a time of its own, which for the first one
/// is a quarter past three.
fn tried_in_the_afternoon(database: &Database) -> Timestamp {
    let tomorrow = Timestamp::now().to_zoned(TimeZone::UTC).date().tomorrow().unwrap();
    let at = tomorrow.at(16, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    database.sql(&format!("UPDATE meter SET identify_tried_at = '{at}', registers_tried_at = '{at}'"));
    database.sql(&format!("UPDATE meter_profile SET tried_at = '{at}'"));
    at
}

#[tokio::test]
async fn a_meter_that_refuses_its_key_is_asked_once_a_day_until_somebody_has_mended_it() {
    let served = Served::new().await;
    let database = &served.database;
    let meter = database.meter("M1");
    end(database, meter, "identify", None).await;
    end(database, meter, "read_profile", Some(Reason::WrongKey)).await;
    let (models, tried) = (models::builtin().unwrap(), tried_in_the_afternoon(database));
    let planned = |hours| {
        let (models, store) = (models.clone(), database.store.clone());
        async move {
            let now = tried + SignedDuration::from_hours(hours);
            plan::pass(&store, &models, &config::Plan::default(), now).await.unwrap().jobs
        }
    };
    assert_eq!(planned(2).await, 0, "nothing is tried that would lock it");
    assert_eq!(planned(25).await, 1);
    assert_eq!(database.sql("SELECT kind FROM job WHERE state = 'due'"), "identify");
    let mut client = CollectionServiceClient::new(served.channel.clone());
    let resolve = |serial: &str, reason: &str| ResolveTroublesRequest {
        meter_serial: serial.into(),
        reason: reason.into(),
    };
    let refused = client.resolve_troubles(resolve("M1", " ")).await.unwrap_err();
    assert_eq!(reason(&refused).1, "reason");
    let resolved = client.resolve_troubles(resolve("M1", "The key was mended.")).await.unwrap();
    assert_eq!(resolved.into_inner().resolved, 1);
    assert_eq!(
        database.sql("SELECT action, target, outcome, detail FROM audit WHERE outcome = 'accepted'"),
        "CollectionService/ResolveTroubles|M1|accepted|The key was mended."
    );
    assert!(planned(25).await > 3, "all that is due of it is planned again");
}

#[tokio::test]
async fn what_fails_alone_is_left_alone_after_three_times_and_a_success_ends_a_trouble() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let troubles = "SELECT scope, cause, reason, failures, needs_person FROM meter_trouble ORDER BY scope";
    for _ in 0..2 {
        end(&database, meter, "read_profile", Some(Reason::MeterRefused)).await;
        end(&database, meter, "read_registers", None).await;
    }
    let profile = "read_profile 1.0.99.1.0.255|data|meter_refused";
    assert_eq!(database.sql(troubles), format!("{profile}|2|f"), "other successes do not end it");
    end(&database, meter, "read_profile", Some(Reason::MeterRefused)).await;
    assert_eq!(database.sql(troubles), format!("{profile}|3|t"));
    let now = tried_in_the_afternoon(&database) + SignedDuration::from_hours(2);
    plan::pass(&database.store, &models::builtin().unwrap(), &config::Plan::default(), now).await.unwrap();
    let energy = "SELECT count(*) FROM job WHERE state = 'due' AND obis = '\\x0100630100ff'";
    assert_eq!(database.sql(energy), "0");
    assert_ne!(
        database.sql("DELETE FROM job WHERE state = 'due' RETURNING id"),
        "",
        "the rest of it is read"
    );
    end(&database, meter, "identify", Some(Reason::Timeout)).await;
    assert_eq!(database.sql(troubles), format!("|route|timeout|1|f\n{profile}|3|t"));
    end(&database, meter, "read_profile", None).await;
    assert_eq!(database.sql(troubles), "");
}

#[tokio::test]
async fn what_comes_back_by_itself_uses_up_no_patience_with_counters() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let troubles = "SELECT cause, failures, patience_spent, needs_person FROM meter_trouble";
    for _ in 0..4 {
        end(&database, meter, "identify", Some(Reason::Timeout)).await;
    }
    end(&database, meter, "identify", Some(Reason::CounterRejected)).await;
    assert_eq!(database.sql(troubles), "counter|5|1|f", "it was refused once");
    end(&database, meter, "identify", Some(Reason::CounterRejected)).await;
    end(&database, meter, "identify", Some(Reason::NoRoute)).await;
    assert_eq!(database.sql(troubles), "route|7|2|f");
    end(&database, meter, "identify", Some(Reason::CounterRejected)).await;
    assert_eq!(database.sql(troubles), "counter|8|3|t");
}

#[tokio::test]
async fn registers_that_did_not_come_are_told_with_a_read_that_is_done_and_are_no_trouble() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let note = "1 of 19 registers did not come. 1.0.91.7.0.255: The meter refused access (object-undefined).";
    for _ in 0..3 {
        let covered = Covered { note: Some(note.into()), ..Covered::default() };
        end_as(&database, meter, "read_registers", |job| Report {
            job,
            meter,
            event: Event::Ended(Ok(covered)),
        })
        .await;
    }
    let jobs = "SELECT DISTINCT state, reason IS NULL, detail FROM job";
    assert_eq!(database.sql(jobs), format!("done|t|{note}"));
    assert_eq!(database.sql("SELECT count(*) FROM meter_trouble"), "0");
}

#[tokio::test]
async fn only_a_read_of_registers_that_succeeded_begins_their_turns_anew() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let read = "SELECT registers_tried_at IS NOT NULL, registers_read_at = (SELECT min(started_at) FROM job WHERE state = 'done') FROM meter";
    end(&database, meter, "read_registers", Some(Reason::Timeout)).await;
    assert_eq!(database.sql(read), "t|");
    end(&database, meter, "read_registers", None).await;
    assert_eq!(database.sql(read), "t|t");
    end(&database, meter, "read_registers", Some(Reason::Timeout)).await;
    assert_eq!(database.sql(read), "t|t");
}

#[tokio::test]
async fn the_work_list_says_where_a_silence_most_likely_comes_from() {
    let served = Served::new().await;
    let database = &served.database;
    let on = |serial: &str, address: &str| {
        let meter = database.meter(serial);
        database.sql(&format!("UPDATE meter SET address = '{address}' WHERE id = {meter}"));
        meter
    };
    let alone = on("ALONE", "10.0.0.1:4059");
    let dead_bus = [on("DEAD1", "hdlc://10.0.0.2:4001"), on("DEAD2", "hdlc://10.0.0.2:4001")];
    let bus = [on("SILENT", "hdlc://10.0.0.3:4001"), on("WELL", "hdlc://10.0.0.3:4001")];
    let (gone, dark) = (on("GONE", "inbound://GONE"), on("DARK", "10.0.0.4:4059"));
    let (other, busy) = (on("OTHER", "10.0.0.5:4059"), on("BUSY", "10.0.0.6:4059"));
    database.sql(&format!(
        "INSERT INTO alarm (meter_id, key, severity, source, obis, code, received_at, authenticated, peer, raw)
         VALUES ({dark}, 'power.last_gasp', 'critical', 'bit', '\\x0000616202ff', 0, now(), false, 'udp:10.0.0.4:4059', '')"
    ));
    for meter in [alone, dead_bus[0], dead_bus[1], bus[0], gone, dark] {
        end(database, meter, "identify", Some(Reason::NoRoute)).await;
    }
    end(database, other, "identify", Some(Reason::WrongMeter)).await;
    end(database, busy, "identify", Some(Reason::Refused)).await;
    let mut client = CollectionServiceClient::new(served.channel.clone());
    let list = |question: ListTroublesRequest| {
        let mut client = client.clone();
        async move { client.list_troubles(question).await.unwrap().into_inner().troubles }
    };
    let troubles = list(ListTroublesRequest::default()).await;
    let likely: BTreeMap<&str, LikelyCause> =
        troubles.iter().map(|trouble| (trouble.meter_serial.as_str(), trouble.likely())).collect();
    assert_eq!(
        likely,
        BTreeMap::from([
            ("ALONE", LikelyCause::NoAnswer),
            ("BUSY", LikelyCause::InUse),
            ("DARK", LikelyCause::PowerLost),
            ("DEAD1", LikelyCause::LineDown),
            ("DEAD2", LikelyCause::LineDown),
            ("GONE", LikelyCause::DoesNotCall),
            ("OTHER", LikelyCause::Exchanged),
            ("SILENT", LikelyCause::MeterSilent),
        ])
    );
    let silent: &Trouble = troubles.iter().find(|trouble| trouble.meter_serial == "SILENT").unwrap();
    assert_eq!((silent.neighbours, silent.silent_neighbours, silent.cause()), (1, 0, TroubleCause::Route));
    let question = ListTroublesRequest { needs_person_only: true, ..Default::default() };
    let serials: Vec<_> = list(question).await.into_iter().map(|trouble| trouble.meter_serial).collect();
    assert_eq!(serials, ["OTHER"]);
    let day = Some(prost_types::Duration { seconds: 86_400, nanos: 0 });
    assert!(list(ListTroublesRequest { lasting: day, ..Default::default() }).await.is_empty());
    let page = ListTroublesRequest { page_size: 5, ..Default::default() };
    let first = client.list_troubles(page.clone()).await.unwrap().into_inner();
    let page = ListTroublesRequest { page_token: first.next_page_token, ..page };
    let second = client.list_troubles(page).await.unwrap().into_inner();
    assert_eq!((first.troubles.len(), second.troubles.len()), (5, 3));
    assert_eq!(second.next_page_token, "");
}

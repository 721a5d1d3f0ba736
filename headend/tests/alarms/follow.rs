//! Following, listing and acknowledging alarms.

use ami_proto::v1::alarms_service_client::AlarmsServiceClient;
use ami_proto::v1::{
    AcknowledgeAlarmsRequest, Alarm, AlarmSeverity, ErrorReason, ListAlarmsRequest, SubscribeAlarmsRequest,
};
use headend::api::access::Role;
use tonic::Code;

use crate::hearing::{Hearing, entry, framed};
use crate::served::{Served, reason};

fn codes(alarms: &[Alarm]) -> Vec<u32> {
    alarms.iter().map(|alarm| alarm.code.unwrap()).collect()
}

/// Alarms with consecutive numbers, as one transaction stores them.
fn store(hearing: &Hearing, count: usize) {
    hearing.sql(&format!(
        "INSERT INTO alarm (meter_id, key, severity, source, obis, code, received_at, authenticated, peer, raw)
         SELECT (SELECT min(id) FROM meter), 'power.down', 'warning', 'event', '\\x0000636200ff', n, now(), false, 'test',
             decode(repeat('ab', 100), 'hex') FROM generate_series(1, {count}) n;
         SELECT pg_notify('alarm', '')"
    ));
}

#[tokio::test]
async fn a_resumed_subscription_has_everything_and_nothing_twice() {
    let hearing = Hearing::new().await;
    hearing.served.database.meter("A1");
    let mut first = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    let mut all = Vec::new();
    for code in 1..=5 {
        hearing.send(&framed(&entry("A1", code, 0, false)));
        all.extend(first.next(1).await);
    }
    let resume_token = first.token.clone();
    drop(first);
    for code in 6..=10 {
        hearing.send(&framed(&entry("A1", code, 0, false)));
    }
    hearing.until("SELECT count(*) FROM alarm", "10").await;
    let mut second = hearing.subscribe(SubscribeAlarmsRequest { resume_token, ..Default::default() }).await;
    all.extend(second.next(5).await);
    hearing.send(&framed(&entry("A1", 11, 0, false)));
    all.extend(second.next(1).await);
    let mut told = codes(&all);
    told[5..10].sort_unstable();
    assert_eq!(told, (1..=11).collect::<Vec<_>>());
    assert!(all.is_sorted_by(|one, next| one.id < next.id), "{:?}", codes(&all));
    hearing.stop().await;
}

/// Transactions that begin in one order and end in another, as those of several listeners would.
#[tokio::test]
async fn nothing_is_left_out_whoever_writes_at_the_same_time() {
    const WRITERS: usize = 6;
    const EACH: usize = 40;
    let hearing = Hearing::new().await;
    hearing.served.database.meter("A1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = hearing.served.database.store.clone();
            tokio::spawn(async move {
                for turn in 0..EACH {
                    let mut transaction = store.pool().begin().await.unwrap();
                    // Has a transaction number long before a number in the log.
                    sqlx::query("SELECT pg_current_xact_id()").execute(&mut *transaction).await.unwrap();
                    sqlx::query(
                        "INSERT INTO alarm (meter_id, key, severity, source, obis, code, received_at, authenticated, peer, raw)
                         VALUES (1, 'power.down', 'warning', 'event', '\\x0000636200ff', $1, now(), false, 'test', '')",
                    )
                    .bind((writer * EACH + turn) as i64)
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                    sqlx::query("SELECT pg_notify('alarm', ''), pg_sleep(random() * 0.003)")
                        .execute(&mut *transaction)
                        .await
                        .unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    let alarms = subscriber.next(WRITERS * EACH).await;
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(alarms.is_sorted_by(|one, next| one.id < next.id));
    let mut told = codes(&alarms);
    told.sort_unstable();
    assert_eq!(told, (0..(WRITERS * EACH) as u32).collect::<Vec<_>>());
    hearing.stop().await;
}

#[tokio::test]
async fn repetitions_within_ten_minutes_are_one_alarm() {
    let hearing = Hearing::new().await;
    hearing.served.database.meter("A1");
    let push = framed(&entry("A1", 99, 0, false));
    let _connection = hearing.connect(&push.repeat(5), 1000).await;
    hearing.until("SELECT sum(repetitions + 1) FROM alarm", "5").await;
    hearing.send(&push);
    hearing.until("SELECT count(*), sum(repetitions) FROM alarm", "1|5").await;
    // Eleven minutes later it is another one.
    hearing.sql("UPDATE alarm SET received_at = received_at - interval '11 minutes'");
    hearing.send(&push);
    hearing.until("SELECT count(*), sum(repetitions) FROM alarm", "2|5").await;
    assert_eq!(hearing.sql("SELECT fate, pushes FROM push_tally ORDER BY fate"), "stored|2\nrepeated|5");
    hearing.stop().await;
}

#[tokio::test]
async fn a_slow_subscriber_reads_on_by_itself_and_a_fast_one_does_not_wait_for_it() {
    const COUNT: usize = 40_000;
    let hearing = Hearing::new().await;
    hearing.served.database.meter("A1");
    let mut slow = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    let mut fast = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    store(&hearing, COUNT);
    assert_eq!(codes(&fast.next(COUNT).await), (1..=COUNT as u32).collect::<Vec<_>>());
    assert_eq!(codes(&slow.next(COUNT).await), (1..=COUNT as u32).collect::<Vec<_>>());
    hearing.stop().await;
}

#[tokio::test]
async fn filters_fit_what_is_new_and_what_was_stored_before() {
    let hearing = Hearing::new().await;
    for serial in ["A1", "A2"] {
        hearing.served.database.meter(serial);
    }
    let begin = hearing.subscribe(SubscribeAlarmsRequest::default()).await.token;
    let filter = SubscribeAlarmsRequest {
        meter_serials: vec!["A2".into()],
        keys: vec!["power.down".into(), "power.last_gasp".into()],
        min_severity: AlarmSeverity::Critical.into(),
        ..Default::default()
    };
    let mut live = hearing.subscribe(filter.clone()).await;
    for (serial, code) in [("A1", 99), ("A2", 1), ("A2", 50), ("A2", 99)] {
        hearing.send(&framed(&entry(serial, code, 0, false)));
    }
    let expected = live.next(1).await;
    assert_eq!((codes(&expected), expected[0].meter_serial.as_str()), (vec![99], "A2"));
    hearing.until("SELECT count(*) FROM alarm", "4").await;
    let mut later = hearing.subscribe(SubscribeAlarmsRequest { resume_token: begin, ..filter.clone() }).await;
    assert_eq!(later.next(1).await, expected);
    let question = ListAlarmsRequest {
        meter_serials: filter.meter_serials,
        keys: filter.keys,
        min_severity: filter.min_severity,
        ..Default::default()
    };
    assert_eq!(hearing.client().list_alarms(question).await.unwrap().into_inner().alarms, expected);
    hearing.stop().await;
}

#[tokio::test]
async fn pages_show_every_alarm_once_the_newest_first() {
    let hearing = Hearing::new().await;
    hearing.served.database.meter("A1");
    store(&hearing, 7);
    let mut question = ListAlarmsRequest { page_size: 3, ..Default::default() };
    let mut listed = Vec::new();
    loop {
        let page = hearing.client().list_alarms(question.clone()).await.unwrap().into_inner();
        listed.extend(codes(&page.alarms));
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    assert_eq!(listed, [7, 6, 5, 4, 3, 2, 1]);
    let other = ListAlarmsRequest { keys: vec!["power.up".into()], ..question };
    let refusal = hearing.client().list_alarms(other).await.unwrap_err();
    assert_eq!(reason(&refusal).0, ErrorReason::PageTokenInvalid);
    hearing.stop().await;
}

#[tokio::test]
async fn the_first_who_takes_notice_stays_on_record() {
    let hearing = Hearing::new().await;
    hearing.served.database.meter("A1");
    store(&hearing, 3);
    let acknowledge = |ids: Vec<i64>, note: &str| {
        let request = AcknowledgeAlarmsRequest { ids, note: note.into() };
        let mut client = hearing.client();
        async move { client.acknowledge_alarms(request).await.map(|answer| answer.into_inner().alarms) }
    };
    let alarms = acknowledge(vec![1, 2], "crew sent").await.unwrap();
    assert_eq!(alarms.iter().map(|alarm| alarm.note.as_str()).collect::<Vec<_>>(), ["crew sent"; 2]);
    assert!(
        alarms.iter().all(|alarm| alarm.acknowledged_by == "loopback" && alarm.acknowledged_at.is_some())
    );
    let again = acknowledge(vec![2, 3], "").await.unwrap();
    assert_eq!(again[0], alarms[1]);
    assert_eq!((again[1].note.as_str(), again[1].acknowledged_by.as_str()), ("", "loopback"));
    hearing.sql("UPDATE alarm SET acknowledged_at = NULL, acknowledged_by = NULL, note = NULL WHERE id = 3");
    let missing = acknowledge(vec![3, 4711], "").await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).0), (Code::NotFound, ErrorReason::AlarmNotFound));
    for (ids, note) in [(vec![], ""), (vec![3], &"x".repeat(501))] {
        let refusal = acknowledge(ids, note).await.unwrap_err();
        assert_eq!(reason(&refusal).0, ErrorReason::InvalidField, "{refusal:?}");
    }
    let audit = "SELECT principal, action, target, outcome, detail FROM audit ORDER BY id";
    assert_eq!(
        hearing.sql(audit).lines().take(3).collect::<Vec<_>>(),
        [
            "loopback|AlarmsService/AcknowledgeAlarms|alarms 1 2|accepted|crew sent",
            "loopback|AlarmsService/AcknowledgeAlarms|alarms 2 3|accepted|",
            "loopback|AlarmsService/AcknowledgeAlarms|alarms 3 4711|alarm_not_found|there is no alarm 4711; none was acknowledged",
        ]
    );
    let open = ListAlarmsRequest { acknowledged: Some(false), ..Default::default() };
    let open = hearing.client().list_alarms(open).await.unwrap().into_inner().alarms;
    assert_eq!(codes(&open), [3]);
    hearing.stop().await;
}

#[tokio::test]
async fn who_only_looks_can_not_acknowledge_and_bad_questions_are_refused_by_name() {
    let served = Served::to(Role::Viewer).await;
    let mut client = AlarmsServiceClient::new(served.channel.clone());
    assert!(client.list_alarms(ListAlarmsRequest::default()).await.is_ok());
    let request = AcknowledgeAlarmsRequest { ids: vec![1], note: String::new() };
    assert_eq!(client.acknowledge_alarms(request).await.unwrap_err().code(), Code::PermissionDenied);
    for (request, expected) in [
        (
            SubscribeAlarmsRequest { meter_serials: vec!["X1".into()], ..Default::default() },
            ErrorReason::MeterNotFound,
        ),
        (SubscribeAlarmsRequest { min_severity: 9, ..Default::default() }, ErrorReason::InvalidField),
        (
            SubscribeAlarmsRequest { keys: vec![String::new()], ..Default::default() },
            ErrorReason::InvalidField,
        ),
        (SubscribeAlarmsRequest { keys: vec!["k".into(); 65], ..Default::default() }, ErrorReason::OverLimit),
        (
            SubscribeAlarmsRequest { resume_token: "0123".into(), ..Default::default() },
            ErrorReason::ResumeTokenInvalid,
        ),
    ] {
        let refusal = client.subscribe_alarms(request).await.unwrap_err();
        assert_eq!(reason(&refusal).0, expected, "{refusal:?}");
    }
}

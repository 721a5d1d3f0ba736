//! What was pushed and what is read from the log meet in one event.

use ami_proto::v1::events_service_client::EventsServiceClient;
use ami_proto::v1::{ListEventsRequest, SubscribeAlarmsRequest, WatchEventsRequest};
use collectors::{Event, LogEntries, LogEntry, LogMeaning, Report};
use dlms::DateTime;
use dlms::security::Wrapping;
use jiff::Timestamp;
use models::Severity;
use uuid::Uuid;

use crate::hearing::{Hearing, cipher, entry, framed, gmac_meter, octets, sealed};
use crate::served::soon;

/// The second that `hearing::entry` counts from.
const NOON: i64 = 1_774_872_000;

/// What a read of a log brought: an entry so many seconds after noon.
async fn polled(hearing: &Hearing, meter: i32, log: &str, (second, code, key): (i64, i64, &str)) {
    let meaning = Some(LogMeaning { key: key.into(), severity: Severity::Critical, phase: None });
    let (at, time) =
        (Timestamp::from_second(NOON + second).ok(), DateTime::from_unix(NOON + second, Some(0), 0));
    let entries = vec![LogEntry { at, time, code, logged: code, node: None, meaning }];
    let event = Event::Logged(LogEntries { log: log.parse().unwrap(), entries });
    let store = &hearing.served.database.store;
    store.write(Uuid::new_v4(), &[Report { job: 1, meter, event }]).await.unwrap();
}

const STANDARD: &str = "0.0.99.98.0.255";
const EVENTS: &str = "SELECT code, extract(epoch FROM meter_ts)::int8 - 1774872000, pushed_at IS NOT NULL, polled_at IS NOT NULL, \
                      authenticated, (SELECT count(*) FROM alarm a WHERE a.event_id = e.id) FROM event e ORDER BY meter_ts, id";

#[tokio::test]
async fn sen_24_push_and_poll_of_the_same_event_are_one() {
    let hearing = Hearing::new().await;
    let meter = hearing.served.database.meter("SN-1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    // Pushed and then read, under the same time.
    hearing.send(&framed(&entry("SN-1", 1, 0, false)));
    let alarm = subscriber.next(1).await.remove(0);
    assert_eq!(hearing.sql(EVENTS), "1|0|t|f|f|1", "what anybody may have sent says so");
    polled(&hearing, meter, STANDARD, (0, 1, "power.down")).await;
    assert_eq!(hearing.sql(EVENTS), "1|0|t|t|t|1");
    assert_eq!(alarm.event_id.to_string(), hearing.sql("SELECT id FROM event"));
    // Read and then pushed; and pushed again later.
    polled(&hearing, meter, STANDARD, (300, 2, "power.up")).await;
    hearing.send(&framed(&entry("SN-1", 2, 300, false)));
    subscriber.next(1).await;
    hearing.sql("UPDATE alarm SET received_at = received_at - interval '1 hour'");
    hearing.send(&framed(&entry("SN-1", 2, 300, false)));
    subscriber.next(1).await;
    // Pushed under the time at which it was sent: the log knows better.
    hearing.send(&framed(&entry("SN-1", 1, 635, false)));
    subscriber.next(1).await;
    polled(&hearing, meter, STANDARD, (600, 1, "power.down")).await;
    // Lost on the way.
    polled(&hearing, meter, STANDARD, (900, 2, "power.up")).await;
    polled(&hearing, meter, STANDARD, (900, 2, "power.up")).await;
    let expected = ["1|0|t|t|t|1", "2|300|t|t|t|2", "1|600|t|t|t|1", "2|900|f|t|t|0"];
    assert_eq!(hearing.sql(EVENTS).lines().collect::<Vec<_>>(), expected);
    hearing.stop().await;
}

#[tokio::test]
async fn two_events_within_a_minute_stay_two() {
    let hearing = Hearing::new().await;
    let meter = hearing.served.database.meter("SN-1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    hearing.send(&framed(&entry("SN-1", 1, 40, false)));
    subscriber.next(1).await;
    polled(&hearing, meter, STANDARD, (0, 1, "power.down")).await;
    polled(&hearing, meter, STANDARD, (40, 1, "power.down")).await;
    // The first was taken for the pushed one, whose time is close, and the second is there, too.
    assert_eq!(hearing.sql("SELECT count(*), count(pushed_at) FROM event"), "2|1");
    hearing.send(&framed(&entry("SN-1", 1, 40, false)));
    hearing.until("SELECT sum(repetitions) FROM alarm", "1").await;
    assert_eq!(hearing.sql("SELECT count(*) FROM event"), "2");
    hearing.stop().await;
}

#[tokio::test]
async fn an_alarm_that_names_no_code_refers_to_the_event_of_its_key() {
    let hearing = Hearing::new().await;
    let meter = gmac_meter(&hearing, "SN-1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    // Bit 0 of alarm register 3 at 7 s, with a deviation of an hour.
    hearing.send(&framed(&sealed(Wrapping::Global(0xC2), &cipher(), 7)));
    let alarm = subscriber.next(1).await.remove(0);
    assert_eq!((alarm.key.as_str(), alarm.event_id), ("power.last_gasp", 0));
    let second = alarm.meter_time.unwrap().seconds - NOON;
    polled(&hearing, meter, STANDARD, (second - 600, 99, "power.last_gasp")).await;
    polled(&hearing, meter, STANDARD, (second + 3, 1, "power.down")).await;
    polled(&hearing, meter, STANDARD, (second - 20, 99, "power.last_gasp")).await;
    let linked = hearing
        .sql("SELECT e.code, e.pushed_at = a.received_at FROM alarm a JOIN event e ON e.id = a.event_id");
    assert_eq!(linked, "99|t");
    let pushed = hearing.sql(
        "SELECT code, extract(epoch FROM meter_ts)::int8 - 1774872000 FROM event WHERE pushed_at IS NOT NULL",
    );
    assert_eq!(pushed, format!("99|{}", second - 20));
    hearing.stop().await;
}

#[tokio::test]
async fn events_are_followed_from_a_token_and_listed_by_what_they_are() {
    let hearing = Hearing::new().await;
    let meter = hearing.served.database.meter("SN-1");
    let other = hearing.served.database.meter("SN-2");
    let mut client = EventsServiceClient::new(hearing.served.channel.clone());
    let watch = |resume_token: &str| WatchEventsRequest {
        resume_token: resume_token.into(),
        keys: vec!["power.down".into()],
        ..WatchEventsRequest::default()
    };
    let mut stream = client.watch_events(watch("")).await.unwrap().into_inner();
    let first = soon(stream.message()).await.unwrap().unwrap();
    assert!(first.events.is_empty());
    polled(&hearing, meter, STANDARD, (0, 1, "power.down")).await;
    polled(&hearing, other, STANDARD, (5, 2, "power.up")).await;
    let told = loop {
        let message = soon(stream.message()).await.unwrap().unwrap();
        if !message.events.is_empty() {
            break message;
        }
    };
    assert_eq!((told.events.len(), told.events[0].code, told.events[0].cim_code.as_str()), (1, 1, ""));
    polled(&hearing, other, STANDARD, (9, 1, "power.down")).await;
    let mut again = client.watch_events(watch(&first.resume_token)).await.unwrap().into_inner();
    let mut missed = Vec::new();
    while missed.len() < 2 {
        missed.extend(soon(again.message()).await.unwrap().unwrap().events);
    }
    let missed: Vec<_> = missed.iter().map(|event| event.meter_serial.as_str()).collect();
    assert_eq!(missed, ["SN-1", "SN-2"]);

    let list = |question: ListEventsRequest| {
        let mut client = client.clone();
        async move { client.list_events(question).await.unwrap().into_inner() }
    };
    let page = list(ListEventsRequest { page_size: 2, ..Default::default() }).await;
    let codes: Vec<_> = page.events.iter().map(|event| event.code).collect();
    assert_eq!(codes, [1, 2]);
    let rest = ListEventsRequest { page_size: 2, page_token: page.next_page_token, ..Default::default() };
    let rest = list(rest).await;
    assert_eq!((rest.events.len(), rest.next_page_token.as_str()), (1, ""));
    let event = &rest.events[0];
    assert_eq!((event.log.as_str(), event.clock_status, event.authenticated), (STANDARD, Some(0), true));
    assert!(event.polled_at.is_some() && event.pushed_at.is_none() && event.job_id == 1);
    let of_other = ListEventsRequest {
        meter_serials: vec!["SN-2".into()],
        from: Some(prost_types::Timestamp { seconds: NOON + 6, nanos: 0 }),
        log: STANDARD.into(),
        ..Default::default()
    };
    assert_eq!(list(of_other).await.events.len(), 1);
    let wrong = ListEventsRequest { log: "fraud".into(), ..Default::default() };
    assert_eq!(client.list_events(wrong).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    hearing.stop().await;
}

#[tokio::test]
async fn a_pushed_row_of_a_log_is_the_entry_that_is_read() {
    let hearing = Hearing::new().await;
    let meter = hearing.served.database.meter("SN-1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    // A buffer with one row: 2026-03-30T12:00:00 with an unspecified status, code 41, in the fraud log.
    let row = "02 02 09 0C 07 EA 03 1E 01 0C 00 00 FF 00 00 FF 06 00 00 00 29";
    hearing.send(&framed(&octets(&format!("C2 00 00 07 00 00 63 62 01 FF 02 01 01 {row}"))));
    subscriber.next(1).await;
    polled(&hearing, meter, "0.0.99.98.1.255", (0, 41, "tamper.terminal_cover_closed")).await;
    assert_eq!(hearing.sql(EVENTS), "41|0|t|t|t|1");
    hearing.stop().await;
}

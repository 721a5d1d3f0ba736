//! A concentrator is a device of its own: who it is, its clock, its log of what happens to its nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use ami_proto::v1::concentrators_service_client::ConcentratorsServiceClient;
use ami_proto::v1::events_service_client::EventsServiceClient;
use ami_proto::v1::{Concentrator, ListConcentratorsRequest, ListEventsRequest};
use jiff::{SignedDuration, Timestamp};
use simulator::{Backend, ConcentratorConfig, Concentrators};
use tokio::time::sleep;

use crate::program::Program;
use crate::site::{config, settle, start};

/// What happened to a node: when in seconds, its name, the key of the event.
type Happened = BTreeSet<(i64, String, String)>;

/// Nodes that come and go every few seconds.
fn restless(backend: Backend, model: &str) -> ConcentratorConfig {
    ConcentratorConfig { lost_ppm: 300_000, outage: Duration::from_secs(2), ..config(backend, model, 12) }
}

/// What a concentrator with a list of its nodes is asked for about itself.
const ALL: &str = "'identify', 'read_clock', 'list_nodes'";

/// Orders what a concentrator is asked for about itself, and the log of some meters from an instant on.
async fn look(program: &Program, (kinds, log): (&str, &str), from: Timestamp, of: &str) {
    program.sql(&format!(
        "INSERT INTO job (meter_id, kind, priority)
         SELECT id, kind::job_kind, 10 FROM meter, unnest(ARRAY[{kinds}]) AS kind WHERE {of} AND line = 'concentrator://' || serial;
         INSERT INTO job (meter_id, kind, obis, from_ts, to_ts, priority)
         SELECT id, 'read_profile', '{log}', '{from}', now(), 10 FROM meter WHERE {of}"
    ));
    settle(program).await;
    assert_eq!(program.sql("SELECT count(*), min(detail) FROM job WHERE state = 'failed'"), "0|");
}

async fn listed(program: &Program) -> Vec<Concentrator> {
    let mut client = ConcentratorsServiceClient::new(program.channel.clone());
    let answer = client.list_concentrators(ListConcentratorsRequest::default()).await.unwrap();
    answer.into_inner().concentrators
}

/// The events of a concentrator up to an instant.
async fn events(program: &Program, serial: &str, until: Timestamp) -> Vec<(i64, String, String)> {
    let question = ListEventsRequest {
        page_size: 10_000,
        meter_serials: vec![serial.to_owned()],
        ..ListEventsRequest::default()
    };
    let answer = EventsServiceClient::new(program.channel.clone()).list_events(question).await.unwrap();
    let events = answer.into_inner().events.into_iter();
    let events = events.map(|event| (event.meter_time.unwrap().seconds, event.node, event.key));
    events.filter(|(at, ..)| *at <= until.as_second()).collect()
}

/// What happened to the nodes of the first concentrator up to an instant.
fn happened(concentrators: &Concentrators, until: Timestamp) -> Happened {
    let nodes = concentrators.meters();
    let key = |kind| ["node.discovered", "node.registered", "node.lost"][kind as usize - 1].to_owned();
    let log = concentrators.log(0, Timestamp::MIN, Timestamp::MAX).into_iter();
    log.map(|event| (event.at.as_second(), nodes[event.node as usize].serial(), key(event.kind)))
        .filter(|(at, ..)| *at <= until.as_second())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_24_a_concentrator_has_a_clock_a_firmware_and_a_log_of_its_nodes() {
    let cases = [(Backend::Wrapper { base: 16 }, "restless-wrapper"), (Backend::P2lpc, "restless-p2lpc")];
    for (backend, model) in cases {
        let begin = Timestamp::now();
        let (concentrators, program) = start(12, restless(backend, model), "").await;
        let serial = concentrators.serials().remove(0);
        sleep(Duration::from_secs(5)).await;
        let own = format!("serial = '{serial}'");
        look(&program, (ALL, "\\x0000636200ff"), begin, &own).await;
        // What happens while the log is read comes with the next read, and nothing comes twice.
        let until = Timestamp::now() - SignedDuration::from_secs(1);
        look(&program, (ALL, "\\x0000636200ff"), begin, &own).await;
        let stored = events(&program, &serial, until).await;
        let expected = happened(&concentrators, until);
        assert!(expected.iter().any(|(.., key)| key == "node.lost"));
        assert_eq!(stored.len(), expected.len());
        assert_eq!(stored.into_iter().collect::<Happened>(), expected, "{model}");

        let shown = listed(&program).await.remove(0);
        assert_eq!(
            (shown.serial.as_str(), shown.model.as_str(), shown.firmware.as_str()),
            (&*serial, model, "SIM-DC 1.0")
        );
        assert_eq!((shown.meters, shown.nodes, shown.unknown), (12, 12, 0));
        assert_eq!(
            program.sql("SELECT count(*) FROM concentrator_node WHERE NOT linked"),
            shown.lost.to_string()
        );
        assert_eq!((shown.failure_detail.as_str(), shown.asked_at.is_some()), ("", true));
        assert!(shown.clock_ahead.unwrap().seconds.abs() < 5 && shown.clock_read_at.is_some());
        program.stop().await;
        concentrators.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_23_logs_of_nodes_are_what_the_concentrator_holds_of_them() {
    let config =
        ConcentratorConfig { pre_read: Duration::from_secs(1), ..restless(Backend::P2lpc, "holding-p2lpc") };
    let begin = Timestamp::now();
    let (concentrators, program) = start(12, config, "").await;
    sleep(Duration::from_secs(6)).await;
    look(&program, (ALL, "\\x0100636200ff"), begin, "model = 'mt371'").await;
    assert_eq!(concentrators.busy(0), Duration::ZERO, "nothing of it went over the power line");
    let pairs = program.sql(
        "SELECT count(*) FILTER (WHERE key = 'power.down') > 0, count(*) FILTER (WHERE key NOT IN ('power.down', 'power.up')), count(node) FROM event",
    );
    assert_eq!(pairs, "t|0|0");
    program.stop().await;
    concentrators.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_24_a_terminal_tells_its_version_its_clock_its_records_and_its_meters() {
    let begin = Timestamp::now() - SignedDuration::from_mins(1);
    let (concentrators, program) = start(12, restless(Backend::Forward, "restless-terminal"), "").await;
    let serial = concentrators.serials().remove(0);
    sleep(Duration::from_secs(5)).await;
    let until = Timestamp::now() - SignedDuration::from_secs(1);
    look(&program, (ALL, "\\x0000636200ff"), begin, &format!("serial = '{serial}'")).await;
    let shown = listed(&program).await.remove(0);
    assert_eq!((shown.serial, shown.firmware.as_str(), shown.meters), (serial.clone(), "1.0", 12));
    // The meters that it was configured with are those of the inventory, each with its measuring point.
    assert_eq!((shown.nodes, shown.unknown, shown.lost), (12, 0, 0));
    let first = concentrators.meters()[0].serial();
    let point = format!("SELECT identity FROM concentrator_node WHERE node = '{first}'");
    assert_eq!(program.sql(&point), "1");
    assert!(shown.clock_ahead.unwrap().seconds.abs() < 5);
    // Records are to the minute: what got lost twice in one is one event, with the number of its measuring point.
    let stored: BTreeSet<_> = events(&program, &serial, Timestamp::MAX).await.into_iter().collect();
    let minute = |at: i64| at - at.rem_euclid(60);
    let lost = concentrators.log(0, Timestamp::MIN, until).into_iter().filter(|event| event.kind as u8 == 3);
    let lost: Happened = lost
        .map(|event| (minute(event.at.as_second()), (event.node + 1).to_string(), "node.lost".to_owned()))
        .collect();
    assert!(!lost.is_empty() && lost.is_subset(&stored), "{lost:?} {stored:?}");
    assert!(stored.iter().any(|(.., key)| key == "node.discovered"));
    program.stop().await;
    concentrators.shutdown().await;
}

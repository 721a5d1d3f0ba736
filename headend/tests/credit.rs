//! Low credit, through the whole head-end: from the register of a household to whoever follows the events.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod program;
mod template;

use std::time::Duration;

use ami_proto::v1::events_service_client::EventsServiceClient;
use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    AlarmSeverity, Event, ImportMetersRequest, ListEventsRequest, ReadNowRequest, RegistersTarget,
    WatchEventsRequest, WatchEventsResponse, read_now_request::Target,
};
use program::Program;
use simulator::{Fleet, FleetConfig, Meter, Security};

const LIMIT: Duration = Duration::from_secs(90);
const SECTIONS: &str =
    "[collector]\nlinger = \"100ms\"\nlease = \"5s\"\n[credit]\nWh = { low = \"2000\", margin = \"500\" }\n";

/// Lets so many tens of watt-hours remain, and reads that as often.
async fn remains(program: &Program, household: &Meter, value: i64, times: usize) {
    household.hold(household.model().credit.unwrap().remaining, value);
    for _ in 0..times {
        let request = ReadNowRequest {
            meter_serial: household.serial(),
            target: Some(Target::Registers(RegistersTarget::default())),
            wait: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        };
        ReadingsServiceClient::new(program.channel.clone()).read_now(request).await.unwrap();
    }
}

/// The first message behind a token, or from now on, that fits.
async fn message(
    program: &Program,
    token: &str,
    fits: impl Fn(&WatchEventsResponse) -> bool,
) -> WatchEventsResponse {
    let keys = vec!["credit.low".into(), "credit.restored".into()];
    let request = WatchEventsRequest { keys, resume_token: token.into(), ..WatchEventsRequest::default() };
    let mut client = EventsServiceClient::new(program.channel.clone());
    let mut stream = client.watch_events(request).await.unwrap().into_inner();
    loop {
        let message = tokio::time::timeout(LIMIT, stream.message()).await.unwrap().unwrap().unwrap();
        if fits(&message) {
            return message;
        }
    }
}

fn told(events: &[Event]) -> Vec<(&str, i64)> {
    events.iter().map(|event| (event.key.as_str(), event.logged)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hb_16_a_reminder_of_low_credit_is_told_once_to_whoever_goes_on_also_after_the_head_end_was_killed() {
    let program = Program::start(SECTIONS).await;
    let model = models::builtin().unwrap()["multi-user-modbus"].clone();
    let count = u32::from(model.subunits) + 1;
    let config =
        FleetConfig { count, security: Security::None, serial_base: 30_000_000, ..FleetConfig::new(model) };
    let fleet = Fleet::start(config).await.unwrap();
    let chunk = simulator::inventory(&fleet).into_bytes();
    let mut client = InventoryServiceClient::new(program.channel.clone());
    client.import_meters(tokio_stream::iter([ImportMetersRequest { chunk }])).await.unwrap();
    let household = &fleet.meters()[3];
    // It was told no level of its own.
    household.hold(household.model().credit.unwrap().low.unwrap(), 0);

    let begin = message(&program, "", |_| true).await.resume_token;
    remains(&program, household, 300, 1).await;
    remains(&program, household, 190, 2).await;
    let has_some = |message: &WatchEventsResponse| !message.events.is_empty();
    let low = message(&program, &begin, has_some).await;
    assert_eq!(told(&low.events), [("credit.low", 190)]);
    assert_eq!(low.events[0].severity(), AlarmSeverity::Warning);
    assert_eq!(low.events[0].meter_serial, household.serial());

    let program = program.kill_and_restart().await;
    remains(&program, household, 200, 1).await;
    remains(&program, household, 250, 2).await;
    let restored = message(&program, &low.resume_token, has_some).await;
    assert_eq!(told(&restored.events), [("credit.restored", 250)]);
    let all =
        EventsServiceClient::new(program.channel.clone()).list_events(ListEventsRequest::default()).await;
    assert_eq!(told(&all.unwrap().into_inner().events), [("credit.restored", 250), ("credit.low", 190)]);
    program.stop().await;
}

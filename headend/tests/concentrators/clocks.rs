//! The clock of a concentrator, from which its nodes take theirs, is put right by order.

use std::time::Duration;

use ami_proto::v1::clocks_service_client::ClocksServiceClient;
use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::{CommandState, GetCommandRequest, OrderTerms, SyncClocksRequest};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use simulator::Backend;
use tokio::time::sleep;

use crate::program::Program;
use crate::site::{config, start_in};

/// Seconds by which it is ahead.
const AHEAD: i64 = 90;

/// A zone in which it is neither night nor nearly so, because no clock is moved around midnight.
fn daytime() -> TimeZone {
    let hour = Timestamp::now().as_second().rem_euclid(86_400) / 3600;
    TimeZone::get(if (6..18).contains(&hour) { "UTC" } else { "Etc/GMT+12" }).unwrap()
}

/// Orders it, and waits for the end of the command.
async fn put_right(program: &Program, serial: &str) -> CommandState {
    let terms = OrderTerms { idempotency_key: "sync".into(), reason: "test".into(), ..OrderTerms::default() };
    let order = SyncClocksRequest {
        meter_serials: vec![serial.to_owned()],
        terms: Some(terms),
        ..SyncClocksRequest::default()
    };
    let mut client = ClocksServiceClient::new(program.channel.clone());
    let id = client.sync_clocks(order).await.unwrap().into_inner().commands[0].id;
    let mut client = CommandsServiceClient::new(program.channel.clone());
    loop {
        let command =
            client.get_command(GetCommandRequest { id }).await.unwrap().into_inner().command.unwrap();
        if command.finished_at.is_some() {
            return command.state();
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_24_the_clock_of_a_concentrator_is_put_right_by_order() {
    for (backend, model) in [
        (Backend::Wrapper { base: 16 }, "late-wrapper"),
        (Backend::P2lpc, "late-p2lpc"),
        (Backend::Forward, "late-terminal"),
    ] {
        let (concentrators, program) = start_in(daytime(), 2, config(backend, model, 2), "").await;
        let serial = concentrators.serials().remove(0);
        concentrators.set_clock(0, Timestamp::now().as_second() + AHEAD);
        assert_eq!(put_right(&program, &serial).await, CommandState::Confirmed, "{model}\n{}", program.log());
        let ahead = concentrators.shown(0).unwrap() - Timestamp::now().as_second();
        assert!(ahead.abs() < AHEAD / 2, "{model} is {ahead} s ahead");
        program.stop().await;
        concentrators.shutdown().await;
    }
}

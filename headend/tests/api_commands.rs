//! Orders and commands through the public interface: what is refused is refused precisely, sends nothing and is audited; what is accepted is
//! followed from its first entry to its last, also across a break.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::time::Duration;

use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{
    CancelCommandRequest, Command, CommandChange, CommandKind, CommandOutcome, CommandState,
    DisconnectRequest, ErrorDetail, ErrorReason, GetCommandRequest, ListCommandsRequest, OrderTerms,
    ReconnectRequest, ReleaseTamperLockRequest, WatchCommandsRequest, WatchCommandsResponse,
};
use collectors::{Covered, Event, Finding, Outcome, Report};
use headend::store::jobs::Wanted;
use jiff::{SignedDuration, Timestamp};
use served::{Served, reason, soon};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

fn switches(served: &Served) -> SwitchServiceClient<Channel> {
    SwitchServiceClient::new(served.channel.clone())
}

fn commands(served: &Served) -> CommandsServiceClient<Channel> {
    CommandsServiceClient::new(served.channel.clone())
}

fn terms(key: &str) -> OrderTerms {
    OrderTerms { idempotency_key: key.into(), reason: "debt".into(), ..OrderTerms::default() }
}

fn from_now(minutes: i64) -> Option<prost_types::Timestamp> {
    let at = Timestamp::now() + SignedDuration::from_mins(minutes);
    Some(prost_types::Timestamp { seconds: at.as_second(), nanos: 0 })
}

async fn disconnect(served: &Served, serials: &[&str], terms: OrderTerms) -> Result<Vec<Command>, Status> {
    let meter_serials = serials.iter().map(|serial| (*serial).to_owned()).collect();
    let request = DisconnectRequest { meter_serials, terms: Some(terms) };
    Ok(switches(served).disconnect(request).await?.into_inner().commands)
}

/// The collector's part: leases the next meter, says what was found, and ends the command.
async fn carry_out(served: &Served, outcome: Outcome) {
    let (store, owner) = (&served.database.store, Uuid::new_v4());
    let leased = store.lease(owner, Wanted::any(1), Duration::from_secs(60), 10).await.unwrap().remove(0);
    let found = Finding::new(Timestamp::now(), "state before", "as it was".into());
    let done = Covered { outcome: Some(outcome), ..Covered::default() };
    let events = [Event::Found(found), Event::Progress { done: 1, total: 2 }, Event::Ended(Ok(done))];
    let reports = events.map(|event| Report { job: leased.jobs[0].id, meter: leased.meter, event });
    store.write(owner, &reports).await.unwrap();
}

fn fields(status: &Status) -> Vec<String> {
    let detail = ErrorDetail::of(status).unwrap();
    detail.violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn an_order_is_answered_with_its_commands_and_so_is_its_repetition() {
    let served = Served::new().await;
    served.database.meter("S1");
    served.database.meter("S2");
    let first = disconnect(&served, &["S2", "S1"], terms("k")).await.unwrap();
    let serials: Vec<_> = first.iter().map(|command| command.meter_serial.as_str()).collect();
    assert_eq!(serials, ["S2", "S1"]);
    let one = &first[0];
    assert_eq!(
        (one.state(), one.kind(), one.priority),
        (CommandState::Accepted, CommandKind::Disconnect, 50)
    );
    assert_eq!((one.ordered_by.as_str(), one.reason.as_str()), ("loopback", "debt"));
    let (begin, end) = (one.not_before.unwrap(), one.deadline.unwrap());
    assert_eq!(end.seconds - begin.seconds, 15 * 60);

    assert_eq!(disconnect(&served, &["S2", "S1"], terms("k")).await.unwrap(), first, "the same again");
    let other = disconnect(&served, &["S2"], terms("k")).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    assert_eq!(reason(&other), (ErrorReason::IdempotencyKeyReused, "terms.idempotency_key".into()));
    assert_eq!(served.database.sql("SELECT count(*) FROM command"), "2");
}

/// Meters and terms of an order, and the refusal with the fields that it names.
type Refused = (&'static [&'static str], OrderTerms, Code, ErrorReason, &'static [&'static str]);

#[tokio::test]
async fn bad_input_is_named_field_by_field_sends_nothing_and_is_audited() {
    let served = Served::new().await;
    served.database.meter("S1");
    served.database.meter("GONE");
    served.database.sql("UPDATE meter SET state = 'retired', retired_at = now() WHERE serial = 'GONE'");
    let expected: [Refused; 6] = [
        (&[], terms("a"), Code::InvalidArgument, ErrorReason::InvalidField, &["meter_serials"]),
        (
            &["S1", "S1"],
            OrderTerms { idempotency_key: String::new(), deadline: from_now(-1), ..terms("b") },
            Code::InvalidArgument,
            ErrorReason::InvalidField,
            &["meter_serials[1]", "terms.idempotency_key", "terms.deadline", "terms.deadline"],
        ),
        (
            &["S1"],
            OrderTerms { not_before: from_now(30), deadline: from_now(20), ..terms("c") },
            Code::InvalidArgument,
            ErrorReason::InvalidField,
            &["terms.deadline"],
        ),
        (
            &["S1"],
            OrderTerms { deadline: from_now(400 * 24 * 60), ..terms("d") },
            Code::InvalidArgument,
            ErrorReason::InvalidField,
            &["terms.deadline"],
        ),
        (&["NOBODY"], terms("e"), Code::NotFound, ErrorReason::MeterNotFound, &[]),
        (&["S1", "GONE"], terms("f"), Code::FailedPrecondition, ErrorReason::MeterRetired, &[]),
    ];
    for (serials, terms, code, reason_expected, violated) in expected {
        let status = disconnect(&served, serials, terms).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).0), (code, reason_expected), "{status:?}");
        assert_eq!(fields(&status), violated, "{status:?}");
    }
    assert_eq!(served.database.sql("SELECT count(*) FROM job"), "0");
    let audit = served.database.sql("SELECT action, target, outcome FROM audit ORDER BY id");
    let call = "SwitchService/Disconnect";
    let rows = [
        format!("{call}||invalid_field"),
        format!("{call}|S1 S1|invalid_field"),
        format!("{call}|S1|invalid_field"),
        format!("{call}|S1|invalid_field"),
        format!("{call}|NOBODY|meter_not_found"),
        format!("{call}|S1 GONE|meter_retired"),
    ];
    assert_eq!(audit, rows.join("\n"));
}

#[tokio::test]
async fn what_a_model_can_not_do_is_said_before_anything_is_sent() {
    let served = Served::new().await;
    served.database.meter("S1");
    let release = |reason: &str| ReleaseTamperLockRequest {
        meter_serials: vec!["S1".into()],
        terms: Some(OrderTerms { reason: reason.into(), ..terms("k") }),
    };
    let silent = switches(&served).release_tamper_lock(release(" ")).await.unwrap_err();
    assert_eq!(fields(&silent), ["terms.reason"]);
    let incapable = switches(&served).release_tamper_lock(release("cover is closed")).await.unwrap_err();
    assert_eq!(incapable.code(), Code::FailedPrecondition);
    assert_eq!(reason(&incapable), (ErrorReason::NotCapable, "meter_serials[0]".into()));
    assert!(incapable.message().contains("generic-dlms has no tamper lock"), "{incapable:?}");
    served.database.sql("UPDATE meter SET model = 'sed302'");
    let request = release("cover is closed");
    let command =
        switches(&served).release_tamper_lock(request).await.unwrap().into_inner().commands.remove(0);
    assert_eq!(command.kind(), CommandKind::ReleaseTamperLock);
}

#[tokio::test]
async fn a_command_is_taken_back_before_it_is_begun_and_not_after() {
    let served = Served::new().await;
    served.database.meter("S1");
    served.database.meter("S2");
    let ordered = disconnect(&served, &["S1", "S2"], terms("k")).await.unwrap();
    let cancel = |id, reason: &str| CancelCommandRequest { id, reason: reason.into() };
    let wordless = commands(&served).cancel_command(cancel(ordered[0].id, "")).await.unwrap_err();
    assert_eq!(reason(&wordless), (ErrorReason::InvalidField, "reason".into()));
    let request = cancel(ordered[0].id, "paid");
    let cancelled = commands(&served).cancel_command(request).await.unwrap().into_inner().command.unwrap();
    assert_eq!((cancelled.state(), cancelled.detail.as_str()), (CommandState::Cancelled, "Taken back: paid"));
    carry_out(&served, Outcome::Disconnected).await;
    let late = commands(&served).cancel_command(cancel(ordered[1].id, "paid")).await.unwrap_err();
    assert_eq!((late.code(), reason(&late).0), (Code::FailedPrecondition, ErrorReason::CommandBegun));
    let unknown = commands(&served).cancel_command(cancel(4711, "paid")).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).0), (Code::NotFound, ErrorReason::CommandNotFound));
    let audit = "SELECT outcome FROM audit WHERE action = 'CommandsService/CancelCommand' ORDER BY id";
    assert_eq!(served.database.sql(audit), "invalid_field\naccepted\ncommand_begun\ncommand_not_found");
}

#[tokio::test]
async fn commands_are_listed_page_by_page_and_shown_with_their_lives() {
    let served = Served::new().await;
    for serial in ["S1", "S2", "S3"] {
        served.database.meter(serial);
    }
    let ordered = disconnect(&served, &["S1", "S2", "S3"], terms("k")).await.unwrap();
    let list = |page_token: String| ListCommandsRequest { page_size: 2, page_token, ..Default::default() };
    let first = commands(&served).list_commands(list(String::new())).await.unwrap().into_inner();
    let second =
        commands(&served).list_commands(list(first.next_page_token.clone())).await.unwrap().into_inner();
    let ids = |page: &[Command]| page.iter().map(|command| command.id).collect::<Vec<_>>();
    assert_eq!(ids(&first.commands), [ordered[2].id, ordered[1].id]);
    assert_eq!((ids(&second.commands), second.next_page_token.as_str()), (vec![ordered[0].id], ""));
    let of_one = ListCommandsRequest {
        meter_serial: "S2".into(),
        order_id: ordered[0].order_id.clone(),
        states: vec![CommandState::Accepted.into()],
        kinds: vec![CommandKind::Disconnect.into()],
        ..Default::default()
    };
    let found = commands(&served).list_commands(of_one).await.unwrap().into_inner();
    assert_eq!(ids(&found.commands), [ordered[1].id]);
    carry_out(&served, Outcome::Disconnected).await;
    let shown =
        commands(&served).get_command(GetCommandRequest { id: ordered[0].id }).await.unwrap().into_inner();
    assert_eq!(shown.command.unwrap().outcome(), CommandOutcome::Disconnected);
    assert_eq!(shown.changes.iter().map(told).collect::<Vec<_>>(), LIFE);
    let unknown = commands(&served).get_command(GetCommandRequest { id: 4711 }).await.unwrap_err();
    assert_eq!(reason(&unknown).0, ErrorReason::CommandNotFound);
}

/// The life of a command that [`carry_out`] ended.
const LIFE: [&str; 5] =
    ["accepted 0/0", "sending 0/0", "sending 0/0 state before: as it was", "sending 1/2", "confirmed 2/2"];

fn told(change: &CommandChange) -> String {
    use ami_proto::words::Word as _;
    let found = match change.what.as_str() {
        "" => String::new(),
        what => format!(" {what}: {}", change.value),
    };
    format!("{} {}/{}{found}", change.state().word(), change.progress_done, change.progress_total)
}

/// The next message with changes, and the token of the message before it.
async fn next(stream: &mut Streaming<WatchCommandsResponse>) -> WatchCommandsResponse {
    soon(async {
        loop {
            let message = stream.message().await.unwrap().unwrap();
            if !message.changes.is_empty() {
                return message;
            }
        }
    })
    .await
}

#[tokio::test]
async fn lives_are_followed_and_taken_up_again_after_a_break() {
    let served = Served::new().await;
    served.database.meter("S1");
    let mut client = commands(&served);
    let mut stream = client.watch_commands(WatchCommandsRequest::default()).await.unwrap().into_inner();
    let first = soon(stream.message()).await.unwrap().unwrap();
    assert!(first.changes.is_empty() && !first.resume_token.is_empty());
    let id = disconnect(&served, &["S1"], terms("k")).await.unwrap()[0].id;
    let accepted = next(&mut stream).await;
    assert_eq!(accepted.changes.iter().map(told).collect::<Vec<_>>(), [LIFE[0]]);
    assert_eq!(accepted.commands[0].meter_serial, "S1");
    drop(stream);
    carry_out(&served, Outcome::Disconnected).await;

    let resume = WatchCommandsRequest { resume_token: accepted.resume_token, ..Default::default() };
    let mut stream = client.watch_commands(resume).await.unwrap().into_inner();
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.extend(next(&mut stream).await.changes.iter().map(told));
    }
    assert_eq!(seen, LIFE[1..], "nothing is missing and nothing stands there twice");

    // Whoever names commands gets their whole lives.
    let of_one = WatchCommandsRequest { ids: vec![id], ..Default::default() };
    let mut stream = client.watch_commands(of_one).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await.changes.len(), LIFE.len());
    let nonsense = WatchCommandsRequest { resume_token: "zz".into(), ..Default::default() };
    let refused = client.watch_commands(nonsense).await.unwrap_err();
    assert_eq!(reason(&refused).0, ErrorReason::ResumeTokenInvalid);
    let unknown = WatchCommandsRequest { ids: vec![4711], ..Default::default() };
    assert_eq!(reason(&client.watch_commands(unknown).await.unwrap_err()).0, ErrorReason::CommandNotFound);
}

#[tokio::test]
async fn a_reconnect_that_only_arms_the_meter_is_called_so() {
    let served = Served::new().await;
    served.database.meter("S1");
    let request =
        ReconnectRequest { meter_serials: vec!["S1".into()], terms: Some(terms("k")), force: false };
    let id = switches(&served).reconnect(request).await.unwrap().into_inner().commands[0].id;
    carry_out(&served, Outcome::ReadyForReconnection).await;
    let shown = commands(&served).get_command(GetCommandRequest { id }).await.unwrap().into_inner();
    let command = shown.command.unwrap();
    assert_eq!(
        (command.state(), command.outcome()),
        (CommandState::Confirmed, CommandOutcome::ReadyForReconnection)
    );
}

//! Orders that need two persons, with two persons.

use std::collections::BTreeSet;
use std::time::Duration;

use ami_proto::v1::clearing_service_client::ClearingServiceClient;
use ami_proto::v1::commands_service_client::CommandsServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{
    ApproveCommandRequest, CancelCommandRequest, ClearMeterRequest, Command, CommandState, DisconnectRequest,
    OrderTerms, ReconnectRequest,
};
use headend::api::Limits;
use headend::store::CommandKind;
use headend::store::jobs::Wanted;
use tonic::Status;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::{Secured, told};

const METER: &str = "S1";

fn terms(key: &str) -> Option<OrderTerms> {
    Some(OrderTerms { idempotency_key: key.into(), reason: "debt".into(), ..OrderTerms::default() })
}

async fn disconnect(channel: &Channel, key: &str) -> Command {
    let request = DisconnectRequest { meter_serials: vec![METER.into()], terms: terms(key) };
    SwitchServiceClient::new(channel.clone())
        .disconnect(request)
        .await
        .unwrap()
        .into_inner()
        .commands
        .remove(0)
}

async fn approve(channel: &Channel, id: i64) -> Result<Command, Status> {
    let request = ApproveCommandRequest { id, reason: "seen".into() };
    let answer = CommandsServiceClient::new(channel.clone()).approve_command(request).await?;
    Ok(answer.into_inner().command.unwrap())
}

async fn cancel(channel: &Channel, id: i64) -> Command {
    let request = CancelCommandRequest { id, reason: "no".into() };
    let answer = CommandsServiceClient::new(channel.clone()).cancel_command(request).await.unwrap();
    answer.into_inner().command.unwrap()
}

/// What counts as failure: work for a collector before somebody else has approved, an approval by who ordered it, by an operator, or of what does not wait.
#[tokio::test]
async fn hb_14_an_order_that_needs_two_persons_waits_for_another_than_its_own() {
    let two_persons = BTreeSet::from([CommandKind::Disconnect]);
    let served = Secured::with(Limits { two_persons, ..Limits::default() }).await;
    let (database, store) = (&served.database, &served.database.store);
    database.meter(METER);
    let person = async |name: &str| served.connect(Some(served.clients.client(name))).await.unwrap();
    let (erika, emil, otto) = (person("erika").await, person("emil").await, person("otto").await);
    let ordered = disconnect(&erika, "k").await;
    assert_eq!((ordered.state(), ordered.approved_by.as_str()), (CommandState::AwaitingApproval, ""));
    assert_eq!(disconnect(&erika, "k").await, ordered, "the same again");
    assert_eq!(told(&approve(&erika, ordered.id).await.unwrap_err()), "SECOND_PERSON_NEEDED");
    assert_eq!(told(&approve(&otto, ordered.id).await.unwrap_err()), "PERMISSION_DENIED");
    let nothing = store.lease(Uuid::new_v4(), Wanted::any(1), Duration::from_secs(60), 10).await.unwrap();
    assert!(nothing.is_empty(), "nobody may begin");
    // Nor does the database take it from anywhere else.
    database.sql(
        "DO $$ BEGIN UPDATE command SET state = 'accepted', approved_by = 'erika', approved_at = now(); RAISE 'it did';
         EXCEPTION WHEN check_violation THEN NULL; END $$",
    );

    let approved = approve(&emil, ordered.id).await.unwrap();
    assert_eq!((approved.state(), approved.approved_by.as_str()), (CommandState::Accepted, "emil"));
    assert_eq!(approve(&emil, ordered.id).await.unwrap(), approved, "the same again");
    assert_eq!(told(&approve(&erika, ordered.id).await.unwrap_err()), "NOT_AWAITING_APPROVAL");
    let leased = store.lease(Uuid::new_v4(), Wanted::any(1), Duration::from_secs(60), 10).await.unwrap();
    assert_eq!(leased[0].jobs[0].command.as_ref().map(|command| command.id), Some(ordered.id));

    let audit = database.sql(
        "SELECT principal, outcome, detail FROM audit WHERE action = 'CommandsService/ApproveCommand' AND principal <> 'otto' ORDER BY id",
    );
    let rows: Vec<_> = audit.lines().collect();
    assert!(rows[0].starts_with("erika|second_person_needed|") && rows[1] == "emil|accepted|seen", "{audit}");

    // What waits is taken back, or ends with its deadline; what needs no second person waits for none.
    let other = disconnect(&erika, "l").await;
    assert_eq!(cancel(&erika, other.id).await.state(), CommandState::Cancelled);
    assert_eq!(told(&approve(&emil, other.id).await.unwrap_err()), "NOT_AWAITING_APPROVAL");
    let late = disconnect(&emil, "m").await;
    database.sql(&format!(
        "UPDATE command SET not_before = now() - interval '2 s', deadline = now() - interval '1 s' WHERE id = {}",
        late.id
    ));
    assert_eq!(told(&approve(&erika, late.id).await.unwrap_err()), "NOT_AWAITING_APPROVAL");
    store.expire_commands().await.unwrap();
    let end = database.sql(&format!("SELECT state, detail FROM command WHERE id = {}", late.id));
    assert_eq!(end, "expired|The deadline passed before a second person approved it: nothing was sent.");
    let request = ReconnectRequest { meter_serials: vec![METER.into()], terms: terms("n"), force: false };
    let on =
        SwitchServiceClient::new(erika).reconnect(request).await.unwrap().into_inner().commands.remove(0);
    assert_eq!(on.state(), CommandState::Accepted);
}

/// What counts as failure: one person alone clears a meter, by the API or past it, though nothing is configured to need two.
#[tokio::test]
async fn hb_14_clearing_needs_two_persons_whatever_is_configured() {
    let served = Secured::new().await;
    let (database, store) = (&served.database, &served.database.store);
    let meter = database.meter(METER);
    let person = async |name: &str| served.connect(Some(served.clients.client(name))).await.unwrap();
    let (erika, emil, otto) = (person("erika").await, person("emil").await, person("otto").await);
    let clear = async |channel: &Channel, terms: Option<OrderTerms>| {
        let request = ClearMeterRequest { meter_serial: METER.into(), terms };
        let answer = ClearingServiceClient::new(channel.clone()).clear_meter(request).await?;
        Ok::<_, Status>(answer.into_inner().command.unwrap())
    };
    assert_eq!(
        told(&clear(&erika, terms("k")).await.unwrap_err()),
        "NOT_CAPABLE",
        "its model is not cleared"
    );
    database.sql("UPDATE meter SET model = 'huabang-single'");
    assert_eq!(told(&clear(&otto, terms("k")).await.unwrap_err()), "PERMISSION_DENIED");
    let without_reason = terms("k").map(|terms| OrderTerms { reason: String::new(), ..terms });
    assert_eq!(told(&clear(&erika, without_reason).await.unwrap_err()), "INVALID_FIELD");

    let ordered = clear(&erika, terms("k")).await.unwrap();
    assert_eq!(ordered.state(), CommandState::AwaitingApproval);
    assert_eq!(clear(&erika, terms("k")).await.unwrap(), ordered, "the same again");
    assert_eq!(told(&approve(&erika, ordered.id).await.unwrap_err()), "SECOND_PERSON_NEEDED");
    assert_eq!(told(&approve(&otto, ordered.id).await.unwrap_err()), "PERMISSION_DENIED");
    let nothing = store.lease(Uuid::new_v4(), Wanted::any(1), Duration::from_secs(60), 10).await.unwrap();
    assert!(nothing.is_empty(), "nobody may begin");
    // Nor does the database take one that waits for nobody.
    let past = database.refused(&format!(
        "INSERT INTO command (order_id, meter_id, kind, priority, not_before, deadline)
         SELECT order_id, {meter}, 'clear', 20, now(), now() + interval '1 day' FROM command"
    ));
    assert!(past.contains("waits for a second person"), "{past}");

    let approved = approve(&emil, ordered.id).await.unwrap();
    assert_eq!((approved.state(), approved.approved_by.as_str()), (CommandState::Accepted, "emil"));
    let leased = store.lease(Uuid::new_v4(), Wanted::any(1), Duration::from_secs(60), 10).await.unwrap();
    assert_eq!(leased[0].jobs[0].command.as_ref().map(|command| command.kind), Some(CommandKind::Clear));
}

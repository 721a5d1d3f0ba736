//! What is told of who is connected.

use ami_proto::v1::inventory_service_client::InventoryServiceClient;
use ami_proto::v1::{Call, CallDialect, CallState, GetMeterRequest, ListMetersRequest};
use heartbeat::{Dialect, Kind};
use simulator::{Framing, Security, caller_id};

use crate::hall::{Hall, fleet, say};

const CONNECTED: &str = "SELECT count(*) FROM caller WHERE left_at IS NULL";

#[tokio::test]
async fn sen_37_who_is_connected_is_told_and_who_should_be_and_is_not() {
    let hall = Hall::new().await;
    let fleet = fleet(Security::None, Framing::Wrapper).await;
    let ids = [0, 1].map(|number| caller_id(&fleet.meters()[number].serial(), Some(Dialect::Login)));
    let comes = hall.register(&fleet, 0, &format!("inbound://{}?framing=hdlc", ids[0])).await;
    let stays_away = hall.register(&fleet, 1, &format!("inbound://{}", ids[1])).await;
    // A third one is dialled, and nobody waits for its call.
    hall.program.register(&fleet, 2).await;
    assert_eq!(list(&hall, CallState::Missing).await, [&*comes, &*stays_away]);

    let mut connection = hall.login([127, 0, 0, 2], &ids[0]).await;
    hall.until(CONNECTED, "1").await;
    let first = call(&hall, &comes).await.expect("it has called");
    assert_eq!(first.dialect(), CallDialect::Login);
    let peer = format!("tcp {}", connection.local_addr().unwrap());
    assert_eq!((first.peer, first.beat_at), (peer.clone(), first.since));
    assert_eq!(call(&hall, &stays_away).await, None);
    assert_eq!(list(&hall, CallState::Connected).await, [&*comes]);
    assert_eq!(list(&hall, CallState::Missing).await, [&*stays_away]);

    say(&mut connection, Kind::Heartbeat, &ids[0]).await;
    hall.until("SELECT beat_at > since FROM caller", "t").await;
    let later = call(&hall, &comes).await.expect("it is there");
    assert_eq!((later.since, later.peer), (first.since, peer));
    let at = |call: Option<prost_types::Timestamp>| call.map(|at| (at.seconds, at.nanos));
    assert!(at(later.beat_at) > at(first.beat_at));

    drop(connection);
    hall.until(CONNECTED, "0").await;
    assert_eq!(call(&hall, &comes).await, None);
    assert_eq!(list(&hall, CallState::Missing).await, [&*comes, &*stays_away]);
    assert!(list(&hall, CallState::Connected).await.is_empty());
    hall.program.stop().await;
    fleet.shutdown().await;
}

#[tokio::test]
async fn a_process_that_counted_as_dead_says_again_who_is_connected() {
    let hall = Hall::new().await;
    let fleet = fleet(Security::None, Framing::Wrapper).await;
    let id = caller_id(&fleet.meters()[0].serial(), Some(Dialect::Login));
    let serial = hall.register(&fleet, 0, &format!("inbound://{id}")).await;
    let connection = hall.login([127, 0, 0, 2], &id).await;
    hall.until(CONNECTED, "1").await;
    let before = call(&hall, &serial).await.expect("it has called");
    // What another process does about one that gave no sign of life for too long, because the database was slow, say.
    hall.sql("WITH dead AS (DELETE FROM listener RETURNING owner) UPDATE caller c SET left_at = now() FROM dead d WHERE c.owner = d.owner");
    assert_eq!(hall.sql(CONNECTED), "0");
    hall.until(CONNECTED, "1").await;
    let after = call(&hall, &serial).await.expect("it is there");
    assert_eq!((after.since, after.peer), (before.since, before.peer));
    drop(connection);
    hall.until(CONNECTED, "0").await;
    hall.program.stop().await;
    fleet.shutdown().await;
}

async fn call(hall: &Hall, serial: &str) -> Option<Call> {
    let mut inventory = InventoryServiceClient::new(hall.program.channel.clone());
    let request = GetMeterRequest { serial: serial.into() };
    inventory.get_meter(request).await.unwrap().into_inner().meter.unwrap().call
}

async fn list(hall: &Hall, state: CallState) -> Vec<String> {
    let mut inventory = InventoryServiceClient::new(hall.program.channel.clone());
    let request = ListMetersRequest { call: state.into(), ..Default::default() };
    let meters = inventory.list_meters(request).await.unwrap().into_inner().meters;
    meters.into_iter().map(|meter| meter.serial).collect()
}

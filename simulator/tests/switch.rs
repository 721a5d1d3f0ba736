//! A client switches meters off and on; what it is told, what it reads back and what the ledger says are held against each
//! other, with and without faults.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::time::Duration;

use common::{Failure, Reader, config, security};
use dlms::axdr::Data;
use dlms::{ActionResult, DataAccessResult, Error};
use simulator::{
    Access, Affected, ControlState, Event, Fault, FaultRule, Fleet, FleetConfig, Meter, Often, Security,
    SwitchConfig,
};

const SWITCH: &str = "0.0.96.3.10.255";
const TAMPER_LOCK: &str = "1.0.94.98.69.255";
const DISCONNECT: i8 = 1;
const RECONNECT: i8 = 2;

/// Two meters with a password; the fault, if any, strikes number 1.
async fn fleet(switch: SwitchConfig, fault: Option<Fault>) -> Fleet {
    let rule = |fault| FaultRule { fault, meters: Affected::Numbers(vec![1]) };
    let faults = fault.map(rule).into_iter().collect();
    let config = FleetConfig { security: Security::Lls, count: 2, switch, faults, ..config("sed302") };
    Fleet::start(config).await.unwrap()
}

async fn open(fleet: &Fleet, number: usize) -> Reader {
    Reader::open(fleet.addresses()[number], &fleet.meters()[number]).await.unwrap()
}

/// Output state and control state as the meter tells them.
async fn told(reader: &mut Reader) -> (bool, u8) {
    let output = reader.value(70, SWITCH, 2).await.unwrap();
    let control = reader.value(70, SWITCH, 3).await.unwrap();
    match (output, control) {
        (Data::Boolean(closed), Data::Enum(state)) => (closed, state),
        other => panic!("{other:?}"),
    }
}

/// What the relay did, without the times.
fn moves(meter: &Meter) -> Vec<bool> {
    meter.ledger().relay_moves().map(|(_, closed)| closed).collect()
}

#[tokio::test]
async fn in_mode_3_a_reconnect_waits_for_the_button() {
    let fleet = fleet(SwitchConfig { control_mode: 3, ..SwitchConfig::default() }, None).await;
    let meter = &fleet.meters()[0];
    let mut reader = open(&fleet, 0).await;
    assert_eq!(reader.value(70, SWITCH, 4).await.unwrap(), Data::Enum(3));
    reader.invoke(70, SWITCH, DISCONNECT).await.unwrap();
    assert_eq!(told(&mut reader).await, (false, 0));
    reader.invoke(70, SWITCH, RECONNECT).await.unwrap();
    assert_eq!(
        (told(&mut reader).await, meter.control_state()),
        ((false, 2), ControlState::ReadyForReconnection)
    );
    meter.press_button();
    assert_eq!(told(&mut reader).await, (true, 1));
    assert_eq!(moves(meter), [false, true]);
}

#[tokio::test]
async fn without_remote_control_nothing_moves() {
    let fleet = fleet(SwitchConfig { control_mode: 0, ..SwitchConfig::default() }, None).await;
    let mut reader = open(&fleet, 0).await;
    for method in [DISCONNECT, RECONNECT] {
        let refused = reader.invoke(70, SWITCH, method).await;
        assert!(matches!(refused, Err(Failure::Protocol(Error::Action(ActionResult::ReadWriteDenied)))));
    }
    assert_eq!((told(&mut reader).await, moves(&fleet.meters()[0])), ((true, 1), vec![]));
}

#[tokio::test]
async fn a_relay_that_takes_its_time_shows_it() {
    let delay = Duration::from_secs(3600);
    let fleet = fleet(SwitchConfig { delay, ..SwitchConfig::default() }, None).await;
    let mut reader = open(&fleet, 0).await;
    reader.invoke(70, SWITCH, DISCONNECT).await.unwrap();
    assert_eq!(told(&mut reader).await, (true, 0));
    fleet.clock().advance(3600);
    assert_eq!(told(&mut reader).await, (false, 0));
}

#[tokio::test]
async fn a_tamper_lock_is_released_by_the_set_of_the_datasheet_alone() {
    let fleet = fleet(SwitchConfig::default(), Some(Fault::Tampered)).await;
    let meter = &fleet.meters()[1];
    let mut reader = open(&fleet, 1).await;
    assert_eq!(told(&mut reader).await, (false, 0));
    assert_eq!(reader.value(1, TAMPER_LOCK, 2).await.unwrap(), Data::LongUnsigned(1));
    let refused = reader.invoke(70, SWITCH, RECONNECT).await;
    assert!(matches!(refused, Err(Failure::Protocol(Error::Action(ActionResult::ReadWriteDenied)))));
    let wrong = reader.set(1, TAMPER_LOCK, 2, &Data::Unsigned(0)).await;
    assert!(matches!(wrong, Err(Failure::Protocol(Error::Access(DataAccessResult::TypeUnmatched)))));
    assert!(moves(meter).is_empty());
    reader.set(1, TAMPER_LOCK, 2, &Data::LongUnsigned(0)).await.unwrap();
    assert_eq!(told(&mut reader).await, (true, 1));
    assert_eq!(reader.value(1, TAMPER_LOCK, 2).await.unwrap(), Data::LongUnsigned(0));
    meter.tamper();
    assert_eq!((told(&mut reader).await, moves(meter)), ((false, 0), vec![true, false]));
}

#[tokio::test]
async fn an_answer_is_lost_after_the_relay_moved_or_before() {
    for (fault, moved) in
        [(Fault::Unanswered(Often::First(1)), vec![false]), (Fault::Unexecuted(Often::First(1)), vec![])]
    {
        let fleet = fleet(SwitchConfig::default(), Some(fault)).await;
        let meter = &fleet.meters()[1];
        let lost = open(&fleet, 1).await.invoke(70, SWITCH, DISCONNECT).await;
        assert!(matches!(lost, Err(Failure::Closed)), "{lost:?}");
        assert_eq!(moves(meter), moved, "{fault:?}");
        assert_eq!(meter.counts().actions, u64::try_from(moved.len()).unwrap());
        let mut again = open(&fleet, 1).await;
        assert_eq!(told(&mut again).await.0, moved.is_empty());
        again.invoke(70, SWITCH, DISCONNECT).await.unwrap();
        assert_eq!(moves(meter), [false], "the second command finds the relay open, or opens it");
    }
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_line_open() {
    // The answers to the AARQ and to what follows it.
    let fleet = fleet(SwitchConfig::default(), Some(Fault::Dropped(Often::First(1)))).await;
    let (address, meter) = (fleet.addresses()[1], &fleet.meters()[1]);
    assert!(matches!(Reader::open(address, meter).await, Err(Failure::Silent)));
    assert!(Reader::open(address, meter).await.is_ok());
}

#[tokio::test]
async fn welded_contacts_are_read_back_and_not_believed() {
    let fleet = fleet(SwitchConfig::default(), Some(Fault::Welded)).await;
    let mut reader = open(&fleet, 1).await;
    reader.invoke(70, SWITCH, DISCONNECT).await.unwrap();
    assert_eq!(told(&mut reader).await, (true, 0));
    assert!(moves(&fleet.meters()[1]).is_empty());
}

#[tokio::test]
async fn the_ledger_survives_connections_and_names_everything_that_was_executed() {
    let file = std::env::temp_dir().join(format!("ledger-{}.jsonl", std::process::id()));
    let config = FleetConfig { security: Security::Lls, ledger: Some(file.clone()), ..config("sed302") };
    let fleet = Fleet::start(config).await.unwrap();
    open(&fleet, 2).await.invoke(70, SWITCH, DISCONNECT).await.unwrap();
    open(&fleet, 2).await.set(1, TAMPER_LOCK, 2, &Data::LongUnsigned(0)).await.unwrap();
    let refused = open(&fleet, 2).await.set(70, SWITCH, 4, &Data::Enum(1)).await;
    assert!(matches!(refused, Err(Failure::Protocol(Error::Access(DataAccessResult::ReadWriteDenied)))));

    let executed = |class_id, object: &str, access, result| Event::Executed {
        class_id,
        object: object.parse().unwrap(),
        access,
        result,
    };
    let ledger = fleet.meters()[2].ledger();
    let events: Vec<Event> = ledger.records.iter().map(|record| record.event.clone()).collect();
    let expected = [
        Event::Relay { closed: false },
        executed(70, SWITCH, Access::Action(1), 0),
        executed(1, TAMPER_LOCK, Access::Set(2), 0),
        executed(70, SWITCH, Access::Set(4), 3),
    ];
    assert_eq!(events, expected);
    assert_eq!(
        fleet.counts().to_string(),
        "1 actions, 2 sets, 1 relay movements, 0 tariffs activated, 0 image blocks (0 new), 0 images activated, \
         0 repeated counters"
    );

    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), expected.len());
    assert_eq!(
        (&lines[0]["event"], &lines[0]["meter"], &lines[0]["closed"]),
        (&"relay".into(), &2.into(), &false.into())
    );
    assert_eq!((&lines[2]["object"], &lines[2]["set"]), (&TAMPER_LOCK.into(), &2.into()));
    assert_eq!((&lines[3]["set"], &lines[3]["result"]), (&4.into(), &3.into()));
}

#[tokio::test]
async fn a_late_relay_reaches_the_file_without_being_asked() {
    let file = std::env::temp_dir().join(format!("late-{}.jsonl", std::process::id()));
    let switch = SwitchConfig { delay: Duration::from_secs(3600), ..SwitchConfig::default() };
    let config =
        FleetConfig { security: Security::Lls, switch, ledger: Some(file.clone()), ..config("sed302") };
    let fleet = Fleet::start(config).await.unwrap();
    open(&fleet, 0).await.invoke(70, SWITCH, DISCONNECT).await.unwrap();
    let lines = || std::fs::read_to_string(&file).unwrap().lines().count();
    assert_eq!(lines(), 1, "the relay has not moved yet");
    fleet.clock().advance(3600);
    let moved = async {
        while lines() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), moved).await.unwrap();
    fleet.shutdown().await;
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_repeated_counter_is_noted() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let (address, meter) = (fleet.addresses()[0], &fleet.meters()[0]);
    let open = async |first| {
        let (sap, credentials) = security(meter, first);
        Reader::open_as(address, sap, credentials).await
    };
    drop(open(500).await.unwrap());
    let highest = meter.highest_client_counter().unwrap();
    assert!((500..510).contains(&highest) && meter.counts().counters_repeated == 0, "{highest}");
    assert!(open(highest).await.is_err());
    assert_eq!(meter.counts().counters_repeated, 1);
    let mut first = open(1000).await.unwrap();
    drop(open(2000).await.unwrap());
    assert_eq!(meter.counts().counters_repeated, 1);
    first.value(70, SWITCH, 2).await.unwrap();
    assert_eq!(meter.counts().counters_repeated, 2, "an older connection goes on with lower ones");
}

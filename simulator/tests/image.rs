//! A client gives meters new firmware: with everything going well, with lines that break, and with meters that lie.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::time::Duration;

use common::{Failure, Reader, config};
use dlms::axdr::Data;
use dlms::cosem::image_transfer::{Block, Initiation, ToActivate, missing_blocks};
use dlms::cosem::single_action_schedule::Execution;
use dlms::{ActionResult, Error};
use models::SecondInitiate;
use simulator::{
    Affected, Event, Fault, FaultRule, FirmwareConfig, Fleet, FleetConfig, Meter, Often, Security,
};

const IMAGE: &str = "0.0.44.0.0.255";
const SCHEDULE: &str = "0.0.15.0.2.255";
const IDENTIFIER: &[u8] = b"SIM-2.0";
/// Larger than an APDU of the meter, so that each block comes as an ACTION in blocks.
const BLOCK_SIZE: usize = 1500;

fn image() -> Vec<u8> {
    (0..20_000_u32).flat_map(|word| word.to_be_bytes()).collect()
}

fn keeping() -> FirmwareConfig {
    let second_initiate = Some(SecondInitiate::KeepsBlocks);
    FirmwareConfig { block_size: 1500, second_initiate, ..FirmwareConfig::default() }
}

/// One meter with a password.
async fn fleet(firmware: FirmwareConfig, faults: &[Fault]) -> Fleet {
    let rule = |fault: &Fault| FaultRule { fault: *fault, meters: Affected::Numbers(vec![0]) };
    let faults = faults.iter().map(rule).collect();
    let config = FleetConfig { count: 1, security: Security::Lls, firmware, faults, ..config("sed302") };
    Fleet::start(config).await.unwrap()
}

async fn open(fleet: &Fleet) -> Reader {
    Reader::open(fleet.addresses()[0], &fleet.meters()[0]).await.unwrap()
}

async fn initiate(reader: &mut Reader) {
    let initiation =
        Initiation { identifier: IDENTIFIER.to_vec(), size: u32::try_from(image().len()).unwrap() };
    reader.invoke_with(18, IMAGE, 1, &initiation.to_data()).await.unwrap();
}

/// The numbers of the blocks that the meter says it lacks.
async fn missing(reader: &mut Reader) -> Vec<u32> {
    let count = u32::try_from(image().len().div_ceil(BLOCK_SIZE)).unwrap();
    let status = reader.value(18, IMAGE, 3).await.unwrap();
    missing_blocks(&status, count).unwrap().collect()
}

async fn send(reader: &mut Reader, number: u32) -> Result<(), Failure> {
    let octets = image().chunks(BLOCK_SIZE).nth(usize::try_from(number).unwrap()).unwrap().to_vec();
    reader.invoke_with(18, IMAGE, 2, &Block { number, octets }.into_data()).await
}

async fn send_missing(reader: &mut Reader) {
    for number in missing(reader).await {
        send(reader, number).await.unwrap();
    }
}

async fn status(reader: &mut Reader) -> Data {
    reader.value(18, IMAGE, 6).await.unwrap()
}

async fn version(reader: &mut Reader) -> Data {
    reader.value(1, "1.0.0.2.0.255", 2).await.unwrap()
}

fn activated(meter: &Meter) -> Vec<Event> {
    let events = meter.ledger().records.into_iter().map(|record| record.event);
    events.filter(|event| matches!(event, Event::ImageActivated { .. })).collect()
}

fn is_busy(result: &Result<(), Failure>) -> bool {
    matches!(result, Err(Failure::Protocol(Error::Action(ActionResult::TemporaryFailure))))
}

#[tokio::test]
async fn an_image_goes_over_in_pieces_on_many_connections() {
    let fleet = fleet(keeping(), &[Fault::Cut { after: 30 }]).await;
    let meter = &fleet.meters()[0];
    let mut connections = 0;
    loop {
        connections += 1;
        let mut reader = open(&fleet).await;
        initiate(&mut reader).await;
        let left = missing(&mut reader).await;
        if left.is_empty() {
            break;
        }
        for number in left {
            if send(&mut reader, number).await.is_err() {
                break;
            }
        }
    }
    assert!(connections > 3, "{connections}");
    let mut reader = open(&fleet).await;
    assert_eq!(reader.value(18, IMAGE, 4).await.unwrap(), Data::DoubleLongUnsigned(54));
    reader.invoke(18, IMAGE, 3).await.unwrap();
    assert_eq!(status(&mut reader).await, Data::Enum(3));
    let shown = ToActivate::list_from_data(&reader.value(18, IMAGE, 7).await.unwrap()).unwrap();
    let expected = ToActivate { size: 80_000, identification: IDENTIFIER.to_vec(), signature: vec![] };
    assert_eq!(shown, [expected]);
    reader.invoke(18, IMAGE, 4).await.unwrap();
    assert_eq!(status(&mut reader).await, Data::Enum(6));
    assert_eq!(version(&mut reader).await, Data::OctetString(IDENTIFIER.to_vec()));
    assert_eq!((meter.firmware().as_bytes(), meter.image()), (IDENTIFIER, image()));
    let counts = meter.counts();
    assert_eq!((counts.new_blocks, counts.blocks, counts.images_activated), (54, 54, 1));
    assert_eq!(counts.block_octets, 80_000);
    assert_eq!(activated(meter), [Event::ImageActivated { identifier: "SIM-2.0".to_owned() }]);
}

#[tokio::test]
async fn a_meter_that_discards_blocks_begins_anew() {
    let firmware = FirmwareConfig { block_size: 1500, ..FirmwareConfig::default() };
    let fleet = fleet(firmware, &[]).await;
    let mut reader = open(&fleet).await;
    initiate(&mut reader).await;
    send(&mut reader, 5).await.unwrap();
    assert_eq!(missing(&mut reader).await.len(), 53);
    assert_eq!(missing(&mut open(&fleet).await).await.len(), 53, "another association sees the same");
    initiate(&mut reader).await;
    assert_eq!(missing(&mut reader).await.len(), 54, "the model says that it discards them");
}

#[tokio::test]
async fn lost_blocks_show_in_the_status_and_a_stuck_one_for_ever() {
    let lost = Fault::LostBlocks(Often::SharePpm(300_000));
    let fleet = fleet(keeping(), &[lost, Fault::StuckBlock(7)]).await;
    let mut reader = open(&fleet).await;
    initiate(&mut reader).await;
    send_missing(&mut reader).await;
    assert!((5..30).contains(&missing(&mut reader).await.len()));
    for _ in 0..20 {
        send_missing(&mut reader).await;
    }
    assert_eq!(missing(&mut reader).await, [7]);
    assert_eq!(reader.value(18, IMAGE, 4).await.unwrap(), Data::DoubleLongUnsigned(7));
    let refused = reader.invoke(18, IMAGE, 3).await;
    assert!(matches!(refused, Err(Failure::Protocol(Error::Action(ActionResult::OtherReason)))));
    assert_eq!(status(&mut reader).await, Data::Enum(4));
}

#[tokio::test]
async fn a_slow_and_busy_meter_is_polled() {
    let takes = Duration::from_secs(3600);
    let firmware = FirmwareConfig { verify_takes: takes, activate_takes: takes, ..keeping() };
    let busy = [Fault::VerifyBusy(Often::First(2)), Fault::ActivateBusy(Often::First(1)), Fault::WrongImage];
    let fleet = fleet(firmware, &busy).await;
    let mut reader = open(&fleet).await;
    initiate(&mut reader).await;
    send_missing(&mut reader).await;
    for expected in [1, 1, 2] {
        assert!(is_busy(&reader.invoke(18, IMAGE, 3).await));
        assert_eq!(status(&mut reader).await, Data::Enum(expected));
    }
    fleet.clock().advance(3600);
    assert_eq!(status(&mut reader).await, Data::Enum(3));
    let shown = ToActivate::list_from_data(&reader.value(18, IMAGE, 7).await.unwrap()).unwrap();
    assert_eq!(shown[0].identification, b"SIM-2.0-other");
    for expected in [3, 5] {
        assert!(is_busy(&reader.invoke(18, IMAGE, 4).await));
        assert_eq!(status(&mut reader).await, Data::Enum(expected));
    }
    assert_eq!(version(&mut reader).await, Data::OctetString(b"SIM-1.0".to_vec()));
    fleet.clock().advance(3600);
    assert_eq!(status(&mut reader).await, Data::Enum(6));
    assert_eq!(version(&mut reader).await, Data::OctetString(IDENTIFIER.to_vec()));
}

#[tokio::test]
async fn a_meter_that_restarts_is_gone_until_its_firmware_runs() {
    let firmware = FirmwareConfig { activate_takes: Duration::from_secs(3600), restarts: true, ..keeping() };
    let fleet = fleet(firmware, &[]).await;
    let mut reader = open(&fleet).await;
    initiate(&mut reader).await;
    send_missing(&mut reader).await;
    reader.invoke(18, IMAGE, 3).await.unwrap();
    assert!(is_busy(&reader.invoke(18, IMAGE, 4).await));
    assert!(matches!(reader.value(18, IMAGE, 6).await, Err(Failure::Closed)));
    let refused = Reader::open(fleet.addresses()[0], &fleet.meters()[0]).await;
    assert!(matches!(refused, Err(Failure::Closed)));
    fleet.clock().advance(3600);
    assert_eq!(version(&mut open(&fleet).await).await, Data::OctetString(IDENTIFIER.to_vec()));
}

#[tokio::test]
async fn the_schedule_activates_what_is_verified() {
    let fleet = fleet(keeping(), &[]).await;
    let mut reader = open(&fleet).await;
    assert_eq!(reader.value(22, SCHEDULE, 4).await.unwrap(), Data::Array(vec![]));
    initiate(&mut reader).await;
    send_missing(&mut reader).await;
    reader.invoke(18, IMAGE, 3).await.unwrap();
    // It is 14:07 in Berlin.
    let time = Execution { time: [15, 0, 0, 0], date: [0x07, 0xEA, 4, 15, 0xFF] };
    reader.set(22, SCHEDULE, 4, &time.to_data()).await.unwrap();
    assert_eq!(reader.value(22, SCHEDULE, 4).await.unwrap(), time.to_data());
    fleet.clock().advance(3000);
    assert_eq!(status(&mut reader).await, Data::Enum(3));
    fleet.clock().advance(600);
    assert_eq!(status(&mut reader).await, Data::Enum(6));
    assert_eq!(version(&mut reader).await, Data::OctetString(IDENTIFIER.to_vec()));
    let records = fleet.meters()[0].ledger().records;
    let at = records.iter().find(|record| matches!(record.event, Event::ImageActivated { .. })).unwrap().at;
    assert_eq!(at.to_string(), "2026-04-15T13:00:00Z");
}

#[tokio::test]
async fn a_transfer_that_is_disabled_takes_nothing() {
    let fleet = fleet(keeping(), &[]).await;
    let mut reader = open(&fleet).await;
    reader.set(18, IMAGE, 5, &Data::Boolean(false)).await.unwrap();
    assert_eq!(reader.value(18, IMAGE, 5).await.unwrap(), Data::Boolean(false));
    let initiation = Initiation { identifier: IDENTIFIER.to_vec(), size: 1 };
    let refused = reader.invoke_with(18, IMAGE, 1, &initiation.to_data()).await;
    assert!(matches!(refused, Err(Failure::Protocol(Error::Action(ActionResult::ReadWriteDenied)))));
}

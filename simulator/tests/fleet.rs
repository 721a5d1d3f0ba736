//! A reader that knows only the inventory gets exactly what the meters have captured, whatever their security; and each
//! fault does what it says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::time::{Duration, Instant};

use common::{Failure, Reader, config, model, security};
use dlms::axdr::Data;
use dlms::client::Security as ClientSecurity;
use dlms::cosem::{Form, association};
use dlms::profile::{CaptureObject, Rows, decode_list};
use dlms::selection::{EntrySelection, ObjectId, ObjectSelection, RangeSelection, Selection};
use dlms::{ActionResult, DataAccessResult, DateTime, Error};
use jiff::{SignedDuration, Timestamp};
use models::Language;
use simulator::{
    Affected, CONNECTIONS_PER_METER, Capture, Fault, FaultRule, Fleet, FleetConfig, Security, inventory,
};

const ENERGY: &str = "1.0.99.1.0.255";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn range(from: Timestamp, to: Timestamp) -> Selection {
    let limit = |at: Timestamp| DateTime::from_unix(at.as_second(), Some(-120), 0x80);
    Selection::Range(RangeSelection {
        form: Form::Octets,
        restricting: CaptureObject {
            class_id: 8,
            instance: "0.0.1.0.0.255".parse().unwrap(),
            attribute: 2,
            data_index: 0,
        },
        from: limit(from),
        to: limit(to),
        columns: Vec::new(),
    })
}

/// The rows as a reader would store them, but for times, which stand behind the values.
fn stored(rows: &Rows) -> Vec<Capture> {
    let times = |row: usize| rows.times[row * rows.times_width..][..rows.times_width].iter();
    (0..rows.len())
        .map(|row| Capture {
            at: Timestamp::from_second(rows.clocks[row].unwrap().unix_seconds().unwrap()).unwrap(),
            status: rows.statuses[row].map(|status| u8::try_from(status).unwrap()),
            values: rows.values[row * rows.width..][..rows.width]
                .iter()
                .map(|value| value.unwrap())
                .chain(times(row).map(|time| time.unwrap().unix_seconds().unwrap()))
                .collect(),
        })
        .collect()
}

async fn fleet_with(fault: Fault) -> Fleet {
    let rule = FaultRule { fault, meters: Affected::Numbers(vec![1]) };
    Fleet::start(FleetConfig { faults: vec![rule], ..config("sed302") }).await.unwrap()
}

async fn open(fleet: &Fleet, number: usize) -> Result<Reader, Failure> {
    Reader::open(fleet.addresses()[number], &fleet.meters()[number]).await
}

#[tokio::test]
async fn every_security_reads_exactly_what_was_captured() {
    let (from, to) = (at("2026-03-27T00:00:00Z"), at("2026-04-15T12:00:00Z"));
    for security in [Security::None, Security::Lls, Security::Gmac] {
        let models = models::builtin().unwrap();
        for (name, _) in models.iter().filter(|(_, model)| model.language == Language::Dlms) {
            let fleet = Fleet::start(FleetConfig { security, ..config(name) }).await.unwrap();
            let mut reader = open(&fleet, 2).await.unwrap();
            for profile in &model(name).profiles {
                let rows = reader.profile(profile.obis, Some(&range(from, to))).await.unwrap();
                let expected = fleet.expected(2, &profile.name, from, to).unwrap();
                assert!(!expected.is_empty(), "{name} {}", profile.name);
                let in_one_order = |captures: Vec<Capture>| {
                    captures.into_iter().map(|mut capture| {
                        capture.values.sort_unstable();
                        capture
                    })
                };
                let (found, expected) = (in_one_order(stored(&rows)), in_one_order(expected));
                assert!(found.eq(expected), "{security:?} {name} {}", profile.name);
            }
            fleet.shutdown().await;
        }
    }
}

#[tokio::test]
async fn a_month_comes_whole_in_blocks() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let mut reader = open(&fleet, 0).await.unwrap();
    let rows = reader.profile(ENERGY.parse().unwrap(), None).await.unwrap();
    assert_eq!(rows.len(), 30 * 96);
    let whole = fleet.expected(0, "energy", Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!(stored(&rows), whole);
    assert!(reader.exchanges > 100, "a block holds at most 1024 octets");
}

#[tokio::test]
async fn entries_and_columns_are_selected() {
    let fleet = Fleet::start(FleetConfig { security: Security::Lls, ..config("sed302") }).await.unwrap();
    let mut reader = open(&fleet, 0).await.unwrap();
    let whole = fleet.expected(0, "energy", Timestamp::MIN, Timestamp::MAX).unwrap();
    let entries = |from, to| Selection::Entries(EntrySelection { from, to, first_column: 1, last_column: 0 });
    let energy = ENERGY.parse().unwrap();
    let first = reader.profile(energy, Some(&entries(1, 2))).await.unwrap();
    assert_eq!(stored(&first), whole[..2]);
    let last = reader.profile(energy, Some(&entries(2879, 0))).await.unwrap();
    assert_eq!(stored(&last), whole[2878..]);
    let Data::Array(captured) = reader.value(7, ENERGY, 3).await.unwrap() else { panic!("a list") };
    let Selection::Range(mut some) = range(whole[0].at, whole[1].at) else { panic!("a range") };
    some.columns = decode_list(&encoded(&Data::Array(vec![captured[6].clone()]))).unwrap();
    let buffer = reader.get((7, energy, 2), Some(&Selection::Range(some))).await.unwrap();
    let total = |row: usize| Data::DoubleLongUnsigned(u32::try_from(whole[row].values[4]).unwrap());
    let one = |row| Data::Structure(vec![total(row)]);
    assert_eq!(Data::decode(&buffer).unwrap(), Data::Array(vec![one(0), one(1)]));
}

#[tokio::test]
async fn each_client_is_told_the_objects_that_it_sees() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let mut reader = open(&fleet, 0).await.unwrap();
    let list = (association::CLASS, association::CURRENT, 2);
    let whole = association::decode_list(&reader.get(list, None).await.unwrap()).unwrap().objects;
    let clock = whole.iter().find(|object| object.class_id == 8).unwrap();
    let rights = clock.rights.as_ref().unwrap();
    assert!(rights.may_read(2, 1) && !rights.may_read(9, 1) && rights.attributes.len() == 9);
    for (class_id, count) in [(7, 4), (15, 1), (18, 1), (20, 1), (70, 1)] {
        assert_eq!(whole.iter().filter(|object| object.class_id == class_id).count(), count, "{class_id}");
    }
    // Every object that is listed as readable can be read.
    for object in &whole {
        let rights = object.rights.as_ref().unwrap();
        for (number, _) in rights.attributes.iter().filter(|(number, _)| rights.may_read(*number, 1)) {
            reader.get((object.class_id, object.instance, *number), None).await.unwrap();
        }
    }

    let profiles = ObjectSelection::Classes(vec![7, 99]);
    let some = reader.get(list, Some(&Selection::Objects(profiles))).await.unwrap();
    let some = association::decode_list(&some).unwrap().objects;
    assert_eq!(some.len(), 4);
    assert!(some.iter().all(|object| object.class_id == 7 && object.rights.is_none()));
    let one = ObjectSelection::Object(ObjectId { class_id: 8, instance: clock.instance });
    let one = reader.get(list, Some(&Selection::Objects(one))).await.unwrap();
    assert_eq!(association::decode_list(&one).unwrap().objects, std::slice::from_ref(clock));
}

fn encoded(data: &Data) -> Vec<u8> {
    let mut octets = Vec::new();
    data.encode(&mut octets);
    octets
}

#[tokio::test]
async fn objects_say_what_the_model_says() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let meter = &fleet.meters()[1];
    let mut reader = open(&fleet, 1).await.unwrap();
    let text = |text: &str| Data::OctetString(text.as_bytes().to_vec());
    assert_eq!(reader.value(1, "0.0.96.1.0.255", 2).await.unwrap(), text("30000001"));
    assert_eq!(reader.value(1, "0.0.42.0.0.255", 2).await.unwrap(), text("SIM30000001"));
    assert_eq!(reader.value(1, "1.0.0.2.0.255", 2).await.unwrap(), text("SIM-1.0"));
    assert_eq!(reader.value(7, ENERGY, 4).await.unwrap(), Data::DoubleLongUnsigned(900));
    assert_eq!(reader.value(7, ENERGY, 5).await.unwrap(), Data::Enum(1));
    assert_eq!(reader.value(7, ENERGY, 7).await.unwrap(), Data::DoubleLongUnsigned(2880));
    assert_eq!(reader.value(7, ENERGY, 8).await.unwrap(), Data::DoubleLongUnsigned(9600));
    let scaler_unit = |scaler, unit| Data::Structure(vec![Data::Integer(scaler), Data::Enum(unit)]);
    assert_eq!(reader.value(3, "1.0.1.8.0.255", 3).await.unwrap(), scaler_unit(0, 30));
    assert_eq!(reader.value(5, "1.0.1.4.0.255", 4).await.unwrap(), scaler_unit(0, 27));
    assert_eq!(reader.value(3, "1.0.32.7.0.255", 3).await.unwrap(), scaler_unit(-1, 35));
    assert_eq!(reader.value(3, "1.0.9.7.0.255", 3).await.unwrap(), scaler_unit(0, 28));
    let last = meter.capture("energy", at("2026-04-15T12:00:00Z")).unwrap();
    let demand = Data::DoubleLongUnsigned(u32::try_from(last[0]).unwrap());
    assert_eq!(reader.value(5, "1.0.1.4.0.255", 3).await.unwrap(), demand);
    let Data::OctetString(clock) = reader.value(8, "0.0.1.0.0.255", 2).await.unwrap() else {
        panic!("octets")
    };
    let clock = DateTime::new(clock.try_into().unwrap());
    assert_eq!((clock.deviation(), clock.status()), (Some(-120), 0x80));
    let passed = clock.unix_seconds().unwrap() - at("2026-04-15T12:07:00Z").as_second();
    assert!((0..10).contains(&passed), "{passed} s");
    for register in &model("sed302").registers {
        let value = reader.get((register.class_id, register.obis, 2), None).await;
        assert!(value.is_ok(), "{}: {value:?}", register.name);
    }
    let unknown = reader.value(3, "1.0.99.99.0.255", 2).await;
    assert!(matches!(unknown, Err(Failure::Protocol(Error::Access(DataAccessResult::ObjectUndefined)))));
}

#[tokio::test]
async fn the_public_client_sees_the_counter_and_no_reading() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let address = fleet.addresses()[0];
    let (sap, credentials) = security(&fleet.meters()[0], 1000);
    Reader::open_as(address, sap, credentials).await.unwrap();
    let mut public = Reader::open_as(address, 16, ClientSecurity::none()).await.unwrap();
    let Data::DoubleLongUnsigned(counter) = public.value(1, "0.0.43.1.0.255", 2).await.unwrap() else {
        panic!("a number")
    };
    assert!((1000..1010).contains(&counter), "{counter}");
    let refused = public.get((7, ENERGY.parse().unwrap(), 2), None).await;
    assert!(matches!(refused, Err(Failure::Protocol(Error::Access(DataAccessResult::ReadWriteDenied)))));
}

#[tokio::test]
async fn the_load_switch_opens_and_closes_for_those_who_may() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let switch = "0.0.96.3.10.255";
    let mut reader = open(&fleet, 0).await.unwrap();
    assert_eq!(reader.value(70, switch, 2).await.unwrap(), Data::Boolean(true));
    reader.invoke(70, switch, 1).await.unwrap();
    assert_eq!(reader.value(70, switch, 2).await.unwrap(), Data::Boolean(false));
    assert_eq!(reader.value(70, switch, 3).await.unwrap(), Data::Enum(0));
    assert!(!fleet.meters()[0].connected() && fleet.meters()[1].connected());
    let mut public = Reader::open_as(fleet.addresses()[0], 16, ClientSecurity::none()).await.unwrap();
    let refused = public.invoke(70, switch, 2).await;
    assert!(
        matches!(refused, Err(Failure::Protocol(Error::Action(ActionResult::ReadWriteDenied)))),
        "{refused:?}"
    );
    assert!(!fleet.meters()[0].connected());
    reader.invoke(70, switch, 2).await.unwrap();
    assert!(fleet.meters()[0].connected());
}

#[tokio::test]
async fn a_counter_is_never_accepted_twice_even_on_a_new_connection() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let (address, meter) = (fleet.addresses()[0], &fleet.meters()[0]);
    let (sap, credentials) = security(meter, 500);
    drop(Reader::open_as(address, sap, credentials).await.unwrap());
    let (sap, credentials) = security(meter, 500);
    let Err(Failure::Protocol(Error::Exception(exception))) =
        Reader::open_as(address, sap, credentials).await
    else {
        panic!("a used counter must be refused");
    };
    let expected = exception.expected_counter.unwrap();
    let (sap, credentials) = security(meter, expected);
    assert!(Reader::open_as(address, sap, credentials).await.is_ok());
}

#[tokio::test]
async fn wrong_secrets_and_wrong_addresses_get_nothing() {
    let fleet = Fleet::start(FleetConfig { security: Security::Mixed, ..config("sed302") }).await.unwrap();
    let [none, lls, gmac] = fleet.meters() else { panic!("three meters") };
    let addresses = fleet.addresses();
    let (sap, password) = security(lls, 1);
    assert!(Reader::open_as(addresses[1], sap, password).await.is_ok());
    let wrong = ClientSecurity::lls(dlms::client::Password::new("00000000"));
    let refused = Reader::open_as(addresses[1], 32, wrong).await;
    assert!(matches!(refused, Err(Failure::Protocol(Error::Rejected { .. }))));
    let (sap, keys_of_another) = security(gmac, 1);
    assert!(matches!(Reader::open_as(addresses[0], sap, keys_of_another).await, Err(Failure::Silent)));
    let (sap, open) = security(none, 1);
    assert!(Reader::open_as(addresses[0], sap, open).await.is_ok());
}

#[tokio::test]
async fn a_silent_meter_accepts_and_never_answers() {
    let fleet = fleet_with(Fault::Silent).await;
    assert!(matches!(open(&fleet, 1).await, Err(Failure::Silent)));
    assert!(open(&fleet, 0).await.is_ok());
}

#[tokio::test]
async fn a_slow_meter_answers_late() {
    let fleet = fleet_with(Fault::Slow(Duration::from_millis(120))).await;
    let start = Instant::now();
    let reader = open(&fleet, 1).await.unwrap();
    let least = Duration::from_millis(120) * u32::try_from(reader.exchanges).unwrap();
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_cut_line_ends_each_connection_after_so_many_answers() {
    let fleet = fleet_with(Fault::Cut { after: 6 }).await;
    let mut reader = open(&fleet, 1).await.unwrap();
    assert!(matches!(reader.profile(ENERGY.parse().unwrap(), None).await, Err(Failure::Closed)));
    assert_eq!(reader.exchanges, 7);
}

#[tokio::test]
async fn a_wrong_tag_is_noticed_after_the_association() {
    let fleet = fleet_with(Fault::WrongTag { after: 1 }).await;
    let mut reader = open(&fleet, 1).await.unwrap();
    let value = reader.value(1, "0.0.96.1.0.255", 2).await;
    assert!(matches!(value, Err(Failure::Protocol(Error::TagMismatch))), "{value:?}");
}

#[tokio::test]
async fn another_serial_number_shows_in_its_object_only() {
    let fleet = fleet_with(Fault::WrongSerial).await;
    let mut reader = open(&fleet, 1).await.unwrap();
    let serial = reader.value(1, "0.0.96.1.0.255", 2).await.unwrap();
    assert_eq!(serial, Data::OctetString(b"930000001".to_vec()));
    assert_eq!(fleet.meters()[1].serial(), "30000001");
}

#[tokio::test]
async fn a_changed_layout_is_told_and_read() {
    let from = at("2026-04-15T13:00:00Z");
    let fleet = fleet_with(Fault::OtherLayout { from }).await;
    let energy = ENERGY.parse().unwrap();
    let mut reader = open(&fleet, 1).await.unwrap();
    assert_eq!(reader.profile(energy, None).await.unwrap().width, 6);
    fleet.clock().advance(SignedDuration::from_hours(2).as_secs());
    let rows = reader.profile(energy, None).await.unwrap();
    assert_eq!(rows.width, 5);
    assert_eq!(stored(&rows), fleet.expected(1, "energy", Timestamp::MIN, Timestamp::MAX).unwrap());
    assert_eq!(stored(&rows)[0].at, from);
}

#[tokio::test]
async fn a_meter_serves_so_many_connections_and_no_more() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let mut open_ones = Vec::new();
    for first in 0..CONNECTIONS_PER_METER {
        let (sap, credentials) = security(&fleet.meters()[0], u32::try_from(first * 1000 + 1).unwrap());
        open_ones.push(Reader::open_as(fleet.addresses()[0], sap, credentials).await.unwrap());
    }
    assert!(matches!(open(&fleet, 0).await, Err(Failure::Closed)));
    open_ones.clear();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (sap, credentials) = security(&fleet.meters()[0], 100_000);
    assert!(Reader::open_as(fleet.addresses()[0], sap, credentials).await.is_ok());
}

#[tokio::test]
async fn the_inventory_lists_what_a_head_end_needs() {
    let fleet = Fleet::start(FleetConfig { security: Security::Mixed, ..config("sed302") }).await.unwrap();
    let list = inventory(&fleet);
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0].join(","),
        "serial,model,address,server_sap,client_sap,zone,security,password,client_title,encryption_key,authentication_key,system_title,parent,subunit,device_address"
    );
    let address = |number: usize| fleet.addresses()[number].to_string();
    assert_eq!(
        lines[1],
        [
            "30000000",
            "sed302",
            &address(0),
            "1",
            "16",
            "Europe/Berlin",
            "none",
            "",
            "",
            "",
            "",
            "53494D0001C9C380",
            "",
            "",
            ""
        ]
    );
    let password = fleet.meters()[1].secrets().password;
    assert_eq!(
        lines[2],
        [
            "30000001",
            "sed302",
            &address(1),
            "1",
            "32",
            "Europe/Berlin",
            "lls",
            &password,
            "",
            "",
            "",
            "53494D0001C9C381",
            "",
            "",
            ""
        ]
    );
    assert_eq!(lines[3][4..9], ["1", "Europe/Berlin", "gmac", "", "4845414400000001"]);
    assert!(
        lines[3][9..11]
            .iter()
            .all(|key| key.len() == 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit()))
    );
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let fleet = Fleet::start(config("sed302")).await.unwrap();
    let base_port = fleet.addresses()[0].port();
    let refused = Fleet::start(FleetConfig { base_port, count: 1, ..config("sed302") }).await.unwrap_err();
    assert!(refused.to_string().starts_with(&format!("127.0.0.1:{base_port} cannot be opened")), "{refused}");
    fleet.shutdown().await;
    let again = Fleet::start(FleetConfig { base_port, count: 1, ..config("sed302") }).await;
    assert!(again.is_ok(), "shutdown closes the ports");
}

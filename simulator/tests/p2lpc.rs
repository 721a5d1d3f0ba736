//! A concentrator that reads its meters by itself: what it holds, its result files, and what it passes through.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use common::{config, model};
use dlms::axdr::Data;
use dlms::selection::{EntrySelection, Selection};
use jiff::Timestamp;
use models::Model;
use p2lpc::{Document, Fault, Object, Profile, Request, Response, Span};
use simulator::{Backend, Clock, ConcentratorConfig, Concentrators, FleetConfig, Meter, Security};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| model("generic-dlms"));
const HOUR: i64 = 3600;
const ALWAYS: Span = Span { from: 0, to: 4_000_000_000 };

fn concentrators(change: impl FnOnce(&mut ConcentratorConfig)) -> (Concentrators, Clock) {
    let fleet =
        FleetConfig { count: 20, security: Security::None, history_days: 1, ..config("generic-dlms") };
    let clock = fleet.clock.clone();
    let mut config = ConcentratorConfig {
        backend: Backend::P2lpc,
        nodes: 20,
        accelerate: 1_000_000,
        ..ConcentratorConfig::default()
    };
    change(&mut config);
    (Concentrators::offline(fleet, config).unwrap(), clock)
}

/// Posts a message on a connection of its own, and returns the body of what comes back.
async fn post(concentrators: &Concentrators, body: &[u8]) -> Vec<u8> {
    let (mut ours, theirs) = duplex(1 << 16);
    tokio::spawn(concentrators.serve(0, theirs));
    let head = format!(
        "POST / HTTP/1.1\r\nHost: dc\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    ours.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    ours.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}

async fn ask(concentrators: &Concentrators, request: Request) -> Result<Response, Fault> {
    Response::read(&request, &post(concentrators, &request.encode()).await).unwrap()
}

async fn profile(concentrators: &Concentrators, meter: &Meter, name: &str) -> Profile {
    let profile = ident(name);
    let request = Request::MeterProfile { meter: meter.serial(), profile, register: None, span: ALWAYS };
    let Ok(Response::Document(document)) = ask(concentrators, request).await else { panic!("a document") };
    assert_eq!((document.damage.as_ref(), document.refused), (None, 0));
    document.devices[0].profiles[0].clone()
}

fn ident(profile: &str) -> p2lpc::Ident {
    let spec = MODEL.profiles.iter().find(|spec| spec.name == profile).unwrap();
    p2lpc::Ident(spec.obis.octets())
}

/// Time and values of what a meter has captured, in thousandths, up to a time.
fn captured(meter: &Meter, profile: &str, to: i64) -> Vec<(i64, Vec<i64>)> {
    let to = Timestamp::from_second(to).unwrap();
    let rows = meter.expected(profile, Timestamp::MIN, to).unwrap();
    rows.into_iter().map(|row| (row.at.as_second(), row.values)).collect()
}

/// The same of what came in a document: energy is displayed in kWh and kvarh, voltage in V.
fn came(profile: &Profile) -> Vec<(i64, Vec<i64>)> {
    let columns = MODEL.profiles[0].columns.iter().filter(|column| column.class_id == 3);
    let displayed = |symbol: &str| if symbol.ends_with('h') { -3 } else { 0 };
    let column = |column: &models::ColumnSpec| {
        (p2lpc::Ident(column.obis.octets()), column.scaler + displayed(column.unit.symbol()))
    };
    let columns: Vec<_> = columns.map(column).collect();
    let values = |row: &p2lpc::Row| {
        columns.iter().map(|(name, exponent)| row.values[name].scaled(*exponent).unwrap()).collect()
    };
    profile.rows().iter().map(|row| (row.at, values(row))).collect()
}

#[tokio::test]
async fn mt_23_what_is_held_is_what_the_meters_captured_up_to_the_last_round() {
    let (concentrators, clock) = concentrators(|config| {
        config.lost_ppm = 300_000;
        config.outage = Duration::from_secs(10 * 3600);
    });
    let start = clock.now().as_second();
    clock.advance(30 * HOUR + 600);
    let states = concentrators.states(0);
    let mut late = 0;
    for (meter, state) in concentrators.meters().iter().zip(&states) {
        let held = came(&profile(&concentrators, meter, "energy").await);
        // Rounds begin on the hour of the start.
        let seen = state.last_seen.as_second().min(start + 30 * HOUR);
        let round = start + (seen - start).div_euclid(HOUR) * HOUR;
        assert_eq!(held, captured(meter, "energy", round), "{state:?}");
        late += usize::from(!state.linked);
    }
    assert!((1..20).contains(&late), "{late}");

    // A day later most are back; what each of them captured is whole up to the round in which it was read last.
    clock.advance(24 * HOUR);
    let mut whole = 0;
    for meter in concentrators.meters() {
        let held = came(&profile(&concentrators, meter, "energy").await);
        let all = captured(meter, "energy", start + 54 * HOUR);
        assert!(all.starts_with(&held), "{meter:?}");
        whole += usize::from(all.len() == held.len());
    }
    assert!((10..20).contains(&whole), "{whole}");
}

async fn download(concentrators: &Concentrators, name: &str, step: u32) -> Vec<u8> {
    let mut octets = Vec::new();
    loop {
        let offset = u64::try_from(octets.len()).unwrap();
        let request = Request::FileChunk { name: name.to_owned(), offset, length: step };
        let Ok(Response::Chunk { octets: piece, total }) = ask(concentrators, request).await else {
            panic!("a piece")
        };
        octets.extend_from_slice(&piece);
        if piece.is_empty() || u64::try_from(octets.len()).unwrap() == total {
            return octets;
        }
    }
}

#[tokio::test]
async fn mt_23_result_files_are_followed_by_a_marker_and_hold_everything_once() {
    let (concentrators, clock) = concentrators(|config| {
        config.lost_ppm = 300_000;
        config.outage = Duration::from_secs(5 * 3600);
    });
    let start = clock.now().as_second();
    let mut rows: BTreeMap<String, Vec<(i64, Vec<i64>)>> = BTreeMap::new();
    let mut marker = String::new();
    for _ in 0..6 {
        clock.advance(4 * HOUR);
        loop {
            let request = Request::MeterResults { marker: marker.clone(), limit: 3 };
            let Ok(Response::Files(files)) = ask(&concentrators, request).await else { panic!("a list") };
            assert!(files.len() <= 3 && files.is_sorted_by_key(|file| file.name.clone()));
            let Some(last) = files.last() else { break };
            marker.clone_from(&last.name);
            for file in &files {
                let octets = download(&concentrators, &file.name, 50_000).await;
                assert_eq!(octets, download(&concentrators, &file.name, 100_000).await, "again the same");
                assert_eq!(u64::try_from(octets.len()).unwrap(), file.size);
                for device in Document::read(&octets).devices {
                    let profiles = device.profiles.iter().filter(|profile| profile.ident == ident("energy"));
                    rows.entry(device.id).or_default().extend(profiles.flat_map(came));
                }
            }
        }
    }
    for (meter, state) in concentrators.meters().iter().zip(concentrators.states(0)) {
        let round = start + (state.last_seen.as_second() - start).div_euclid(HOUR) * HOUR;
        let before = captured(meter, "energy", start).len();
        let expected = captured(meter, "energy", round).split_off(before);
        assert_eq!(rows.remove(&meter.serial()).unwrap_or_default(), expected, "{state:?}");
    }
}

#[tokio::test]
async fn mt_23_result_files_are_written_into_a_folder_when_they_are_whole() {
    let folder = std::env::temp_dir().join(format!("simulator-p2lpc-{}", std::process::id()));
    let fleet = FleetConfig { count: 2, security: Security::None, ..config("generic-dlms") };
    let clock = fleet.clock.clone();
    let config = ConcentratorConfig {
        backend: Backend::P2lpc,
        results: Some(folder.clone()),
        ..ConcentratorConfig::default()
    };
    let concentrators = Concentrators::start(fleet, config).await.unwrap();
    clock.advance(2 * HOUR);
    let own = folder.join(&concentrators.serials()[0]);
    let files = loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let names = std::fs::read_dir(&own).into_iter().flatten().map(|entry| entry.unwrap().path());
        let mut names: Vec<_> =
            names.filter(|path| path.extension().is_some_and(|end| end == "xml")).collect();
        names.sort();
        if names.len() == 2 {
            break names;
        }
    };
    let document = Document::read(&std::fs::read(&files[1]).unwrap());
    assert_eq!((document.damage, document.devices.len()), (None, 2));
    concentrators.shutdown().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn mt_23_messages_are_torn_off_now_and_then() {
    let (concentrators, _) = concentrators(|config| config.torn_ppm = 500_000);
    let mut torn = 0;
    for _ in 0..20 {
        let answer = post(&concentrators, &Request::MetersList.encode()).await;
        match Response::read(&Request::MetersList, &answer) {
            Ok(answer) => assert!(matches!(answer, Ok(Response::Meters(meters)) if meters.len() == 20)),
            Err(_) => torn += 1,
        }
    }
    assert!((3..18).contains(&torn), "{torn}");
    let nonsense = post(&concentrators, b"<html/>").await;
    let fault = Response::read(&Request::MetersList, &nonsense).unwrap().unwrap_err();
    assert_eq!(fault.code, Fault::BAD_REQUEST);
}

#[tokio::test]
async fn mt_24_the_concentrator_tells_and_sets_its_own() {
    let (concentrators, clock) = concentrators(|config| config.lost_ppm = 300_000);
    clock.advance(20 * HOUR);
    let Ok(Response::Status(status)) = ask(&concentrators, Request::ConcentratorStatus).await else {
        panic!("a status")
    };
    assert_eq!((status.serial.as_str(), status.meters), ("C0000000", 20));
    assert_eq!(ask(&concentrators, Request::TimeSync(1_900_000_000)).await, Ok(Response::Done));
    let Ok(Response::Time(shown)) = ask(&concentrators, Request::ShownTime).await else { panic!("a time") };
    assert!((1_900_000_000..1_900_000_060).contains(&shown));

    let Ok(Response::Document(log)) = ask(&concentrators, Request::ConcentratorEvents(ALWAYS)).await else {
        panic!("a log")
    };
    let own = concentrators.log(0, Timestamp::MIN, Timestamp::MAX);
    let of_itself = log.devices[0].events.iter().filter(|event| event.meter.is_none());
    assert_eq!(of_itself.map(|event| event.status).collect::<Vec<_>>(), [5], "its clock was set");
    assert_eq!(log.devices[0].events.len(), own.len() + 1);
    assert!(log.devices[0].events.iter().any(|event| event.status == 3 && event.meter.is_some()));
}

#[tokio::test]
async fn mt_01_requests_are_passed_through_to_meters_that_are_there() {
    let (concentrators, clock) = concentrators(|config| config.lost_ppm = 300_000);
    clock.advance(20 * HOUR);
    let Ok(Response::Meters(meters)) = ask(&concentrators, Request::MetersList).await else {
        panic!("meters")
    };
    let serial = Object { class_id: 1, instance: "0.0.96.1.0".parse().unwrap(), member: 2 };
    let get = |meter: &str| Request::CosemGet { meter: meter.to_owned(), object: serial, access: Vec::new() };
    for (number, meter) in meters.iter().enumerate() {
        match ask(&concentrators, get(&meter.id)).await {
            Ok(Response::Cosem(cosem)) => {
                assert!(meter.linked && cosem.result == 0);
                let said = Data::decode(&cosem.data).unwrap();
                assert_eq!(said, Data::OctetString(meter.id.clone().into_bytes()));
            }
            Err(fault) => assert_eq!((fault.code.as_str(), meter.linked), (Fault::UNREACHABLE, false)),
            Ok(other) => panic!("{other:?}"),
        }
        if meter.linked {
            let off = Request::DisconnectControl { meter: meter.id.clone(), connect: false };
            assert_eq!(ask(&concentrators, off).await, Ok(Response::Done));
            assert!(!concentrators.meters()[number].connected());
        }
    }
    let unknown = ask(&concentrators, get("4711")).await.unwrap_err();
    assert_eq!(unknown.code, Fault::UNKNOWN_METER);
    let linked = &meters.iter().find(|meter| meter.linked).expect("not all are lost").id;
    let captures = |entries: EntrySelection| {
        let mut access = Vec::new();
        Selection::Entries(entries).encode(&mut access);
        let object = Object { class_id: 7, instance: "1.0.99.1.0".parse().unwrap(), member: 2 };
        Request::CosemGet { meter: linked.clone(), object, access }
    };
    let third = EntrySelection { from: 3, to: 3, first_column: 1, last_column: 0 };
    let Ok(Response::Cosem(cosem)) = ask(&concentrators, captures(third)).await else { panic!("captures") };
    let Ok(Data::Array(rows)) = Data::decode(&cosem.data) else { panic!("{cosem:?}") };
    assert_eq!((cosem.result, rows.len()), (0, 1));
}

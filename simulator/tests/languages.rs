//! Stations that do not speak DLMS, asked octet by octet.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use std::time::Duration;

use dlt645::{
    Address, Answer, Authority, Edition, Error as Dlt645Error, Format, Identifier, Moment, Number, Refusal,
    Request, Splitter, SwitchOrder,
};
use iec62056_21::{DataSets, Event, Selection, Session};
use modbus::{Answers, Table};
use simulator::{Clock, Error, Fleet, FleetConfig, Framing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const NOW: &str = "2026-03-01T12:00:00Z";
const LIMIT: Duration = Duration::from_secs(5);
const ENERGY: Format = Format { octets: 4, decimals: 0, signed: false };
const PLAIN: Authority = Authority { level: 2, password: [0; 3], operator: [0; 4] };

async fn fleet(model: &str, change: impl FnOnce(&mut FleetConfig)) -> Fleet {
    let mut config = FleetConfig::new(models::builtin().unwrap()[model].clone());
    config.clock = Clock::starting_at(NOW.parse().unwrap());
    change(&mut config);
    Fleet::start(config).await.unwrap()
}

async fn line(fleet: &Fleet) -> TcpStream {
    TcpStream::connect(fleet.addresses()[0]).await.unwrap()
}

/// What comes within the limit, as far as `whole` says that it is enough.
async fn receive<T>(line: &mut TcpStream, mut whole: impl FnMut(&[u8]) -> Option<T>) -> T {
    let mut chunk = [0; 512];
    loop {
        let count = timeout(LIMIT, line.read(&mut chunk)).await.unwrap().unwrap();
        assert_ne!(count, 0, "the line was closed");
        if let Some(found) = whole(&chunk[..count]) {
            return found;
        }
    }
}

/// The data that a station of DL/T 645 answers, or its refusal.
async fn ask(line: &mut TcpStream, address: u64, request: &Request<'_>) -> Result<Vec<u8>, Dlt645Error> {
    let address: Address = address.to_string().parse().unwrap();
    let mut out = Vec::new();
    request.encode(Edition::Of2007, address, &mut out).unwrap();
    line.write_all(&out).await.unwrap();
    let mut splitter = Splitter::new();
    receive(line, |octets| {
        splitter.push(octets);
        let frame = splitter.next_frame()?;
        assert_eq!(frame.address, address);
        Some(Answer::read(Edition::Of2007, request, &frame).map(|answer| match answer {
            Answer::Item { octets, .. } => octets.to_vec(),
            Answer::Address(_) | Answer::Done => Vec::new(),
        }))
    })
    .await
}

fn mantissa(octets: &[u8], offset: usize) -> i64 {
    let Ok(Some(Number { mantissa, .. })) = ENERGY.read(&octets[offset..], 0) else { panic!("no number") };
    mantissa
}

#[tokio::test]
async fn hb_04_each_household_shows_its_credit_and_its_energy() {
    let fleet = fleet("huabang-single", |config| config.count = 40).await;
    let mut line = line(&fleet).await;
    let (import, credit) = ("1.0.1.8.0.255".parse().unwrap(), "0.0.128.19.10.255".parse().unwrap());
    for meter in &fleet.meters()[1..] {
        let address = meter.line_address().unwrap();
        let read = |item| Request::Read(Identifier(item));
        let energy = ask(&mut line, address, &read(0x0001_FF00)).await.unwrap();
        assert_eq!(mantissa(&energy, 0), meter.register(import).unwrap() % 100_000_000);
        let left = ask(&mut line, address, &read(0x0090_0100)).await.unwrap();
        assert_eq!(mantissa(&left, 0), meter.register(credit).unwrap());
    }
    assert_eq!(fleet.meters()[39].subunit(), Some(39));
    assert_eq!(fleet.meters()[39].parent(), Some(fleet.meters()[0].serial()));
}

#[tokio::test]
async fn hb_06_a_household_is_switched_and_its_neighbour_is_not() {
    let fleet = fleet("huabang-triple", |config| config.count = 13).await;
    let mut line = line(&fleet).await;
    let status = Request::Read(Identifier(0x0400_0503));
    let order = |order| Request::Switch {
        order,
        circuit: 0,
        authority: PLAIN,
        until: Moment { year: 26, month: 3, day: 1, hour: 12, minute: 5, second: 0 },
    };
    let address = |number: usize| fleet.meters()[number].line_address().unwrap();
    for (given, word) in [
        (SwitchOrder::Trip, 0b0101_0000),
        (SwitchOrder::PermitClose, 0b0001_0000),
        (SwitchOrder::Trip, 0b0101_0000),
        (SwitchOrder::Close, 0),
    ] {
        ask(&mut line, address(5), &order(given)).await.unwrap();
        assert_eq!(ask(&mut line, address(5), &status).await, Ok(vec![word, 0]), "{given:?}");
        assert_eq!(ask(&mut line, address(6), &status).await, Ok(vec![0, 0]), "{given:?}");
    }
    let wrong = Request::Switch {
        order: SwitchOrder::Trip,
        circuit: 0,
        authority: Authority { level: 4, ..PLAIN },
        until: Moment { year: 26, month: 3, day: 1, hour: 12, minute: 5, second: 0 },
    };
    assert_eq!(ask(&mut line, address(5), &wrong).await, Err(Dlt645Error::Refused(Refusal::NOT_AUTHORISED)));
    assert!(fleet.meters()[5].connected());
}

#[tokio::test]
async fn one_item_holds_all_households() {
    let fleet = fleet("multi-user-dlt645", |config| config.count = 40).await;
    let mut line = line(&fleet).await;
    let address = fleet.meters()[0].line_address().unwrap();
    let all = ask(&mut line, address, &Request::Read(Identifier(0x0001_00FF))).await.unwrap();
    assert_eq!(all.len(), 39 * 4);
    let import = "1.0.1.8.0.255".parse().unwrap();
    for (household, meter) in fleet.meters()[1..].iter().enumerate() {
        assert_eq!(mantissa(&all, household * 4), meter.register(import).unwrap() % 100_000_000);
    }
    let unknown = ask(&mut line, address, &Request::Read(Identifier(0x0001_0028))).await;
    assert_eq!(unknown, Err(Dlt645Error::Refused(Refusal::NO_SUCH_ITEM)));
}

#[tokio::test]
async fn joy_13_a_meter_is_read_out() {
    let fleet = fleet("joy311", |config| config.count = 1).await;
    let mut line = line(&fleet).await;
    let serial = fleet.meters()[0].serial();
    let mut out = Vec::new();
    let mut session = Session::open(&serial, &mut out).unwrap();
    let mut read_out = None;
    while read_out.is_none() {
        line.write_all(&out).await.unwrap();
        out.clear();
        let mut chunk = [0; 512];
        let count = timeout(LIMIT, line.read(&mut chunk)).await.unwrap().unwrap();
        assert!(chunk[..count].iter().all(|octet| octet.count_ones() % 2 == 0), "even parity");
        session.push(&chunk[..count]);
        let identified = match session.poll(&mut out).unwrap() {
            Event::Identified(meter) => Some(meter),
            Event::ReadOut(body) => {
                read_out = Some(body.to_vec());
                None
            }
            _ => None,
        };
        if let Some(meter) = identified {
            assert_eq!(meter.name, "joy311");
            let iec62056_21::Mode::C(speed) = meter.mode else { panic!("{meter:?}") };
            session.select(Selection::ReadOut, speed, &mut out).unwrap();
        }
    }
    let body = read_out.unwrap();
    let sets: Vec<_> = DataSets::of(&body).map(Result::unwrap).collect();
    let value = |name: &str| sets.iter().find(|set| set.item == name).unwrap().values[0];
    assert_eq!(value("0.0.0").text, serial);
    let import = fleet.meters()[0].register("1.0.1.8.0.255".parse().unwrap()).unwrap();
    let number = value("1.8.0").number().unwrap();
    assert_eq!((number.mantissa, number.exponent, value("1.8.0").unit), (import, -2, Some("kWh")));
    assert_eq!(value("0.9.2").text, "26-03-01");
}

#[tokio::test]
async fn a_modbus_server_holds_the_registers_of_each_household() {
    let fleet = fleet("multi-user-modbus", |config| {
        config.count = 2 * 37;
        config.framing = Framing::Plain { devices_per_line: 2 };
    })
    .await;
    let mut line = line(&fleet).await;
    let household = &fleet.meters()[37 + 36];
    let server = u8::try_from(fleet.meters()[37].line_address().unwrap()).unwrap();
    assert_eq!((server, household.line_address()), (2, None));
    let read = modbus::Request::Read { table: Table::HoldingRegisters, first: 256 + 35 * 32, count: 2 };
    let coil = modbus::Request::WriteCoil { coil: 35, on: false };
    let state = modbus::Request::Read { table: Table::DiscreteInputs, first: 34, count: 2 };
    let mut answers = Answers::new();
    let mut found = Vec::new();
    for request in [read, coil, state] {
        let mut out = Vec::new();
        request.encode(server, &mut out).unwrap();
        line.write_all(&out).await.unwrap();
        let octets = receive(&mut line, |octets| {
            answers.push(octets);
            let answer = answers.answer(server, &request).unwrap()?;
            Some(if let modbus::Answer::Read(octets) = answer { octets.to_vec() } else { Vec::new() })
        });
        found.push(octets.await);
    }
    let import = household.register("1.0.1.8.0.255".parse().unwrap()).unwrap();
    let number = u32::from_be_bytes(*found[0].first_chunk().unwrap());
    assert_eq!(i64::from(number), import);
    assert_eq!(found[2], [0b01], "the household before is on, this one is off");
    assert!(!household.connected());
}

#[tokio::test]
async fn a_language_is_not_spoken_in_the_wrapper() {
    let mut config = FleetConfig::new(models::builtin().unwrap()["joy311"].clone());
    config.framing = Framing::Wrapper;
    let refused = Fleet::start(config).await.unwrap_err();
    assert_eq!(refused, Error::Language { model: "joy311".into() });
}

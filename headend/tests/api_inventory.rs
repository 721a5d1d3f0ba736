//! The inventory through the public interface: meters go in one by one or by file, and no secret comes out.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use ami_proto::v1::credit_service_client::CreditServiceClient;
use ami_proto::v1::parameters_service_client::ParametersServiceClient;
use ami_proto::v1::switch_service_client::SwitchServiceClient;
use ami_proto::v1::{
    BuyCreditRequest, CreateMeterRequest, Credentials, DisconnectRequest, ErrorReason, GetJobRequest,
    GetMeterRequest, ImportMetersRequest, ImportMetersResponse, JobState, ListJobsRequest, ListMetersRequest,
    MeterState, OrderTerms, RetireMeterRequest, SecurityLevel, SetParameterRequest,
};
use headend::api::Limits;
use prost::Message;
use served::{Served, new_meter, reason};
use tonic::{Code, Status};

const PASSWORD: &str = "Pa55-w0rd";
const ENCRYPTION: [u8; 16] = *b"EncryptionKey-01";
const AUTHENTICATION: [u8; 16] = *b"Authentic-Key-02";
const HEADER: &str = "serial,model,address,server_sap,client_sap,zone,security,password,client_title,encryption_key,authentication_key";

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

fn gmac() -> Credentials {
    Credentials {
        security: SecurityLevel::Gmac.into(),
        client_title: b"HEADEND1".to_vec(),
        encryption_key: ENCRYPTION.to_vec(),
        authentication_key: AUTHENTICATION.to_vec(),
        ..Credentials::default()
    }
}

/// A file with one good meter of each level of security.
fn good_file() -> String {
    let (title, ek, ak) = (hex(b"HEADEND1"), hex(&ENCRYPTION), hex(&AUTHENTICATION));
    [
        HEADER,
        "I1,generic-dlms,10.0.0.1:4059,,,Asia/Dhaka,none,,,,",
        &format!("I2,sed302,10.0.0.2:4059,1,17,Asia/Dhaka,lls,{PASSWORD},,,"),
        &format!("I3,sed302,[2001:db8::3]:4059,,,Asia/Dhaka,gmac,,{title},{ek},{ak}"),
    ]
    .join("\r\n")
}

/// Sends a file in pieces of `size` octets.
async fn import(served: &Served, file: &str, size: usize) -> Result<ImportMetersResponse, Status> {
    let parts: Vec<_> =
        file.as_bytes().chunks(size).map(|chunk| ImportMetersRequest { chunk: chunk.to_vec() }).collect();
    served.inventory().import_meters(tokio_stream::iter(parts)).await.map(|answer| answer.into_inner())
}

#[tokio::test]
async fn a_meter_is_created_once_and_shown_as_it_was_given() {
    let served = Served::new().await;
    let made = served
        .inventory()
        .create_meter(new_meter("M1", Some(gmac())))
        .await
        .unwrap()
        .into_inner()
        .meter
        .unwrap();
    assert_eq!(
        (made.serial.as_str(), made.zone.as_str(), made.address.as_str()),
        ("M1", "Asia/Dhaka", "127.0.0.1:4059")
    );
    assert_eq!((made.security(), made.state()), (SecurityLevel::Gmac, MeterState::Active));
    let spec = &models::builtin().unwrap()["generic-dlms"].association;
    assert_eq!((made.server_sap, made.client_sap), (spec.server_sap.into(), spec.client_sap_hls.into()));
    let shown =
        served.inventory().get_meter(GetMeterRequest { serial: "M1".into() }).await.unwrap().into_inner();
    assert_eq!((shown.meter, shown.profiles), (Some(made), vec![]));
    let stored = served.database.sql("SELECT encryption_key, authentication_key, next FROM meter_secret JOIN meter_counter USING (meter_id)");
    assert_eq!(stored.to_uppercase(), format!("\\X{}|\\X{}|1", hex(&ENCRYPTION), hex(&AUTHENTICATION)));

    let again = served.inventory().create_meter(new_meter("M1", None)).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).0), (Code::AlreadyExists, ErrorReason::MeterExists));
    let unknown = served.inventory().get_meter(GetMeterRequest { serial: "M2".into() }).await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).0), (Code::NotFound, ErrorReason::MeterNotFound));
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_stored() {
    let served = Served::new().await;
    let short = Credentials {
        security: SecurityLevel::Gmac.into(),
        encryption_key: vec![1; 15],
        client_title: vec![0; 8],
        authentication_key: vec![0; 16],
        ..Credentials::default()
    };
    let cases: [(CreateMeterRequest, &str); 6] = [
        (new_meter("", None), "serial"),
        (CreateMeterRequest { model: "unheard-of".into(), ..new_meter("W", None) }, "model"),
        (CreateMeterRequest { address: "no-port".into(), ..new_meter("W", None) }, "address"),
        (CreateMeterRequest { zone: "Asia/Atlantis".into(), ..new_meter("W", None) }, "zone"),
        (CreateMeterRequest { client_sap: 65_536, ..new_meter("W", None) }, "client_sap"),
        (new_meter("W", Some(short)), "credentials.encryption_key"),
    ];
    for (request, field) in cases {
        let refused = served.inventory().create_meter(request).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused)),
            (Code::InvalidArgument, (ErrorReason::InvalidField, field.into()))
        );
    }
    assert_eq!(served.database.sql("SELECT count(*) FROM meter"), "0");
}

#[tokio::test]
async fn a_good_file_is_imported_wherever_its_parts_are_cut() {
    for size in [3, 1 << 20] {
        let served = Served::new().await;
        let answer = import(&served, &good_file(), size).await.unwrap();
        assert_eq!(answer, ImportMetersResponse { imported: 3, problems: vec![], problem_count: 0 });
        let stored = served.database.sql(
            "SELECT serial, client_sap, security, encode(password, 'escape'), octet_length(encryption_key), next
             FROM meter LEFT JOIN meter_secret s ON s.meter_id = id LEFT JOIN meter_counter c ON c.meter_id = id ORDER BY serial",
        );
        let gmac_sap = models::builtin().unwrap()["sed302"].association.client_sap_hls;
        assert_eq!(stored, format!("I1|16|none|||\nI2|17|lls|{PASSWORD}||\nI3|{gmac_sap}|gmac||16|1"));
    }
}

#[tokio::test]
async fn a_file_with_bad_rows_imports_none_and_says_which() {
    let served = Served::new().await;
    let bad = format!(
        "{}\r\nI4,nothing,10.0.0.4:4059,,,Asia/Dhaka,none,,,,\r\nI5,sed302,10.0.0.5,,,Dhaka,none,,,,\r\n",
        good_file()
    );
    let answer = import(&served, &bad, 1000).await.unwrap();
    let places: Vec<_> =
        answer.problems.iter().map(|problem| (problem.line, problem.column.as_str())).collect();
    assert_eq!(
        (answer.imported, answer.problem_count, places),
        (0, 3, vec![(5, "model"), (6, "address"), (6, "zone")])
    );
    assert_eq!(served.database.sql("SELECT count(*) FROM meter"), "0");

    served.inventory().create_meter(new_meter("I2", None)).await.unwrap();
    let answer = import(&served, &good_file(), 1000).await.unwrap();
    let places: Vec<_> =
        answer.problems.iter().map(|problem| (problem.line, problem.column.as_str())).collect();
    assert_eq!((answer.imported, places), (0, vec![(3, "serial")]));
    assert_eq!(served.database.sql("SELECT string_agg(serial, ',') FROM meter"), "I2");
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_by_name() {
    let served = Served::with(Limits { import_octets: 1000, ..Limits::default() }).await;
    let refused = import(&served, &"x".repeat(1001), 400).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).0), (Code::ResourceExhausted, ErrorReason::ImportTooLarge));
    assert_eq!(import(&served, &good_file(), 400).await.unwrap().imported, 3);
    let none = Served::with(Limits { imports: 0, ..Limits::default() }).await;
    let refused = import(&none, &good_file(), 400).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).0), (Code::ResourceExhausted, ErrorReason::TooManyImports));
    let outcomes = "SELECT outcome FROM audit ORDER BY id";
    assert_eq!(served.database.sql(outcomes), "import_too_large\naccepted");
    assert_eq!(none.database.sql(outcomes), "too_many_imports");
}

#[tokio::test]
async fn pages_show_every_meter_once_in_order() {
    let served = Served::new().await;
    served.database.sql(
        "INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security)
         SELECT 'S' || lpad(n::text, 3, '0'), CASE n % 2 WHEN 0 THEN 'sed302' ELSE 'generic-dlms' END, 'h:1', 1, 16, 'UTC', 'none'
         FROM generate_series(25, 1, -1) AS n",
    );
    let mut inventory = served.inventory();
    let mut question = ListMetersRequest { page_size: 10, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = inventory.list_meters(question.clone()).await.unwrap().into_inner();
        pages.push(page.meters.into_iter().map(|meter| meter.serial).collect::<Vec<_>>());
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(pages.concat(), (1..=25).map(|n| format!("S{n:03}")).collect::<Vec<_>>());

    let other = ListMetersRequest { model: "sed302".into(), ..question };
    let refused = inventory.list_meters(other.clone()).await.unwrap_err();
    assert_eq!(reason(&refused).0, ErrorReason::PageTokenInvalid);
    let filtered = ListMetersRequest { page_token: String::new(), serial_prefix: "S01".into(), ..other };
    let meters = inventory.list_meters(filtered).await.unwrap().into_inner().meters;
    assert_eq!(
        meters.iter().map(|meter| meter.serial.as_str()).collect::<Vec<_>>(),
        ["S010", "S012", "S014", "S016", "S018"]
    );
    let refused = inventory
        .list_meters(ListMetersRequest { page_size: 10_001, ..Default::default() })
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), (ErrorReason::OverLimit, "page_size".into()));
}

#[tokio::test]
async fn a_retired_meter_loses_its_due_work_and_keeps_what_runs() {
    let served = Served::new().await;
    let meter = served.database.meter("R1");
    let due = served.database.identify_job(meter, 10);
    served.database.sql(&format!(
        "INSERT INTO job (meter_id, kind, state, lease_owner) VALUES ({meter}, 'read_clock', 'running', gen_random_uuid())"
    ));
    let mut inventory = served.inventory();
    let retired = inventory
        .retire_meter(RetireMeterRequest { serial: "R1".into() })
        .await
        .unwrap()
        .into_inner()
        .meter
        .unwrap();
    assert_eq!(retired.state(), MeterState::Retired);
    let again = inventory
        .retire_meter(RetireMeterRequest { serial: "R1".into() })
        .await
        .unwrap()
        .into_inner()
        .meter
        .unwrap();
    assert_eq!(again.retired_at, retired.retired_at, "a second call changes nothing");
    let job = served.jobs().get_job(GetJobRequest { id: due }).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.state(), JobState::Cancelled);
    assert_eq!(served.database.sql("SELECT count(*) FROM job WHERE state = 'running'"), "1");
    let active = ListMetersRequest { state: MeterState::Active.into(), ..Default::default() };
    assert_eq!(inventory.list_meters(active).await.unwrap().into_inner().meters, []);
}

/// Collects everything that answers hold, as octets and as text.
#[derive(Default)]
struct Seen(Vec<u8>);

impl Seen {
    fn take<M: Message + std::fmt::Debug>(&mut self, answer: Result<tonic::Response<M>, Status>) {
        match answer {
            Ok(answer) => {
                self.0.extend(format!("{:?}{:?}", answer.metadata(), answer.get_ref()).bytes());
                self.0.extend(answer.into_inner().encode_to_vec());
            }
            Err(status) => {
                self.0.extend(format!("{status:?}").bytes());
                self.0.extend(status.details());
            }
        }
    }
}

#[tokio::test]
async fn whoever_changes_the_inventory_or_tries_to_is_in_the_audit() {
    let served = Served::new().await;
    let mut inventory = served.inventory();
    let answer = inventory.create_meter(new_meter("A1", Some(gmac()))).await.unwrap();
    let id = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    inventory.create_meter(new_meter("A1", Some(gmac()))).await.unwrap_err();
    import(&served, &good_file(), 1000).await.unwrap();
    import(&served, &good_file(), 1000).await.unwrap();
    for serial in ["A1", "nobody\0"] {
        // The second is refused.
        let _ = inventory.retire_meter(RetireMeterRequest { serial: serial.into() }).await;
    }
    let rows = "SELECT principal, action, target, outcome, detail FROM audit ORDER BY id";
    let expected = "\
        loopback|InventoryService/CreateMeter|A1|accepted|\n\
        loopback|InventoryService/CreateMeter|A1|meter_exists|there is a meter A1 already, in service or out of it, or another one with its system title, its equipment id or its place on its parent: correct that one\n\
        loopback|InventoryService/ImportMeters|I1 I2 I3|accepted|3 meters\n\
        loopback|InventoryService/ImportMeters||import_problems|nothing was imported: 3 problems in the file\n\
        loopback|InventoryService/RetireMeter|A1|accepted|\n\
        loopback|InventoryService/RetireMeter|nobody |invalid_field|serial: ";
    let written = served.database.sql(rows);
    assert!(written.starts_with(expected), "{written}");
    assert_eq!(served.database.sql("SELECT request_id FROM audit ORDER BY id LIMIT 1"), id);
}

#[tokio::test]
async fn no_secret_ever_comes_out() {
    let served = Served::new().await;
    let (mut inventory, mut seen) = (served.inventory(), Seen::default());
    let password = || Credentials {
        security: SecurityLevel::Lls.into(),
        password: PASSWORD.into(),
        ..Credentials::default()
    };
    for (serial, level) in [("K1", password()), ("K2", gmac()), ("K2", gmac()), ("", gmac())] {
        seen.take(inventory.create_meter(new_meter(serial, Some(level))).await);
    }
    // The second file has its columns shifted by one, so that keys stand where other things are expected.
    let shifted =
        good_file().replace("I3,sed302,", "I3,").replace("I2,sed302,10.0.0.2:4059,1,17,Asia/Dhaka,lls,", "");
    for file in [good_file(), shifted, good_file().replace("encryption_key", &hex(&ENCRYPTION))] {
        seen.take(import(&served, &file, 1 << 20).await.map(tonic::Response::new));
    }
    for serial in ["K1", "K2", "I2", "I3"] {
        seen.take(inventory.get_meter(GetMeterRequest { serial: serial.into() }).await);
        seen.take(inventory.retire_meter(RetireMeterRequest { serial: serial.into() }).await);
    }
    seen.take(inventory.list_meters(ListMetersRequest::default()).await);
    seen.take(served.jobs().list_jobs(ListJobsRequest::default()).await);
    assert!(seen.0.len() > 2_000, "answers were collected");
    let seen = String::from_utf8_lossy(&seen.0).to_lowercase();
    for key in [PASSWORD.as_bytes(), &ENCRYPTION, &AUTHENTICATION] {
        let as_list = format!("{key:?}");
        for form in [
            String::from_utf8_lossy(key).to_lowercase(),
            hex(key).to_lowercase(),
            as_list[1..as_list.len() - 1].into(),
        ] {
            assert!(!seen.contains(&form), "a secret came out as {form}");
        }
    }
}

#[tokio::test]
async fn a_sub_unit_has_the_ways_of_its_parent_unless_it_has_its_own() {
    let served = Served::new().await;
    let file = "serial,model,address,zone,security,device_address,paths,parent,subunit,throttle_group\n\
        H1,multi-user-dlt645,,UTC,none,12345678,,P,1,\n\
        H2,multi-user-dlt645,,UTC,none,,,P,2,cell-8\n\
        H3,multi-user-dlt645,10.0.0.9:4059,UTC,none,39,,P,39,\n\
        P,multi-user-dlt645,serial://10.0.0.1:4001,UTC,none,17,rfc2217://10.0.0.2:4059#17,,,cell-7\n";
    assert_eq!(import(&served, file, 1 << 20).await.unwrap().imported, 4, "the parent may come last");
    let shown = async |serial: &str| {
        let asked = GetMeterRequest { serial: serial.into() };
        served.inventory().get_meter(asked).await.unwrap().into_inner().meter.unwrap()
    };
    let parent = shown("P").await;
    assert_eq!((parent.line.as_str(), parent.device_address, parent.path), ("10.0.0.1:4001", Some(17), 0));
    let [way] = parent.paths.as_slice() else { panic!("{parent:?}") };
    assert_eq!(
        (way.address.as_str(), way.device_address),
        ("rfc2217://10.0.0.2:4059?baud=9600&parity=none", Some(17))
    );
    let first = shown("H1").await;
    assert_eq!(
        (first.address.as_str(), first.line.as_str()),
        ("serial://10.0.0.1:4001?baud=9600&parity=none", "10.0.0.1:4001")
    );
    assert_eq!((first.device_address, first.parent.as_str(), first.subunit), (Some(12_345_678), "P", 1));
    assert_eq!(
        (first.throttle_group.as_str(), first.paths[0].address.as_str()),
        ("cell-7", "rfc2217://10.0.0.2:4059?baud=9600&parity=none")
    );
    let second = shown("H2").await;
    assert_eq!((second.device_address, second.throttle_group.as_str()), (Some(17), "cell-8"));
    let third = shown("H3").await;
    assert_eq!(
        (third.line.as_str(), third.device_address, third.paths.len()),
        ("10.0.0.9:4059", Some(39), 0)
    );
    assert_eq!(third.throttle_group, "");

    let part = |serial: &str, parent: &str, subunit| CreateMeterRequest {
        address: String::new(),
        parent: parent.into(),
        subunit,
        model: "multi-user-dlt645".into(),
        ..new_meter(serial, None)
    };
    for nobody in ["Q", "H1"] {
        let refused = served.inventory().create_meter(part("H4", nobody, 4)).await.unwrap_err();
        assert_eq!(reason(&refused), (ErrorReason::InvalidField, "parent".into()));
    }
    let taken = served.inventory().create_meter(part("H4", "P", 39)).await.unwrap_err();
    assert_eq!(reason(&taken).0, ErrorReason::MeterExists);
    let bad = import(&served, &(file.replace("H1,", "H5,").replace(",P,", ",Q,")), 1 << 20).await.unwrap();
    let places: Vec<_> = bad.problems.iter().map(|problem| (problem.line, problem.column.as_str())).collect();
    assert_eq!(places, [(2, "parent"), (3, "parent"), (4, "parent")]);
}

#[tokio::test]
async fn hb_15_a_circuit_of_a_household_that_can_only_be_switched_takes_no_other_order() {
    let served = Served::new().await;
    let file = "serial,model,address,zone,security,device_address,parent,subunit,circuit\n\
        P,huabang-triple,serial://10.0.0.1:4001,UTC,none,1,,,\n\
        H1,huabang-triple,,UTC,none,11,P,1,\n\
        H1-2,huabang-triple-switched,,UTC,none,12,P,1,2\n\
        H1-3,huabang-triple-switched,,UTC,none,13,P,1,3\n";
    let wrong = file.replace("none,13,P,1,3", "none,13,P,1,4").replace("none,11,P,1,", "none,11,P,1,2");
    let bad = import(&served, &wrong, 1 << 20).await.unwrap();
    let places: Vec<_> = bad.problems.iter().map(|problem| (problem.line, problem.column.as_str())).collect();
    assert_eq!(places, [(3, "circuit"), (5, "circuit")], "a circuit has a model of its kind");
    assert_eq!(import(&served, file, 1 << 20).await.unwrap().imported, 4);
    let stored = "SELECT serial, subunit, circuit FROM meter ORDER BY serial";
    assert_eq!(served.database.sql(stored), "H1|1|1\nH1-2|1|2\nH1-3|1|3\nP||1");
    let again = file.lines().next().unwrap().to_owned() + "\nX,huabang-triple-switched,,UTC,none,14,P,1,3\n";
    assert!(
        !import(&served, &again, 1 << 20).await.unwrap().problems.is_empty(),
        "the third circuit is there"
    );

    let terms = |key: &str| Some(OrderTerms { idempotency_key: key.into(), ..OrderTerms::default() });
    let malignant = async |serial: &str| {
        let request = SetParameterRequest {
            meter_serials: vec![serial.into()],
            name: "malignant-load step".into(),
            value: "800".into(),
            terms: terms(serial),
        };
        ParametersServiceClient::new(served.channel.clone()).set_parameter(request).await
    };
    assert_eq!(malignant("H1").await.unwrap().into_inner().commands.len(), 1);
    for serial in ["H1-2", "H1-3"] {
        let refused = malignant(serial).await.unwrap_err();
        assert_eq!(reason(&refused).0, ErrorReason::NotCapable);
        let said =
            format!("circuit {} of a household can only be switched: `malignant-load step`", &serial[3..]);
        assert!(refused.message().contains(&said), "{refused}");
    }
    let buy = BuyCreditRequest {
        meter_serial: "H1-2".into(),
        number: 1,
        amount: "1000".into(),
        terms: terms("buy"),
    };
    let refused = CreditServiceClient::new(served.channel.clone()).buy_credit(buy).await.unwrap_err();
    assert_eq!(reason(&refused).0, ErrorReason::NotCapable);
    let off = DisconnectRequest { meter_serials: vec!["H1-2".into()], terms: terms("off") };
    SwitchServiceClient::new(served.channel.clone()).disconnect(off).await.unwrap();
    assert_eq!(
        served
            .database
            .sql("SELECT m.serial, c.kind FROM command c JOIN meter m ON m.id = c.meter_id ORDER BY c.id"),
        "H1|set_parameter\nH1-2|disconnect",
        "nothing else is on its way"
    );
}

#[tokio::test]
async fn hb_21_what_stands_on_a_plate_is_kept_beside_the_meter() {
    let served = Served::new().await;
    let file = "serial,model,address,zone,security,device_address,parent,subunit,pulses_per_kwh,ratio\n\
        P,multi-user-modbus,serial://10.0.0.1:4001,UTC,none,17,,,1600,600/5\n\
        H1,multi-user-modbus,,UTC,none,,P,1,5000,\n\
        H2,multi-user-modbus,,UTC,none,,P,2,,40\n";
    assert_eq!(import(&served, file, 1 << 20).await.unwrap().imported, 3);
    let one = CreateMeterRequest { pulses_per_kwh: 600, ratio: "11000/110".into(), ..new_meter("M", None) };
    served.inventory().create_meter(one).await.unwrap();
    for (serial, pulses, ratio) in
        [("P", 1600, "600/5"), ("H1", 5000, ""), ("H2", 0, "40"), ("M", 600, "11000/110")]
    {
        let asked = GetMeterRequest { serial: serial.into() };
        let meter = served.inventory().get_meter(asked).await.unwrap().into_inner().meter.unwrap();
        assert_eq!((meter.pulses_per_kwh, meter.ratio.as_str()), (pulses, ratio), "{serial}");
    }
    let stored = "SELECT pulses_per_kwh, ratio FROM meter ORDER BY serial";
    assert_eq!(served.database.sql(stored), "5000|\n|40\n600|11000/110\n1600|600/5");
    let wrong = file.replace("1600", "1000001").replace("600/5", "600/0").replace("40\n", "4.0\n");
    let bad = import(&served, &wrong.replace('H', "K").replace("P,", "Q,"), 1 << 20).await.unwrap();
    let places: Vec<_> = bad.problems.iter().map(|problem| (problem.line, problem.column.as_str())).collect();
    assert_eq!(places, [(2, "pulses_per_kwh"), (2, "ratio"), (4, "ratio")]);
}

/// The lines of SQL and those of the collector are the same.
#[tokio::test]
async fn a_line_has_one_name() {
    let served = Served::new().await;
    for (address, line) in [
        ("10.0.0.1:4059", "10.0.0.1:4059"),
        ("udp://[2001:db8::1]:4059", "[2001:db8::1]:4059"),
        ("hdlc://gateway.example:4001", "gateway.example:4001"),
        ("serial:///dev/serial/by-id/usb-0?baud=300&parity=even", "/dev/serial/by-id/usb-0"),
        ("serial://gateway.example:4001?baud=9600&parity=none&echo=yes", "gateway.example:4001"),
        ("rfc2217://gateway.example:4001?baud=9600&parity=none", "gateway.example:4001"),
        ("optical:///dev/ttyUSB0?baud=300", "/dev/ttyUSB0"),
        ("inbound://860123456789012?framing=hdlc", "inbound://860123456789012"),
        ("concentrator://DC-17/000012345678", "concentrator://DC-17"),
    ] {
        assert_eq!(served.database.sql(&format!("SELECT address_line('{address}')")), line);
        assert_eq!(address.parse::<collectors::Address>().unwrap().line(), line);
    }
}

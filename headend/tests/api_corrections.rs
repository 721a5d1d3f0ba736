//! Meters of the inventory are corrected through the public interface: all of a file or none, also while they are worked on.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;
mod served;
mod template;

use std::time::Duration;

use ami_proto::v1::{
    CorrectMetersRequest, CorrectMetersResponse, CreateMeterRequest, Credentials, ImportMetersRequest,
    RetireMeterRequest, SecurityLevel,
};
use collectors::Reason;
use common::{at, captures, failed, layout, quarters};
use headend::store::jobs::Wanted;
use served::{Served, new_meter};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// Corrects by a file of these lines; the answer, and each problem as `line column`.
async fn correct(served: &Served, lines: &[&str]) -> (u32, u32, Vec<String>) {
    let chunk = lines.join("\n").into_bytes();
    let answer =
        served.inventory().correct_meters(tokio_stream::iter([CorrectMetersRequest { chunk }])).await;
    let CorrectMetersResponse { corrected, unchanged, problems, problem_count } =
        answer.unwrap().into_inner();
    assert_eq!(problems.len(), problem_count as usize);
    assert!(problems.iter().all(|problem| !problem.problem.contains("Pa55")), "{problems:?}");
    let place = |line: u32, column: &str| format!("{line} {column}").trim_end().to_owned();
    (corrected, unchanged, problems.iter().map(|problem| place(problem.line, &problem.column)).collect())
}

async fn import(served: &Served, lines: &[&str]) {
    let chunk = lines.join("\n").into_bytes();
    let answer = served.inventory().import_meters(tokio_stream::iter([ImportMetersRequest { chunk }])).await;
    assert_eq!(answer.unwrap().into_inner().problems, []);
}

fn done(corrected: u32, unchanged: u32) -> (u32, u32, Vec<String>) {
    (corrected, unchanged, Vec::new())
}

fn lls(password: &str) -> Option<Credentials> {
    let security = SecurityLevel::Lls.into();
    Some(Credentials { security, password: password.into(), ..Credentials::default() })
}

fn gmac() -> Option<Credentials> {
    Some(Credentials {
        security: SecurityLevel::Gmac.into(),
        client_title: b"HEADEND1".to_vec(),
        encryption_key: vec![1; 16],
        authentication_key: vec![2; 16],
        ..Credentials::default()
    })
}

#[tokio::test]
async fn what_a_file_does_not_name_stays() {
    let served = Served::new().await;
    let meter = CreateMeterRequest {
        ratio: "600/5".into(),
        throttle_group: "cell-7".into(),
        equipment_id: "E1".into(),
        system_title: b"MMM\0\0\0\0\x01".to_vec(),
        ..new_meter("C1", lls("Pa55-0ld"))
    };
    served.inventory().create_meter(meter).await.unwrap();
    let stored = || {
        served.database.sql(
            "SELECT model, address, zone, security, client_sap, ratio, throttle_group, equipment_id, octet_length(system_title),
                 encode(password, 'escape') FROM meter LEFT JOIN meter_secret ON meter_id = id",
        )
    };
    let before = "generic-dlms|127.0.0.1:4059|Asia/Dhaka|lls|2|600/5|cell-7|E1|8|Pa55-0ld";
    let before = before.replace("|2|", &format!("|{}|", served.database.sql("SELECT client_sap FROM meter")));
    assert_eq!(stored(), before);
    assert_eq!(correct(&served, &["serial,password", "C1,Pa55-new"]).await, done(1, 0));
    assert_eq!(stored(), before.replace("0ld", "new"));
    assert_eq!(correct(&served, &["serial,password", "C1,Pa55-new"]).await, done(0, 1), "it is so already");

    // What is named and left empty is none; credentials and the title stay.
    let file = ["serial,password,ratio,equipment_id,system_title,address", "C1,,,,,10.9.8.7:4059"];
    assert_eq!(correct(&served, &file).await, done(1, 0));
    let expected = before.replace("0ld", "new").replace("127.0.0.1", "10.9.8.7").replace("600/5", "");
    assert_eq!(stored(), expected.replace("|E1|", "||"));
    assert_eq!(served.database.sql("SELECT line FROM meter"), "10.9.8.7:4059");

    // Another level takes another client, and what it has no use for goes.
    assert_eq!(correct(&served, &["serial,security", "C1,none"]).await, done(1, 0));
    let none = models::builtin().unwrap()["generic-dlms"].association.client_sap_none;
    assert_eq!(served.database.sql("SELECT security, client_sap FROM meter"), format!("none|{none}"));
    assert_eq!(served.database.sql("SELECT count(password) FROM meter_secret"), "0");
    let (_, _, problems) = correct(&served, &["serial,security", "C1,lls"]).await;
    assert_eq!(problems, ["2 password"]);
}

#[tokio::test]
async fn a_file_with_bad_rows_corrects_none_and_says_which() {
    let served = Served::new().await;
    let mut inventory = served.inventory();
    for serial in ["C1", "C2", "C3"] {
        let named = CreateMeterRequest { equipment_id: format!("E-{serial}"), ..new_meter(serial, None) };
        inventory.create_meter(named).await.unwrap();
    }
    inventory.retire_meter(RetireMeterRequest { serial: "C3".into() }).await.unwrap();
    let header = "serial,zone,address,equipment_id,password,state";
    let (corrected, unchanged, problems) = correct(
        &served,
        &[
            header,
            "C1,UTC,10.0.0.1:4059,E-C1,,",
            "C2,Mars,,E-C2,Pa55,",
            "C3,UTC,10.0.0.3:4059,,,",
            "C4,UTC,10.0.0.4:4059,,,",
            "C1,UTC,10.0.0.1:4059,,,",
        ],
    )
    .await;
    assert_eq!((corrected, unchanged, problems), (0, 0, vec!["6 serial".into()]), "the form comes first");
    let bad = [
        header,
        "C1,UTC,10.0.0.1:4059,E-C1,,",
        "C2,Mars,,E-C2,Pa55,",
        "C3,UTC,10.0.0.3:4059,,,",
        "C4,UTC,10.0.0.4:4059,,,",
    ];
    let (_, _, problems) = correct(&served, &bad).await;
    assert_eq!(problems, ["3 address", "3 zone", "3 password", "4 state", "5 serial"]);
    let (_, _, problems) = correct(&served, &["serial,equipment_id", "C1,E-C2"]).await;
    assert_eq!(problems, ["2 serial"], "another meter has it");
    let stored = "SELECT DISTINCT zone, address FROM meter";
    assert_eq!(served.database.sql(stored), "Asia/Dhaka|127.0.0.1:4059");

    let back = [header, "C3,UTC,10.0.0.3:4059,,,active"];
    assert_eq!(correct(&served, &back).await, done(1, 0));
    let stored = "SELECT state, retired_at IS NULL, zone FROM meter WHERE serial = 'C3'";
    assert_eq!(served.database.sql(stored), "active|t|UTC");
    let kept = "SELECT zone, retired_at IS NOT NULL FROM meter_was WHERE meter_id = 3 ORDER BY until";
    assert_eq!(served.database.sql(kept), "Asia/Dhaka|f\nAsia/Dhaka|t");
    let audit = "SELECT target, outcome, detail FROM audit WHERE action LIKE '%CorrectMeters' ORDER BY id";
    let told = served.database.sql(audit);
    assert!(told.contains("|correction_problems|nothing was corrected: 5 problems in the file\n"), "{told}");
    let columns = "address, zone, password, equipment_id, state";
    assert!(told.ends_with(&format!("\nC3|accepted|1 of 1 meters: {columns}")), "{told}");
}

#[tokio::test]
async fn keys_stay_and_counters_only_rise() {
    let served = Served::new().await;
    let taken_over = CreateMeterRequest { invocation_counter: 1000, ..new_meter("K1", gmac()) };
    served.inventory().create_meter(taken_over).await.unwrap();
    let stored = || {
        served.database.sql(
            "SELECT policy, octet_length(encryption_key), get_byte(authentication_key, 0), next FROM meter
             JOIN meter_secret s ON s.meter_id = id JOIN meter_counter c ON c.meter_id = id",
        )
    };
    assert_eq!(stored(), "authenticated_encrypted|16|2|1000");
    let file = |counter: u32| format!("K1,{counter}");
    assert_eq!(correct(&served, &["serial,invocation_counter", &file(400_000_000)]).await, done(1, 0));
    assert_eq!(correct(&served, &["serial,invocation_counter", &file(5)]).await, done(0, 1));
    assert_eq!(stored(), "authenticated_encrypted|16|2|400000000");
    let key = format!("K1,authenticated,{}", "09".repeat(16));
    assert_eq!(correct(&served, &["serial,policy,authentication_key", &key]).await, done(1, 0));
    assert_eq!(stored(), "authenticated|16|9|400000000");
    assert_eq!(
        correct(&served, &["serial,security,password,policy", "K1,lls,12345678,none"]).await,
        done(1, 0)
    );
    assert_eq!(stored(), "none|||400000000", "the counter outlives the key");
    let (_, _, problems) = correct(&served, &["serial,invocation_counter", &file(7)]).await;
    assert_eq!(problems, ["2 invocation_counter"]);
}

#[tokio::test]
async fn sub_units_with_the_way_of_their_parent_follow_it() {
    let served = Served::new().await;
    let header = "serial,model,address,zone,security,device_address,paths,parent,subunit";
    import(
        &served,
        &[
            header,
            "P,multi-user-dlt645,serial://h:1,UTC,none,12,serial://h:2#13,,",
            "P-1,huabang-single,,UTC,none,101,,P,1",
            "P-2,huabang-single,,UTC,none,102,,P,2",
            "P-3,huabang-single,serial://other:1,UTC,none,77,,P,3",
        ],
    )
    .await;
    let ways = "SELECT m.serial, m.line, m.path, m.device_address, string_agg(p.line, ' ') FROM meter m
         LEFT JOIN meter_path p ON p.meter_id = m.id GROUP BY m.id ORDER BY m.serial";
    assert!(served.database.sql(ways).contains("P-2|h:1|0|102|h:2"), "{}", served.database.sql(ways));
    served.database.sql("UPDATE meter SET path = 1, path_since = now(), line = 'h:2' WHERE serial = 'P-1'");
    let file = ["serial,address,device_address,zone", "P-2,,102,Asia/Dhaka", "P,serial://new:1,14,UTC"];
    assert_eq!(correct(&served, &file).await, done(2, 0));
    assert_eq!(
        served.database.sql(ways),
        "P|new:1|0|14|h:2\nP-1|new:1|0|101|h:2\nP-2|new:1|0|102|h:2\nP-3|other:1|0|77|"
    );
    let (_, _, problems) = correct(&served, &["serial,parent,subunit,device_address", "P,P-1,4,1"]).await;
    assert_eq!(problems, ["2 parent"], "a household has no households");
}

/// A corrected meter is looked at anew: by its model, and at once.
#[tokio::test]
async fn days_are_those_of_the_zone_that_a_meter_has_now() {
    let served = Served::new().await;
    let database = &served.database;
    let (corrected, right) = (database.meter("WRONG"), database.meter("RIGHT"));
    database.sql(&format!("UPDATE meter SET zone = 'Asia/Kathmandu' WHERE id = {right}"));
    let days = |serial| {
        database.sql(&format!(
            "SELECT obis, day, captures, last_ts, last, advance, low, high, total FROM reading_daily
             WHERE serial = '{serial}' ORDER BY obis, day"
        ))
    };
    for meter in [corrected, right] {
        let captures = captures(meter, 1, quarters(&layout(900, 0), at("2026-03-27T00:15:00Z"), 300, 1000));
        database.store.write(Uuid::new_v4(), &[captures]).await.unwrap();
    }
    while database.store.add_up_days().await.unwrap() > 0 {}
    assert_ne!(days("WRONG"), days("RIGHT"), "the days of Berlin begin at other hours");
    assert_eq!(correct(&served, &["serial,zone", "WRONG,Asia/Kathmandu"]).await, done(1, 0));
    while database.store.add_up_days().await.unwrap() > 0 {}
    assert_eq!(days("WRONG"), days("RIGHT"));
    assert_eq!(correct(&served, &["serial,zone", "WRONG,Asia/Kathmandu"]).await, done(0, 1));
    assert_eq!(database.store.add_up_days().await.unwrap(), 0, "nothing is due of a zone that stays");
}

#[tokio::test]
async fn what_failed_is_forgotten_and_what_was_planned_by_another_model_is_called_off() {
    let served = Served::new().await;
    let (meter, other) = (served.database.meter("C1"), served.database.meter("C2"));
    for meter in [meter, other] {
        let job = served.database.identify_job(meter, 0);
        served.database.sql(&format!(
            "UPDATE job SET due_at = now() + interval '1 h', reason = 'timeout' WHERE id = {job};
             UPDATE meter_plan SET look_at = now() + interval '1 h';
             UPDATE meter SET identify_tried_at = now() WHERE id = {meter};
             INSERT INTO meter_trouble (meter_id, scope, cause, reason, job_id, failures, needs_person)
             VALUES ({meter}, '', 'authentication', 'wrong_password', {job}, 1, true)"
        ));
    }
    let stands = || {
        served.database.sql(
            "SELECT m.serial, count(t.*), min(p.look_at) <= now(), min(m.identify_tried_at) IS NULL, min(j.due_at) <= now(), min(j.state::text)
             FROM meter m JOIN meter_plan p ON p.meter_id = m.id LEFT JOIN meter_trouble t ON t.meter_id = m.id
             JOIN job j ON j.meter_id = m.id GROUP BY m.id ORDER BY m.serial",
        )
    };
    assert_eq!(correct(&served, &["serial,server_sap", "C1,1", "C2,17"]).await.2, Vec::<String>::new());
    assert!(stands().ends_with("C2|0|t|t|t|due"), "{}", stands());
    assert_eq!(correct(&served, &["serial,model", "C1,sed302"]).await, done(1, 0));
    assert!(stands().starts_with("C1|0|t|t|f|cancelled\n"), "{}", stands());
}

/// Whoever works on a meter goes on with what it was, and nobody else begins before.
#[tokio::test]
async fn a_meter_that_is_leased_is_given_back_before_it_is_another() {
    let served = Served::new().await;
    let (database, owner) = (&served.database, Uuid::new_v4());
    served.inventory().create_meter(new_meter("C1", lls("Pa55-0ld"))).await.unwrap();
    let meter = database.sql("SELECT id FROM meter").parse().unwrap();
    database.identify_job(meter, 10);
    let leased = database.store.lease(owner, Wanted::any(5), MINUTE, 0).await.unwrap();
    let job = leased[0].jobs[0].id;
    let file = ["serial,address,password,paths", "C1,10.9.8.7:4059,Pa55-new,10.9.8.8:4059"];
    assert_eq!(correct(&served, &file).await, done(1, 0));

    database.sql(&format!("INSERT INTO job (meter_id, kind, priority) VALUES ({meter}, 'read_clock', 50)"));
    for who in [owner, Uuid::new_v4()] {
        let leased = database.store.lease(who, Wanted::any(5), MINUTE, 0).await.unwrap();
        assert!(leased.is_empty(), "one session at a time: {leased:?}");
    }
    database.store.write(owner, &[failed(meter, job, Reason::WrongPassword)]).await.unwrap();
    assert_eq!(database.sql("SELECT count(*) FROM meter_trouble"), "0", "it was the old password");
    let again = database.store.lease(owner, Wanted::any(5), MINUTE, 0).await.unwrap();
    assert_eq!((again[0].line.as_str(), again[0].address.as_str()), ("10.9.8.7:4059", "10.9.8.7:4059"));
    assert_eq!(database.sql("SELECT encode(password, 'escape') FROM meter_secret"), "Pa55-new");
    assert_eq!(database.sql("SELECT corrected FROM meter"), "f");

    // What the old way did says nothing of the new one.
    let file = ["serial,address", "C1,10.9.8.6:4059"];
    assert_eq!(correct(&served, &file).await, done(1, 0));
    database.store.write(owner, &[failed(meter, again[0].jobs[0].id, Reason::NoRoute)]).await.unwrap();
    assert_eq!(database.sql("SELECT path, line FROM meter"), "0|10.9.8.6:4059");
    let at_once = database.store.lease(owner, Wanted::any(5), MINUTE, 0).await.unwrap();
    assert_eq!(at_once.first().map(|leased| leased.address.as_str()), Some("10.9.8.6:4059"));
}

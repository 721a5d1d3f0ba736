//! A walk through the invariants of ARCHITECTURE.md on the whole running system: two processes `headend` on one database read a fleet in
//! which something is wrong with every third meter.
//!
//! What counts as failure: a stored value that the meter does not have, or a missing one; a job that does not end, or ends under a name that
//! its meter's fault does not explain; an invocation counter that a meter refused; a secret in a log. Not deterministic: the order in which
//! meters are read, and by which process. The simulator is this project's own; that it tells the truth is shown elsewhere, by foreign clients.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod program;
#[path = "../template/mod.rs"]
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use simulator::{Affected, Fault, FaultRule, Fleet, FleetConfig, Security};

use program::Program;

const METERS: u32 = 15;
const LIMIT: Duration = Duration::from_secs(120);

/// Number of the meter → what is wrong with it, and the reason that its failed jobs must have (`None`: it heals).
fn faults() -> BTreeMap<u32, (Fault, Option<&'static str>)> {
    BTreeMap::from([
        (0, (Fault::Silent, Some("timeout"))),
        (3, (Fault::Cut { after: 9 }, None)),
        (5, (Fault::WrongTag { after: 1 }, Some("wrong_key"))),
        (6, (Fault::WrongSerial, Some("wrong_meter"))),
        (9, (Fault::Slow(Duration::from_millis(30)), None)),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_invariants_hold_on_the_running_system() {
    let fleet = fleet().await;
    let first = Program::start("");
    let second = Program::start(&format!("url = \"{}\"", first.url()));
    register(&first, &fleet);
    ended(&first).await;

    every_job_has_ended_once_and_for_its_reason(&first, &fleet);
    what_is_stored_is_what_the_meters_have(&first, &fleet);
    every_value_names_the_job_that_read_it(&first);
    no_counter_was_refused_and_none_is_lower_than_used(&first, &fleet);
    no_secret_was_written(&[first.log(), second.log()], &fleet);
    second.stop();
    first.stop();
    fleet.shutdown().await;
}

async fn fleet() -> Fleet {
    let mut config = FleetConfig::new(models::builtin().unwrap()["generic-dlms"].clone());
    config.count = METERS;
    config.security = Security::Mixed;
    config.history_days = 5;
    config.faults = faults()
        .into_iter()
        .map(|(number, (fault, _))| FaultRule { fault, meters: Affected::Numbers(vec![number]) })
        .collect();
    Fleet::start(config).await.unwrap()
}

/// Registers the fleet in one transaction, as the API does it.
fn register(program: &Program, fleet: &Fleet) {
    let inventory = simulator::inventory(fleet);
    let mut lines = inventory.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut sql = String::from("BEGIN;");
    for line in lines {
        let cells: BTreeMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
        let octets = |name: &str| match cells[name] {
            "" => "NULL".to_owned(),
            hex => format!("'\\x{hex}'"),
        };
        let password = match cells["password"] {
            "" => "NULL".to_owned(),
            text => format!("'{text}'::bytea"),
        };
        let policy = if cells["encryption_key"].is_empty() { "none" } else { "authenticated_encrypted" };
        sql += &format!(
            "WITH new AS (INSERT INTO meter (serial, model, address, server_sap, client_sap, zone, security, policy, client_title)
                 VALUES ('{}', '{}', '{}', {}, {}, '{}', '{}', '{policy}', {}) RETURNING id)
             INSERT INTO meter_secret SELECT id, {password}, {}, {} FROM new;",
            cells["serial"],
            cells["model"],
            cells["address"],
            cells["server_sap"],
            cells["client_sap"],
            cells["zone"],
            cells["security"],
            octets("client_title"),
            octets("encryption_key"),
            octets("authentication_key"),
        );
    }
    program.sql(&(sql + "COMMIT"));
}

/// Waits until every meter was asked for everything that was due at the start.
async fn ended(program: &Program) {
    let open = || {
        program.sql(
            "SELECT (SELECT count(*) FROM meter m WHERE (SELECT count(DISTINCT (kind, obis)) FROM job j WHERE j.meter_id = m.id) < 5)
                 + (SELECT count(*) FROM job WHERE state IN ('due', 'running'))",
        )
    };
    let wait = async {
        while open() != "0" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| {
        panic!(
            "{} jobs are open\n{}",
            open(),
            program.sql("SELECT * FROM job WHERE state IN ('due', 'running')")
        )
    });
}

/// Invariants 9 and 10.
fn every_job_has_ended_once_and_for_its_reason(program: &Program, fleet: &Fleet) {
    assert_eq!(
        program.sql(
            "SELECT meter_id, kind, state, attempts, max_attempts, reason, detail FROM job
                 WHERE finished_at IS NULL OR attempts > max_attempts"
        ),
        ""
    );
    assert_eq!(program.sql("SELECT count(*) FROM meter WHERE lease_owner IS NOT NULL"), "0");
    for (number, meter) in (0..).zip(fleet.meters()) {
        let failed = |what: &str| {
            program.sql(&format!(
                "SELECT DISTINCT {what} FROM job j JOIN meter m ON m.id = j.meter_id WHERE m.serial = '{}' AND j.state = 'failed'",
                meter.serial()
            ))
        };
        let expected = faults().get(&number).and_then(|(_, reason)| *reason).unwrap_or_default();
        assert_eq!(
            failed("j.reason"),
            expected,
            "meter {number}: {}",
            failed("j.kind, j.attempts, j.detail")
        );
    }
}

/// Invariants 3 and 6: what the coverage says is there, is there, and equals what the meter has.
fn what_is_stored_is_what_the_meters_have(program: &Program, fleet: &Fleet) {
    let mut compared = 0;
    for (number, meter) in (0..METERS).zip(fleet.meters()) {
        if faults().get(&number).is_some_and(|(_, reason)| reason.is_some()) {
            continue;
        }
        let covered = program.sql(&format!(
            "SELECT extract(epoch FROM lower(p.coverage))::bigint, extract(epoch FROM upper(p.coverage))::bigint,
                 p.coverage = tstzmultirange(range_merge(p.coverage))
             FROM meter_profile p JOIN meter m ON m.id = p.meter_id
             WHERE m.serial = '{}' AND obis_text(p.obis) = '1.0.99.1.0.255'",
            meter.serial()
        ));
        let [from, to, "t"] = covered.split('|').collect::<Vec<_>>()[..] else {
            panic!("meter {number}: {covered}")
        };
        let at = |text: &str| Timestamp::from_second(text.parse().unwrap()).unwrap();
        // The coverage begins with the interval that ends with the first capture.
        let expected =
            fleet.expected(number, "energy", at(from) + SignedDuration::from_secs(1), at(to)).unwrap();
        let expected: Vec<String> = expected
            .iter()
            .map(|row| {
                let status = row.status.map(|status| status.to_string()).unwrap_or_default();
                let values = row.values.iter().map(i64::to_string);
                [row.at.as_second().to_string(), status]
                    .into_iter()
                    .chain(values)
                    .collect::<Vec<_>>()
                    .join("|")
            })
            .collect();
        let stored = program.sql(&format!(
            "SELECT extract(epoch FROM ts)::bigint, status, v0, v1, v2, v3, v4, v5, v6, v7
             FROM profile_row r JOIN meter m ON m.id = r.meter_id JOIN profile_layout l ON l.id = r.layout_id
             WHERE m.serial = '{}' AND obis_text(l.obis) = '1.0.99.1.0.255' ORDER BY ts",
            meter.serial()
        ));
        assert_eq!(stored.lines().collect::<Vec<_>>(), expected, "meter {number}");
        assert!(expected.len() > 2 * 96, "meter {number}");
        compared += 1;
    }
    assert_eq!(compared, 12);
}

/// Invariant 6.
fn every_value_names_the_job_that_read_it(program: &Program) {
    let orphans = "SELECT count(*) FROM profile_row r LEFT JOIN job j ON j.id = r.job_id AND j.meter_id = r.meter_id \
                   AND j.kind = 'read_profile' WHERE j.id IS NULL";
    assert_eq!(program.sql(orphans), "0");
    let orphans = "SELECT count(*) FROM register_row r LEFT JOIN job j ON j.id = r.job_id AND j.meter_id = r.meter_id \
                   AND j.kind = 'read_registers' WHERE j.id IS NULL";
    assert_eq!(program.sql(orphans), "0");
    assert_ne!(program.sql("SELECT count(*) FROM register_row"), "0");
}

/// Invariants 2 and 5: the meters refuse a counter that is not higher than the last one, so two writers on one meter, or a counter used
/// twice, would show as a refusal.
fn no_counter_was_refused_and_none_is_lower_than_used(program: &Program, fleet: &Fleet) {
    assert_eq!(program.sql("SELECT count(*) FROM job WHERE reason = 'counter_rejected'"), "0");
    let ciphered = fleet.meters().iter().filter(|meter| meter.security().as_str() == "gmac").count();
    assert_eq!(program.sql("SELECT count(*) FROM meter_counter WHERE next > 1"), ciphered.to_string());
    assert!(program.fails("UPDATE meter_counter SET next = next - 1").contains("never lowered"));
}

/// Invariant 8.
fn no_secret_was_written(logs: &[String], fleet: &Fleet) {
    for log in logs {
        assert!(log.contains("leased"), "the log is detailed");
        for secrets in fleet.meters().iter().map(|meter| meter.secrets()) {
            for key in [secrets.encryption_key, secrets.authentication_key] {
                let hex: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
                let list = key.map(|octet| octet.to_string()).join(", ");
                assert!(!log.to_lowercase().contains(&hex) && !log.contains(&list));
            }
            assert!(!log.contains(&secrets.password));
        }
    }
}

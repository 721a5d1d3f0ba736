//! The schema: complete, explained, refused when it is not ours, and exact where it computes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use common::{Database, at};
use dlms::Unit;
use headend::store::Error;

#[tokio::test]
async fn every_table_and_column_is_explained() {
    let database = Database::new().await;
    let silent = database.sql(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
             AND c.relname <> '_sqlx_migrations' AND (a.attnum > 0 OR a.attname = 'tableoid') AND NOT a.attisdropped
             AND col_description(c.oid, greatest(a.attnum, 0)) IS NULL
             AND (a.attnum > 0 OR obj_description(c.oid, 'pg_class') IS NULL)",
    );
    assert_eq!(silent, "", "these say nothing of themselves");
    let functions = database.sql(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL",
    );
    assert_eq!(functions, "");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_an_older_one_named() {
    let database = Database::empty().await;
    let program = match database.store.check_schema().await {
        Err(Error::SchemaOlder { database: 0, program }) => program,
        other => panic!("{other:?}"),
    };
    database.store.migrate().await.unwrap();
    database.store.migrate().await.unwrap();
    assert_eq!(database.store.check_schema().await, Ok(()));
    database
        .sql(&format!("INSERT INTO _sqlx_migrations VALUES ({}, 'later', now(), true, '', 0)", program + 1));
    let newer = Err(Error::SchemaNewer { database: program + 1, program });
    assert_eq!(database.store.check_schema().await, newer);
    assert_eq!(database.store.migrate().await, newer);
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let database = Database::new().await;
    database.sql("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1");
    match database.store.migrate().await {
        Err(Error::Migration { detail }) => assert!(detail.contains("migration 1"), "{detail}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn units_are_those_of_the_protocol() {
    let database = Database::new().await;
    let symbols = database.sql("SELECT unit_symbol(n::int2) FROM generate_series(0, 255) AS n ORDER BY n");
    let expected: Vec<&str> = (0..=255).map(|code| Unit(code).symbol()).collect();
    // psql drops the empty lines at the end, the codes behind the last symbol.
    let mut found: Vec<&str> = symbols.split('\n').collect();
    found.resize(expected.len(), "");
    let expected_from_first: Vec<&str> =
        expected.iter().skip_while(|symbol| symbol.is_empty()).copied().collect();
    let found_from_first: Vec<&str> = found.iter().skip_while(|symbol| symbol.is_empty()).copied().collect();
    let last = expected_from_first.iter().rposition(|symbol| !symbol.is_empty()).unwrap();
    assert_eq!(found_from_first[..=last], expected_from_first[..=last]);
}

#[tokio::test]
async fn powers_of_ten_are_exact_to_the_digit() {
    let database = Database::new().await;
    let cases = [
        ("1234", -3, "1.234"),
        ("1234000", -3, "1234.000"),
        ("1234", 3, "1234000"),
        ("1234", 0, "1234"),
        ("-5", -1, "-0.5"),
        ("9223372036854775807", -18, "9.223372036854775807"),
        ("9223372036854775807", 6, "9223372036854775807000000"),
        ("-9223372036854775808", -3, "-9223372036854775.808"),
        ("1", -128, &format!("0.{}1", "0".repeat(127))),
    ];
    for (value, scaler, expected) in cases {
        let found = database.sql(&format!("SELECT scaled('{value}'::int8, '{scaler}'::int2)"));
        assert_eq!(found, expected, "{value} with scaler {scaler}");
    }
}

#[tokio::test]
async fn months_get_their_partition_and_absurd_times_do_not() {
    let database = Database::new().await;
    let partitions = || {
        database.sql(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE 'profile_row%' ORDER BY 1",
        )
    };
    assert_eq!(partitions(), "profile_row_other");
    let meter = database.meter("M1");
    let other = format!(
        "INSERT INTO profile_row (meter_id, layout_id, ts, clock_status, job_id, v0) VALUES ({meter}, 1, '2019-03-31 23:45+00', 0, 1, 5)"
    );
    database.sql(&other);
    let far = [
        at("2019-03-31T23:45:00Z"),
        at("2019-04-01T00:00:00Z"),
        at("1970-01-01T00:00:00Z"),
        at("2094-01-01T00:00:00Z"),
    ];
    database.store.ensure_partitions(far).await.unwrap();
    assert_eq!(partitions(), "profile_row_2019_03\nprofile_row_2019_04\nprofile_row_other");
    let place = database.sql("SELECT tableoid::regclass, v0 FROM profile_row");
    assert_eq!(place, "profile_row_2019_03|5", "what lay in the default partition moved");
    let range =
        database.sql("SELECT ensure_profile_partitions('2020-11-30 23:00+00', '2021-02-01 00:00+00')");
    assert_eq!(range, "4", "November, December, January and the first instant of February");
    assert_eq!(
        database.sql("SELECT ensure_profile_partitions('2020-11-30 23:00+00', '2021-02-01 00:00+00')"),
        "0"
    );
}

#[tokio::test]
async fn partitions_are_made_once_however_many_ask() {
    let database = Database::new().await;
    let month = at("2022-07-15T12:00:00Z");
    let asked: Vec<_> = (0..4)
        .map(|_| {
            // A store of its own does not know what the others made.
            let store = headend::store::Store::open(database.server.cluster().options(&database.name), 2);
            tokio::spawn(async move { store.ensure_partitions([month]).await })
        })
        .collect();
    for answer in asked {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(
        database
            .sql("SELECT count(*) FROM pg_class WHERE relname = 'profile_row_2022_07' AND relispartition"),
        "1"
    );
}

#[tokio::test]
async fn a_counter_can_not_be_lowered_by_anybody() {
    let database = Database::new().await;
    let meter = database.gmac_meter("M1", 500);
    database.sql(&format!("INSERT INTO meter_push_counter VALUES ({meter}, 500, 0)"));
    let socket = database.server.cluster().socket_dir().to_path_buf();
    for (table, column) in [("meter_counter", "next"), ("meter_push_counter", "last")] {
        let lowered = std::process::Command::new("psql")
            .args(["-X", "-U", "headend", "-d", &database.name, "-h"])
            .arg(&socket)
            .args(["-c", &format!("UPDATE {table} SET {column} = 499 WHERE meter_id = {meter}")])
            .output()
            .unwrap();
        assert!(!lowered.status.success());
        assert!(String::from_utf8_lossy(&lowered.stderr).contains("never lowered"));
        assert_eq!(database.sql(&format!("SELECT {column} FROM {table}")), "500");
    }
}

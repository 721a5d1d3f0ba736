//! The schema: complete, explained, refused when it is not ours, and exact where it computes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use common::{Database, at, captures, layout, quarters};
use dlms::Unit;
use headend::store::Error;
use uuid::Uuid;

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
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
             AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = pg_proc.oid AND d.deptype = 'e')",
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
async fn a_hypertable_is_refused_where_the_server_has_not_loaded_what_it_needs() {
    let database = Database::new().await;
    assert_eq!(database.store.check_schema().await, Ok(()));
    // What a server without the library sees of one: a table like any other.
    database.sql("ALTER TABLE profile_row RENAME TO elsewhere; CREATE TABLE profile_row (ts timestamptz)");
    let seen = if database.has_timescale() { Ok(()) } else { Err(Error::TimescaleMissing) };
    assert_eq!(database.store.check_schema().await, seen);
    assert_eq!(database.store.migrate().await, seen);
}

/// A capture of a meter at this time.
fn capture(ts: &str) -> String {
    format!(
        "INSERT INTO profile_row (meter_id, layout_id, ts, clock_status, job_id, v0) VALUES (1, 1, '{ts}', 0, 1, 5)"
    )
}

#[tokio::test]
async fn captures_are_a_hypertable_where_timescaledb_is_there_and_have_a_part_for_each_month_where_not() {
    let database = Database::new().await;
    let kind = database.sql("SELECT relkind FROM pg_class WHERE oid = 'profile_row'::regclass");
    let made = "SELECT ensure_profile_partitions('2020-11-30 23:00+00', '2021-02-01 00:00+00')";
    if database.has_timescale() {
        let hypertables =
            "SELECT hypertable_name, primary_dimension FROM timescaledb_information.hypertables";
        assert_eq!((kind.as_str(), database.sql(hypertables).as_str()), ("r", "profile_row|ts"));
        assert_eq!(database.sql(made), "0", "it makes its own chunks");
    } else {
        assert_eq!(kind, "p");
        assert_eq!(database.sql(made), "4", "November, December, January and the first instant of February");
        assert_eq!(database.sql(made), "0");
    }
}

#[tokio::test]
async fn months_lie_apart_so_that_they_can_go_as_a_whole() {
    let database = Database::new().await;
    database.sql(&capture("2019-03-31 23:45+00"));
    database.store.ensure_partitions([at("2019-03-31T23:45:00Z"), at("2019-05-01T00:00:00Z")]).await.unwrap();
    for ts in ["2019-03-31 23:30+00", "2019-05-01 00:00+00", "1970-01-01 00:00+00", "2094-01-01 00:00+00"] {
        database.sql(&capture(ts));
    }
    let parts = "SELECT string_agg(to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), ', ' ORDER BY ts) FROM profile_row
        WHERE ts BETWEEN '2019-01-01' AND '2019-12-31' GROUP BY tableoid ORDER BY min(ts)";
    let expected = "2019-03-31 23:30, 2019-03-31 23:45\n2019-05-01 00:00";
    assert_eq!(database.sql(parts), expected, "also what was there before the month had a part");
    assert_eq!(database.sql("SELECT count(*) FROM profile_row"), "5", "whatever the clocks of meters say");
}

#[tokio::test]
async fn absurd_times_get_no_part_before_there_is_a_capture() {
    let database = Database::new().await;
    let parts = || database.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'profile_row'::regclass");
    let before = parts();
    database.store.ensure_partitions([at("1970-01-01T00:00:00Z"), at("2094-01-01T00:00:00Z")]).await.unwrap();
    assert_eq!(parts(), before);
}

#[tokio::test]
async fn many_writers_that_meet_a_new_month_make_one_part_of_it() {
    let database = Database::new().await;
    let first = at("2022-07-15T12:00:00Z");
    let layout = layout(900, 0);
    let written: Vec<_> = (0..4)
        .map(|number| {
            let report = captures(database.meter(&format!("M{number}")), 1, quarters(&layout, first, 4, 0));
            // A store of its own does not know what the others made.
            let store = headend::store::Store::open(database.server.cluster().options(&database.name), 2);
            tokio::spawn(async move { store.write(Uuid::new_v4(), &[report]).await })
        })
        .collect();
    for outcome in written {
        outcome.await.unwrap().unwrap();
    }
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT tableoid) FROM profile_row"), "16|1");
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

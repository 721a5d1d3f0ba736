//! Ratios of transformers: kept with the time from which they hold, and never applied.

use ami_proto::v1::billing_service_client::BillingServiceClient;
use ami_proto::v1::{
    BillingDates, BillingIssue, FlagRule, GetBillingSetsRequest, RegistersTarget, TransformerRatios,
    get_billing_sets_request::Cycle, read_now_request::Target,
};
use collectors::{Event, Ratio, Ratios, Report};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use uuid::Uuid;

use super::common::{Database, at};
use super::program::Program;
use super::{bench, flags, identified, read};

const MODEL: &str = "sm307";
/// Every epoch: what holds, since when, and when it was last seen.
const EPOCHS: &str =
    "SELECT since AT TIME ZONE 'UTC', before AT TIME ZONE 'UTC', read_at AT TIME ZONE 'UTC', current_numerator, current_denominator,
         voltage_numerator, voltage_denominator, job_id FROM meter_ratio ORDER BY since";

const fn ratio(numerator: i64, denominator: i64) -> Option<Ratio> {
    Some(Ratio { numerator, denominator })
}

/// Writes what was read on a day of January by a job with that number; returns the flags.
async fn write(
    database: &Database,
    meter: i32,
    day: i64,
    (current, voltage): (Option<Ratio>, Option<Ratio>),
) -> u64 {
    let read_at = at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * (day - 1));
    let report = Report { job: day, meter, event: Event::Ratios(Ratios { current, voltage, read_at }) };
    let written = database.store.write(Uuid::new_v4(), &[report]).await.unwrap();
    written.flags.each().map(|(_, count)| count).sum()
}

#[tokio::test]
async fn what_changes_begins_a_new_row_and_is_flagged_number_by_number() {
    let database = Database::new().await;
    let meter = database.meter("M1");
    let (low, high) = (ratio(200, 5), ratio(400, 5));
    let voltage = ratio(11_000, 110);
    for (day, shown, flags) in [
        (1, (low, None), 0),
        (2, (low, None), 0),
        // Seen for the first time: the set of what holds is another one, and nothing that was known changed.
        (3, (low, voltage), 0),
        // Not shown this time.
        (4, (None, voltage), 0),
        (6, (high, voltage), 1),
        // The same again, and what comes late.
        (6, (high, voltage), 0),
        (5, (low, voltage), 0),
        (7, (ratio(200, 1), voltage), 2),
    ] {
        assert_eq!(write(&database, meter, day, shown).await, flags, "day {day}");
    }
    let rows = [
        "2026-01-01 00:00:00||2026-01-02 00:00:00|200|5|||1",
        "2026-01-03 00:00:00|2026-01-02 00:00:00|2026-01-04 00:00:00|200|5|11000|110|3",
        "2026-01-06 00:00:00|2026-01-04 00:00:00|2026-01-06 00:00:00|400|5|11000|110|6",
        "2026-01-07 00:00:00|2026-01-06 00:00:00|2026-01-07 00:00:00|200|1|11000|110|7",
    ];
    assert_eq!(database.sql(EPOCHS), rows.join("\n"));
    let flags = "SELECT rule, ts AT TIME ZONE 'UTC', obis_text(obis), reference, value, job_id FROM reading_flag ORDER BY ts, obis";
    let expected = [
        "ratio_changed|2026-01-06 00:00:00|1.0.0.4.2.255|200|400|6",
        "ratio_changed|2026-01-07 00:00:00|1.0.0.4.2.255|400|200|7",
        "ratio_changed|2026-01-07 00:00:00|1.0.0.4.5.255|5|1|7",
    ];
    assert_eq!(database.sql(flags), expected.join("\n"));
}

/// The issues of the set of yesterday and today.
pub(super) async fn issues(program: &Program, serial: &str) -> Vec<BillingIssue> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (from, to) = (today.yesterday().unwrap().to_string(), today.tomorrow().unwrap().to_string());
    let request = GetBillingSetsRequest {
        meter_serials: vec![serial.to_owned()],
        cycle: Some(Cycle::Dates(BillingDates { from, to })),
        ..GetBillingSetsRequest::default()
    };
    let mut client = BillingServiceClient::new(program.channel.clone());
    let mut sets = client.get_billing_sets(request).await.unwrap().into_inner();
    sets.message().await.unwrap().unwrap().set.unwrap().issues().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transformers_that_are_changed_are_seen_and_nothing_is_multiplied() {
    let (fleet, program, serial) = bench(MODEL).await;
    let meter = &fleet.meters()[0];
    let told = |ratios: &[TransformerRatios]| {
        let each = ratios.iter().map(|ratios| {
            let [current, voltage] = [ratios.current.unwrap(), ratios.voltage.unwrap()];
            [(current.numerator, current.denominator), (voltage.numerator, voltage.denominator)]
        });
        each.collect::<Vec<_>>()
    };
    let first = identified(&program, &serial).await.ratios;
    assert_eq!(told(&first), [[(200, 5), (11_000, 110)]]);
    assert!(!issues(&program, &serial).await.contains(&BillingIssue::RatioChanged));

    meter.set_ratios(simulator::Ratios { current: (400, 5), ..meter.ratios() });
    let both = identified(&program, &serial).await.ratios;
    assert_eq!(told(&both), [[(400, 5), (11_000, 110)], [(200, 5), (11_000, 110)]]);
    assert_eq!(both[0].before, first[0].read_at);
    assert!(issues(&program, &serial).await.contains(&BillingIssue::RatioChanged));
    assert_eq!(flags(&program, &serial).await, [(FlagRule::RatioChanged, "1.0.0.4.2.255".to_owned())]);

    // What is stored is what the meter holds, whatever stands in front of it.
    read(&program, &serial, Target::Registers(RegistersTarget::default())).await;
    let stored = program.sql("SELECT value FROM register_row WHERE obis_text(obis) = '1.0.1.8.0.255'");
    let held = meter.register(dlms::Obis::new([1, 0, 1, 8, 0, 255])).unwrap();
    let difference = held - stored.parse::<i64>().unwrap();
    assert!((0..100).contains(&difference), "{stored} is stored, {held} is held");
    fleet.shutdown().await;
}

//! Billing sets of meters that this project did not write, value by value against what `pymeter.py --expect` prints, on every option that changes time or
//! makes holes.

use std::collections::BTreeMap;

use ami_proto::v1::billing_service_client::BillingServiceClient;
use ami_proto::v1::get_billing_sets_request::Cycle;
use ami_proto::v1::readings_service_client::ReadingsServiceClient;
use ami_proto::v1::{
    BillingSet, BillingSource, Decimal, GetBillingSetsRequest, QueryDaysRequest, ReadingDay,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::head::Head;
use crate::meter::Meter;

/// October 2025 in Berlin: an hour more.
const FROM: &str = "2025-09-30T22:00:00Z";
const TO: &str = "2025-10-31T23:00:00Z";
const INTERVALS: usize = (31 * 24 + 1) * 4;
/// The registers of the profile, by their place in the meter's rows.
const REGISTERS: [(&str, usize); 4] =
    [("1.0.1.8.0.255", 0), ("1.0.2.8.0.255", 1), ("1.0.3.8.0.255", 2), ("1.0.4.8.0.255", 3)];

/// A row of the meter: when, and its values.
fn row(text: &str) -> (i64, Vec<i64>) {
    let cells: Vec<&str> = text.split('|').collect();
    let values = cells[2..].iter().map(|cell| cell.parse().unwrap()).collect();
    (cells[0].parse().unwrap(), values)
}

async fn set(head: &Head, serial: &str) -> BillingSet {
    let question = GetBillingSetsRequest {
        meter_serials: vec![serial.to_owned()],
        cycle: Some(Cycle::Month("2025-10".into())),
        ..GetBillingSetsRequest::default()
    };
    let mut client = BillingServiceClient::new(head.channel.clone());
    let mut sets = client.get_billing_sets(question).await.unwrap().into_inner();
    sets.message().await.unwrap().unwrap().set.unwrap()
}

/// The gaps between the ends of intervals that are there, in seconds since 1970 and intervals.
fn gaps(present: &[i64]) -> Vec<(i64, i64, u32)> {
    let [from, to] = [FROM, TO].map(|text| text.parse::<Timestamp>().unwrap().as_second());
    let ends: Vec<i64> = [from].into_iter().chain(present.iter().copied()).chain([to + 900]).collect();
    let gaps = ends.windows(2).filter(|pair| pair[1] - pair[0] > 900);
    gaps.map(|pair| (pair[0], pair[1] - 900, u32::try_from((pair[1] - pair[0]) / 900 - 1).unwrap())).collect()
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn a_month_with_an_hour_more_is_exactly_what_the_meter_holds() {
    for (options, holes) in [
        (&[][..], false),
        (&["--unspecified-deviation"], false),
        (&["--null-timestamps", "--missing", "0.05"], true),
        (&["--unspecified-deviation", "--missing", "0.02"], true),
    ] {
        let always = ["--timezone", "Europe/Berlin", "--now", "2025-11-02T12:00:00Z", "--days", "40"];
        let meter = Meter::start(&[&always[..], options].concat());
        let head = Head::start().await;
        head.register(&meter, "lls", "Europe/Berlin").await;
        let serial = meter.text("serial");
        head.read_profile(&serial, FROM, TO).await.unwrap();
        let rows: Vec<_> = meter.expected(FROM, TO).iter().map(|text| row(text)).collect();
        let set = set(&head, &serial).await;

        let at = |text: &str| {
            let at = text.parse::<Timestamp>().unwrap().as_second();
            rows.iter().find(|(ts, _)| *ts == at).map(|(_, values)| values)
        };
        for (obis, place) in REGISTERS {
            let register = set.registers.iter().find(|register| register.obis == obis).unwrap();
            let told = [&register.opening, &register.closing]
                .map(|value| value.as_ref().map(|value| value.value.unwrap().mantissa));
            let expected = [FROM, TO].map(|limit| at(limit).map(|values| values[place]));
            assert_eq!(told, expected, "{obis} {options:?}");
            let consumed = expected[0].zip(expected[1]).map(|(opening, closing)| closing - opening);
            assert_eq!(register.consumption.map(|one| one.mantissa), consumed, "{obis} {options:?}");
            let opening = register.opening.as_ref();
            assert!(opening.is_none_or(|opening| opening.source() == BillingSource::LoadProfile));
        }
        let begin = FROM.parse::<Timestamp>().unwrap().as_second();
        let present: Vec<i64> = rows.iter().map(|(ts, _)| *ts).filter(|ts| *ts > begin).collect();
        let intervals = &set.intervals[0];
        assert_eq!(intervals.expected as usize, INTERVALS, "{options:?}");
        assert_eq!(intervals.present as usize, present.len(), "{options:?}");
        let told: Vec<_> = intervals
            .gaps
            .iter()
            .map(|gap| (gap.from.unwrap().seconds, gap.to.unwrap().seconds, gap.intervals))
            .collect();
        assert_eq!(told, gaps(&present), "{options:?}");
        assert_eq!(told.is_empty(), !holes, "{options:?}");
        // The meter makes the energy of an interval up, which is flagged; its status word says of the interval behind a hole that the power was gone.
        let flagged = "SELECT count(DISTINCT ts) FROM reading_flag";
        assert_eq!(intervals.flagged.to_string(), head.sql(flagged), "{options:?}");
        let rules =
            intervals.flags.iter().map(|flags| format!("{}|{}", flags.rule().as_str_name(), flags.intervals));
        let rules = rules.collect::<Vec<_>>();
        let by_rule = "SELECT 'FLAG_RULE_' || upper(rule::text), count(DISTINCT ts) FROM reading_flag GROUP BY rule ORDER BY rule";
        assert_eq!(rules.join("\n"), head.sql(by_rule), "{options:?}");
        assert_eq!(rules.len(), if holes { 3 } else { 1 }, "{options:?}");
        if holes {
            days(&head.planning().await, &serial, &rows).await;
        }
    }
}

/// What the days of October add up to: captures that there are of those that there should be, and every digit of the import.
async fn days(head: &Head, serial: &str, rows: &[(i64, Vec<i64>)]) {
    let question = QueryDaysRequest {
        meter_serials: vec![serial.to_owned()],
        obis: vec!["1.0.1.8.0.255".into()],
        from: "2025-10-01".into(),
        to: "2025-10-31".into(),
        ..QueryDaysRequest::default()
    };
    let mut client = ReadingsServiceClient::new(head.channel.clone());
    let mut found = Vec::new();
    for _ in 0..600 {
        found = client.query_days(question.clone()).await.unwrap().into_inner().days;
        if !found.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let mut expected = BTreeMap::<String, (u32, i64, i64)>::new();
    for (ts, values) in rows {
        // The interval that ends at midnight belongs to the day before.
        let day = Timestamp::from_second(ts - 1).unwrap().to_zoned(zone.clone()).date().to_string();
        let day = expected.entry(day).or_default();
        *day = (day.0 + 1, values[0], day.2 + values[0]);
    }
    expected.remove("2025-09-30");
    let mantissa = |value: Option<Decimal>| value.unwrap().mantissa;
    let told =
        found.iter().map(|day| (day.day.clone(), (day.captures, mantissa(day.last), mantissa(day.total))));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), expected, "{}", head.log());
    let whole = |day: &ReadingDay| if day.day == "2025-10-26" { 100 } else { 96 };
    assert!(found.len() == 31 && found.iter().all(|day| day.expected == whole(day)), "{found:?}");
}

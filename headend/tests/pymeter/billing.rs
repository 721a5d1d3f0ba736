//! Billing sets of meters that this project did not write, value by value against what `pymeter.py --expect` prints, on every option that changes time or
//! makes holes.

use ami_proto::v1::billing_service_client::BillingServiceClient;
use ami_proto::v1::get_billing_sets_request::Cycle;
use ami_proto::v1::{BillingSet, BillingSource, GetBillingSetsRequest};
use jiff::Timestamp;

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
    }
}

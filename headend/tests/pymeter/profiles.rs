//! What is in the table is what the meter holds, whatever the meter and the line do.

use jiff::{SignedDuration, Timestamp};

use crate::head::Head;
use crate::meter::Meter;

const WIDTH: usize = 8;
/// A week in which clocks in Berlin go from 02:00 to 03:00 (on the 29th).
const FROM: &str = "2026-03-23T12:15:00Z";
const TO: &str = "2026-03-30T12:00:00Z";
const ROWS: usize = 7 * 96;

/// Reads the week and compares row by row. Returns the rows.
async fn reads_the_week(security: &str, zone: &str, arguments: &[&str]) -> Vec<String> {
    let meter = Meter::start(&[arguments, &["--timezone", zone]].concat());
    let head = Head::start().await;
    head.register(&meter, security, zone).await;
    let job = head.read_profile(&meter.text("serial"), FROM, TO).await.unwrap_or_else(|status| {
        panic!("{status:?}\n{}", head.log());
    });
    let (stored, expected) = (head.stored(WIDTH), meter.expected(FROM, TO));
    assert!(!expected.is_empty());
    assert_eq!(stored.len(), expected.len());
    assert_eq!(stored, expected);
    assert!(job.captures >= i64::try_from(expected.len()).unwrap(), "{job:?}");
    stored
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn with_a_password() {
    assert_eq!(reads_the_week("lls", "UTC", &[]).await.len(), ROWS);
}

/// The energy of an interval that this meter makes up has nothing to do with its counter; that is flagged, and nothing else is.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn what_is_flagged_is_where_the_meter_contradicts_itself() {
    let meter = Meter::start(&[]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    head.read_profile(&meter.text("serial"), FROM, TO).await.unwrap();
    let flags = head.sql(
        "SELECT rule, obis_text(obis), count(*) > 500, bool_and(abs(f.value - f.reference) > f.bound)
         FROM reading_flag f GROUP BY 1, 2",
    );
    assert_eq!(flags, "sum_mismatch|1.0.1.29.0.255|t|t");
    let row = "SELECT count(*) FROM reading_flag f JOIN profile_row r ON r.ts = f.ts
        JOIN profile_row b ON b.ts = r.ts - interval '15 minutes' WHERE (f.value, f.reference) = (r.v7, r.v0 - b.v0)";
    assert_eq!(head.sql(row), head.sql("SELECT count(*) FROM reading_flag"));
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn with_ciphering() {
    assert_eq!(reads_the_week("gmac", "UTC", &["--per-meter-keys"]).await.len(), ROWS);
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn with_missing_rows() {
    let rows = reads_the_week("lls", "UTC", &["--missing", "0.1"]).await.len();
    assert!(rows < ROWS - 30, "{rows}");
}

/// What is lost is written down with the reason and the read that found it, and the planner fills another hole and not those.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn rows_that_a_meter_does_not_hold_are_lost_and_not_asked_for_again() {
    // Holes are only filled where the meter still holds what is around them, so this meter lives now.
    let now = Timestamp::now();
    let quarter = |ago: SignedDuration| (now.as_second() - ago.as_secs()).div_euclid(900) * 900;
    let text = |at: i64| Timestamp::from_second(at).unwrap().to_string();
    let meter = Meter::start(&["--missing", "0.1", "--now", &text(now.as_second())]);
    let (begin, end) = (quarter(SignedDuration::from_hours(72)), quarter(SignedDuration::from_hours(1)));
    let there = meter.expected(&text(begin), &text(end));
    let there: Vec<i64> = there.iter().map(|row| row.split('|').next().unwrap().parse().unwrap()).collect();
    // From one that is there to one that is there: what is at an end may have been before the meter, or still come.
    let (first, last) = (there[0], there[there.len() - 1]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    let job = head.read_profile(&meter.text("serial"), &text(first), &text(last)).await.unwrap();
    let missing = (first..=last).step_by(900).filter(|at| !there.contains(at));
    let lost: Vec<_> = missing.map(|at| format!("{at}|not_recorded|{}", job.id)).collect();
    let losses = format!(
        "SELECT extract(epoch FROM at)::int8, cause, job_id FROM profile_loss,
             generate_series(after_ts + interval '15 minutes', until_ts, interval '15 minutes') AS at
         WHERE until_ts <= to_timestamp({last}) ORDER BY 1"
    );
    assert!(lost.len() > 10, "{lost:?}");
    assert_eq!(head.sql(&losses).lines().collect::<Vec<_>>(), lost);
    // One that is there is made a hole; planning begins.
    let hole = there[there.len() / 2];
    head.sql(&format!(
        "UPDATE meter_profile SET coverage = coverage - tstzmultirange(tstzrange(to_timestamp({hole} - 900), to_timestamp({hole}), '(]'))"
    ));
    let head = head.planning().await;
    let asked = format!(
        "SELECT extract(epoch FROM from_ts)::int8, extract(epoch FROM to_ts)::int8, state FROM job
         WHERE kind = 'read_profile' AND obis_text(obis) = '1.0.99.1.0.255' AND id <> {} AND from_ts <= to_timestamp({last})",
        job.id
    );
    let filled = format!("{}|{hole}|done", hole - 900 + 1);
    for _ in 0..600 {
        if head.sql(&asked).contains("done") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(head.sql(&asked), filled, "{}", head.log());
    assert_eq!(head.sql(&losses).lines().collect::<Vec<_>>(), lost);
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn with_time_stamps_left_out_on_the_day_of_the_change() {
    let rows = reads_the_week("lls", "Europe/Berlin", &["--null-timestamps", "--missing", "0.05"]).await;
    assert!(rows.len() < ROWS);
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn over_a_day_of_23_hours() {
    assert_eq!(reads_the_week("gmac", "Europe/Berlin", &[]).await.len(), ROWS);
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn over_a_day_of_25_hours_with_and_without_deviation() {
    for extra in [&[][..], &["--unspecified-deviation"]] {
        let now = "2025-10-27T12:00:00Z";
        let meter = Meter::start(&[&["--timezone", "Europe/Berlin", "--now", now], extra].concat());
        let head = Head::start().await;
        head.register(&meter, "lls", "Europe/Berlin").await;
        let (from, to) = ("2025-10-25T22:15:00Z", "2025-10-26T23:00:00Z");
        head.read_profile(&meter.text("serial"), from, to).await.unwrap();
        let stored = head.stored(WIDTH);
        assert_eq!(stored, meter.expected(from, to));
        assert_eq!(stored.len(), 100);
    }
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn in_pieces_of_one_octet() {
    // A millisecond for each octet: a day is enough.
    let meter = Meter::start(&["--chunk", "1"]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    let (from, to) = ("2026-03-29T12:15:00Z", TO);
    head.read_profile(&meter.text("serial"), from, to).await.unwrap();
    assert_eq!(head.stored(WIDTH), meter.expected(from, to));
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn in_blocks_of_128_octets() {
    assert_eq!(reads_the_week("gmac", "UTC", &["--max-pdu", "128"]).await.len(), ROWS);
}

/// The shortest that there are: a ciphered request for a range does not fit, one for rows by their number does.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn in_blocks_of_64_octets() {
    assert_eq!(reads_the_week("gmac", "UTC", &["--max-pdu", "64"]).await.len(), ROWS);
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn when_the_meter_hangs_up_again_and_again() {
    assert_eq!(reads_the_week("lls", "UTC", &["--close-after", "20"]).await.len(), ROWS);
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn when_answers_get_lost() {
    assert_eq!(reads_the_week("lls", "UTC", &["--drop", "0.08"]).await.len(), ROWS);
}

/// A damaged octet is only seen where the message is authenticated, so this one is ciphered.
#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn when_answers_are_damaged() {
    assert_eq!(reads_the_week("gmac", "UTC", &["--corrupt", "0.08"]).await.len(), ROWS);
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn people_see_decimals_and_units() {
    let meter = Meter::start(&[]);
    let head = Head::start().await;
    head.register(&meter, "lls", "UTC").await;
    head.read_profile(&meter.text("serial"), TO, TO).await.unwrap();
    let expected: Vec<String> = meter.expected(TO, TO)[0].split('|').skip(2).map(str::to_owned).collect();
    let tenths = |raw: &str| format!("{}.{}", &raw[..raw.len() - 1], &raw[raw.len() - 1..]);
    let shown = head.sql("SELECT obis, value, unit FROM reading ORDER BY obis COLLATE \"C\"");
    let wanted = [
        format!("1.0.1.29.0.255|{}|Wh", expected[7]),
        format!("1.0.1.8.0.255|{}|Wh", expected[0]),
        format!("1.0.2.8.0.255|{}|Wh", expected[1]),
        format!("1.0.3.8.0.255|{}|varh", expected[2]),
        format!("1.0.32.7.0.255|{}|V", tenths(&expected[4])),
        format!("1.0.4.8.0.255|{}|varh", expected[3]),
        format!("1.0.52.7.0.255|{}|V", tenths(&expected[5])),
        format!("1.0.72.7.0.255|{}|V", tenths(&expected[6])),
    ];
    assert_eq!(shown.lines().collect::<Vec<_>>(), wanted);
}

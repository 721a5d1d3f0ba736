//! COPY in the binary format (PostgreSQL documentation, COPY, "Binary Format").

use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::PgConnection;

use super::{Row, Stored};
use crate::store::log::Changes;
use crate::store::{Error, failed};

/// Columns of a row beside its values, and how many these are.
const COLUMNS: &str = "meter_id, layout_id, ts, status, clock_offset_min, clock_status, job_id, stored_at";
const FIELDS: i16 = 8;

/// Signature, flags and length of the header's extension.
const HEADER: [u8; 19] = *b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A message to the server is sent when it has this many octets.
const MESSAGE: usize = 256 << 10;

/// Microseconds between 1970, from which the program counts, and 2000, from which PostgreSQL does.
const EPOCH: i64 = 946_684_800_000_000;

/// Writes rows whose keys are new and differ from each other.
pub(super) async fn copy(
    connection: &mut PgConnection,
    rows: &[&Row],
    stored_at: SqlTimestamp,
    changes: &mut Changes,
) -> Result<Stored, Error> {
    let failed = failed("store::captures::copy");
    let width = width(rows);
    let mut copy = connection.copy_in_raw(&statement(width)).await.map_err(&failed)?;
    let stored_at = stored_at.to_jiff().as_microsecond();
    let mut message = Vec::with_capacity(MESSAGE + 1024);
    message.extend_from_slice(&HEADER);
    for row in rows {
        encode(row, width, stored_at, &mut message);
        changes.note(row.meter, Some(row.layout), row.ts);
        if message.len() >= MESSAGE {
            copy.send(message.as_slice()).await.map_err(&failed)?;
            message.clear();
        }
    }
    message.extend_from_slice(&(-1_i16).to_be_bytes());
    copy.send(message.as_slice()).await.map_err(&failed)?;
    let inserted = copy.finish().await.map_err(&failed)?;
    Ok(Stored { sent: rows.len() as u64, inserted, ..Stored::default() })
}

/// How many values the widest of these rows has. What a statement does not name is NULL and costs the server nothing.
fn width(rows: &[&Row]) -> usize {
    let width = |row: &&Row| row.values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    rows.iter().map(width).max().unwrap_or(0)
}

/// The statement for rows of so many values.
fn statement(width: usize) -> String {
    let values: String = (0..width).map(|slot| format!(", v{slot}")).collect();
    format!("/* store::captures::copy */ COPY profile_row ({COLUMNS}{values}) FROM STDIN (FORMAT binary)")
}

/// One row with so many values: the number of fields, then each field as its length and its octets; length -1 is NULL.
fn encode(row: &Row, width: usize, stored_at: i64, out: &mut Vec<u8>) {
    // No row has more values than slots.
    out.extend_from_slice(&(FIELDS + width as i16).to_be_bytes());
    field(out, &row.meter.to_be_bytes());
    field(out, &row.layout.to_be_bytes());
    field(out, &instant(row.ts));
    optional(out, row.status.map(i32::to_be_bytes));
    optional(out, row.clock_offset_min.map(i16::to_be_bytes));
    field(out, &row.clock_status.to_be_bytes());
    field(out, &row.job.to_be_bytes());
    field(out, &instant(stored_at));
    for value in row.values.iter().take(width) {
        optional(out, value.map(i64::to_be_bytes));
    }
}

/// Microseconds since 1970 as PostgreSQL has them.
fn instant(microseconds: i64) -> [u8; 8] {
    microseconds.saturating_sub(EPOCH).to_be_bytes()
}

fn optional<const N: usize>(out: &mut Vec<u8>, octets: Option<[u8; N]>) {
    match octets {
        Some(octets) => field(out, &octets),
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
    }
}

/// No field has more than eight octets.
fn field(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(&(octets.len() as i32).to_be_bytes());
    out.extend_from_slice(octets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::captures::SLOTS;

    #[test]
    fn a_row_is_laid_out_as_the_format_says() {
        let mut values = [None; SLOTS];
        values[1] = Some(-2);
        let row = Row {
            meter: 7,
            layout: 9,
            ts: EPOCH + 1,
            status: Some(-1),
            clock_offset_min: None,
            clock_status: 128,
            job: 5,
            values,
        };
        let mut out = Vec::new();
        let width = width(&[&row]);
        assert!(statement(width).contains("stored_at, v0, v1) FROM"), "{}", statement(width));
        encode(&row, width, EPOCH + 2, &mut out);
        let mut expected: Vec<u8> = vec![0, 10];
        expected.extend([0, 0, 0, 4, 0, 0, 0, 7]); // meter_id
        expected.extend([0, 0, 0, 4, 0, 0, 0, 9]); // layout_id
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]); // ts, a microsecond into 2000
        expected.extend([0, 0, 0, 4, 255, 255, 255, 255]); // status
        expected.extend([255, 255, 255, 255]); // clock_offset_min NULL
        expected.extend([0, 0, 0, 2, 0, 128]); // clock_status
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]); // job_id
        expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2]); // stored_at, two microseconds into 2000
        expected.extend([255, 255, 255, 255]); // v0 NULL
        expected.extend([0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254]); // v1
        assert_eq!(out, expected);
    }
}

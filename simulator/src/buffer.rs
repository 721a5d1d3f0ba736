//! The buffer attribute of a profile, encoded row by row straight into the answer. Nothing is kept between requests.

use dlms::axdr::write_length;
use dlms::profile::CaptureObject;
use dlms::selection::Selection;
use dlms::{DataAccessResult, DateTime};

use crate::local::{Offsets, date_time, instant};
use crate::meter::{Meter, View, status};
use crate::plan::Cell;

const NULL: u8 = 0;
const ARRAY: u8 = 1;
const STRUCTURE: u8 = 2;
const DOUBLE_LONG_UNSIGNED: u8 = 6;
const OCTET_STRING: u8 = 9;
const UNSIGNED: u8 = 17;

/// Appends the buffer of a profile: all rows that are kept, or what the selection asks for.
pub(crate) fn write(
    meter: &Meter,
    view: &View<'_>,
    selection: Option<&Selection>,
    out: &mut Vec<u8>,
) -> Result<(), DataAccessResult> {
    match selection {
        None => rows(meter, view.cells(), view.all(), out),
        Some(Selection::Range(range)) => {
            // Rows are restricted by their time and by nothing else.
            if view.captured().first() != Some(&range.restricting) {
                return Err(DataAccessResult::ScopeOfAccessViolated);
            }
            let limit =
                |limit: &DateTime| instant(limit, meter.zone()).ok_or(DataAccessResult::TypeUnmatched);
            let cells = chosen(view, &range.columns)?;
            rows(meter, &cells, view.captures(limit(&range.from)?, limit(&range.to)?), out);
        }
        Some(Selection::Entries(entries)) => {
            let all = view.all();
            let (skip, take) = span(entries.from, entries.to, all.len());
            let (first, count) =
                span(entries.first_column.into(), entries.last_column.into(), view.cells().len());
            rows(meter, &view.cells()[first..first + count], all.skip(skip).take(take), out);
        }
        Some(Selection::Objects(_)) => return Err(DataAccessResult::TypeUnmatched),
    }
    Ok(())
}

/// Appends an array of rows with the given cells.
fn rows(meter: &Meter, cells: &[Cell], captures: impl ExactSizeIterator<Item = i64>, out: &mut Vec<u8>) {
    let mut offsets = Offsets::new(meter.zone());
    out.push(ARRAY);
    write_length(captures.len(), out);
    // 14 octets of time and five for each value: one allocation for the whole answer.
    out.reserve(captures.len() * (16 + cells.len() * 5));
    for at in captures {
        out.push(STRUCTURE);
        write_length(cells.len(), out);
        let moment = meter.moment(at);
        for cell in cells {
            match cell {
                Cell::Clock => {
                    out.extend_from_slice(&[OCTET_STRING, 12]);
                    out.extend_from_slice(&date_time(&mut offsets, at).octets());
                }
                Cell::Status => out.extend_from_slice(&[UNSIGNED, status(offsets.at(at).summer)]),
                Cell::Value(quantity) => quantity.data(moment).encode(out),
                Cell::Time(quantity) => {
                    out.extend_from_slice(&[OCTET_STRING, 12]);
                    out.extend_from_slice(&date_time(&mut offsets, quantity.since(moment)).octets());
                }
                Cell::Device(channel) => {
                    out.push(DOUBLE_LONG_UNSIGNED);
                    out.extend_from_slice(&meter.mbus_total(*channel, at).to_be_bytes());
                }
                Cell::Nothing => out.push(NULL),
            }
        }
    }
}

/// The cells of the wanted columns, in the order in which they are wanted; no wish means all.
fn chosen(view: &View<'_>, wanted: &[CaptureObject]) -> Result<Vec<Cell>, DataAccessResult> {
    if wanted.is_empty() {
        return Ok(view.cells().to_vec());
    }
    let cell = |wanted: &CaptureObject| {
        let at = view.captured().iter().position(|captured| captured == wanted)?;
        Some(view.cells()[at])
    };
    wanted.iter().map(|wanted| cell(wanted).ok_or(DataAccessResult::ScopeOfAccessViolated)).collect()
}

/// How many elements to skip and to take for a range counted from 1, in which 0 as the end means the last one.
fn span(from: u32, to: u32, len: usize) -> (usize, usize) {
    let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).min(len);
    let first = at(from.saturating_sub(1));
    let end = if to == 0 { len } else { at(to) };
    (first, end.saturating_sub(first))
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn ranges_count_from_one_and_zero_ends_at_the_last() {
        assert_eq!(span(1, 0, 10), (0, 10));
        assert_eq!(span(3, 4, 10), (2, 2));
        assert_eq!(span(9, 20, 10), (8, 2));
        assert_eq!(span(11, 0, 10), (10, 0));
        assert_eq!(span(5, 4, 10), (4, 0));
    }
}

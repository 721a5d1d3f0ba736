//! The rows that the meter gives.

use dlms::{DataAccessResult, DateTime, axdr::Data, selection::Selection};
use jiff::Timestamp;

use super::meter::{CLOCK, END_OF_BILLING, ENERGY, Meter, QUARTER, expected_values};

impl Meter {
    pub(super) fn buffer(
        &mut self,
        selection: Option<&Selection>,
        out: &mut Vec<u8>,
    ) -> Result<(), DataAccessResult> {
        let rows: Vec<(usize, Timestamp)> = match selection {
            Some(Selection::Range(range)) => {
                if let Some((_, captures)) =
                    self.mischief.captures_after.take_if(|(reads, _)| self.seen.ranges.len() >= *reads)
                {
                    self.captures = captures;
                }
                let bounds = (range.from.unix_seconds(), range.to.unix_seconds());
                self.seen.ranges.push(bounds);
                let (from, to) = (bounds.0.unwrap_or(i64::MIN), bounds.1.unwrap_or(i64::MAX));
                let is_everywhere = |at| self.mischief.ignores_range || self.is_invalid(at);
                let inside = |at| is_everywhere(at) || (from..=to).contains(&at.as_second());
                let rows: Vec<_> =
                    self.rows.iter().copied().enumerate().filter(|(_, at)| inside(*at)).collect();
                if let Some(refusal) = self.mischief.refuses_ranges {
                    return Err(refusal);
                }
                if let (true, Some(refusal)) = (rows.is_empty(), self.mischief.refuses_nothing) {
                    return Err(refusal);
                }
                rows
            }
            Some(Selection::Entries(_)) if self.mischief.refuses_entries => {
                return Err(DataAccessResult::ScopeOfAccessViolated);
            }
            Some(Selection::Entries(entries)) => {
                let chosen = entries.from as usize..=entries.to as usize;
                let rows = self.rows.iter().copied().enumerate();
                rows.filter(|(row, _)| chosen.contains(&(row + 1))).collect()
            }
            None if self.mischief.gives_whole => self.rows.iter().copied().enumerate().collect(),
            None => return Err(DataAccessResult::ScopeOfAccessViolated),
            Some(Selection::Objects(_)) => panic!("a list of objects was asked for"),
        };
        let is_next = |one: Timestamp, other: Timestamp| (one - other).get_seconds().abs() == QUARTER;
        let rows = rows.iter().enumerate().map(|(place, (row, at))| {
            let before = place.checked_sub(1).map(|before| rows[before].1);
            let is_implied = self.mischief.implied && before.is_some_and(|before| is_next(before, *at));
            Data::Structure(self.cells(*row, *at, is_implied))
        });
        Data::Array(rows.collect()).encode(out);
        Ok(())
    }

    fn is_invalid(&self, at: Timestamp) -> bool {
        self.mischief.invalid_before.is_some_and(|limit| at < limit)
    }

    fn cells(&self, row: usize, at: Timestamp, is_implied: bool) -> Vec<Data> {
        let time = match self.mischief.without_deviation {
            true => DateTime::from_unix(at.as_second(), None, 0xFF),
            false => DateTime::from_unix(at.as_second(), Some(0), u8::from(self.is_invalid(at))),
        };
        let mut octets = time.octets();
        octets[2] = if self.mischief.wrong_months.contains(&row) { 13 } else { octets[2] };
        if self.mischief.counts_to_24 && octets[5..8] == [0, 0, 0] {
            octets = DateTime::from_unix(at.as_second() - 60, Some(0), 0).octets();
            octets[5..8].copy_from_slice(&[24, 0, 0]);
        }
        if let Some((_, second)) = self.mischief.wrong_second.filter(|(odd, _)| *odd == row) {
            octets[7] = second;
        }
        let values = expected_values(at);
        let cells = self.captures.iter().map(|capture| match capture.instance {
            CLOCK if is_implied => Data::NullData,
            CLOCK | END_OF_BILLING => Data::OctetString(octets.to_vec()),
            ENERGY => {
                let energy = Data::DoubleLongUnsigned(u32::try_from(values[0]).unwrap());
                self.mischief.odd_cells.get(&row).cloned().unwrap_or(energy)
            }
            _ => Data::LongUnsigned(u16::try_from(values[1]).unwrap()),
        });
        let mut cells: Vec<_> = cells.collect();
        if self.mischief.short_rows || self.mischief.shorter.contains(&row) {
            cells.pop();
        }
        cells
    }
}

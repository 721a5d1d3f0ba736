//! Profile generic (class 7, Blue Book 4.3.6): what its rows consist of and how its buffer becomes
//! columns of integers.
//!
//! A buffer is `array of structure`, or a compact array of the same. It arrives in blocks cut anywhere, so
//! [`RowDecoder`] keeps the octets of at most one unfinished row and appends every finished one to [`Rows`]. No
//! tree of values is built in between, and nothing is calculated with floats.

mod capture;
mod cell;
mod unread;

pub use capture::{CaptureObject, Column, decode_list, encode_list};
pub use unread::{Unread, Unreadable};

use crate::axdr::{self, Reader, TypeDescription, tag};
use crate::{DateTime, Error};
use unread::{Element, between, element};

/// Longest row that is accepted, in octets. The longest rows of the meters' datasheets stay below
/// a tenth of it.
pub const ROW_MAX: usize = 4096;

/// Power of ten in units of which the cells of a [`Column::Float`] are counted. Floats of single precision have room in 63 bits then, to the last of their
/// digits, from 0.016 to 9.2 thousand millions; decimals that end at the ninth place have it from 0 on.
pub const FLOAT_EXPONENT: i8 = -9;

/// What null-data in a value or status column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullRule {
    /// The same as in the row before (Blue Book, 4.3.6: compressed buffer).
    Repeat,
    /// The meter has no value.
    Absent,
}

/// Decoded captures, column by column; row `i` is entry `i` of `clocks` and `statuses`, the
/// `width` entries of `values` from `i * width` on, and likewise those of `times`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Number of columns with numbers ([`Column::is_number`]).
    pub width: usize,
    /// Time of each capture; `None` when it is implied by the capture period.
    pub clocks: Vec<Option<DateTime>>,
    /// Status of each capture; the first bit of a bit-string is the most significant one.
    pub statuses: Vec<Option<u32>>,
    /// Values, row-major, in the meter's own integers, or in the units of floats: scaler and unit are the layout's.
    pub values: Vec<Option<i64>>,
    /// The string of each capture; empty when no column is one.
    pub texts: Vec<Option<Vec<u8>>>,
    /// Number of [`Column::Time`] columns.
    pub times_width: usize,
    /// Times, row-major.
    pub times: Vec<Option<DateTime>>,
    /// What could not be read, in the order in which it came.
    pub unread: Vec<Unread>,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.clocks.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.clocks.is_empty()
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.truncate(0, 0);
    }

    fn truncate(&mut self, rows: usize, unread: usize) {
        self.clocks.truncate(rows);
        self.statuses.truncate(rows);
        self.values.truncate(rows * self.width);
        self.texts.truncate(rows);
        self.times.truncate(rows * self.times_width);
        self.unread.truncate(unread);
    }
}

/// Turns the octets of a buffer attribute into [`Rows`] while they arrive.
///
/// Order: [`push`](Self::push) for each piece, then [`finish`](Self::finish). After an error the
/// decoder is of no further use; the rows appended so far are whole and stay.
#[derive(Debug)]
pub struct RowDecoder {
    columns: Vec<Column>,
    null_rule: NullRule,
    /// Rows of another number of elements are put aside.
    is_lenient: bool,
    /// A time that follows from the row before is as little known as that of this row.
    lost_time: bool,
    width: usize,
    times_width: usize,
    /// What the buffer's header announced; `None` until it is complete.
    announced: Option<Announced>,
    /// Types of the cells when they stand in the header; empty when each cell has its own.
    types: Vec<TypeDescription>,
    done: u64,
    /// The beginning of a header or row whose end has not come yet.
    kept: Vec<u8>,
    last_status: Option<u32>,
    last_values: Vec<Option<i64>>,
    last_times: Vec<Option<DateTime>>,
}

/// How the end of a buffer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    /// Rows of an array, in all.
    Rows(u64),
    /// Octets of a compact array that are still to come.
    Octets(usize),
}

impl RowDecoder {
    /// A decoder for rows of these columns. Of several clock, status or text columns the first one
    /// counts, the others are skipped.
    pub fn new(mut columns: Vec<Column>, null_rule: NullRule) -> Self {
        for once in [Column::Clock, Column::Status, Column::Text] {
            columns.iter_mut().filter(|column| **column == once).skip(1).for_each(|c| *c = Column::Ignored);
        }
        let width = columns.iter().filter(|column| column.is_number()).count();
        let times_width = columns.iter().filter(|column| **column == Column::Time).count();
        Self {
            columns,
            null_rule,
            is_lenient: false,
            lost_time: false,
            width,
            times_width,
            announced: None,
            types: Vec::new(),
            done: 0,
            kept: Vec::new(),
            last_status: None,
            last_values: vec![None; width],
            last_times: vec![None; times_width],
        }
    }

    /// The same decoder, which puts rows of another number of elements aside instead of ending at the first one.
    pub fn lenient(self) -> Self {
        Self { is_lenient: true, ..self }
    }

    /// What the columns hold, as far as the rows show it: one of numbers the first of which is a float is a [`Column::Float`] from there on.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Takes the next octets and appends the rows that they complete. `rows` must be empty or come
    /// from decoders of the same columns. An element of a type that its column cannot hold (a float among whole numbers, say), and a number
    /// that does not fit, is no value and stands in [`Rows::unread`]; so does a row whose time is not on the calendar.
    ///
    /// # Errors
    /// [`Error::RowShape`] when a row has another number of elements than there are columns,
    /// [`Error::TooLong`] for a row above
    /// [`ROW_MAX`], [`Error::Trailing`] for octets behind the last row announced.
    pub fn push(&mut self, mut bytes: &[u8], rows: &mut Rows) -> Result<(), Error> {
        if rows.is_empty() {
            rows.clear();
            rows.width = self.width;
            rows.times_width = self.times_width;
        } else if rows.width != self.width {
            return Err(Error::RowsWidth { expected: self.width, got: rows.width });
        }
        if !self.kept.is_empty() {
            bytes = self.complete(bytes, rows)?;
        }
        while !bytes.is_empty() {
            match self.step(bytes, rows)? {
                Some(used) => bytes = &bytes[used..],
                None => return self.keep(bytes),
            }
        }
        Ok(())
    }

    /// Ends the buffer and returns the number of rows that it had.
    ///
    /// # Errors
    /// [`Error::RowCount`] when fewer rows came than were announced, [`Error::Truncated`] when not
    /// even the announcement did, or not all octets of a compact array.
    pub fn finish(self) -> Result<u64, Error> {
        match self.announced {
            None | Some(Announced::Octets(1..)) => Err(Error::Truncated),
            Some(Announced::Octets(0)) => Ok(self.done),
            Some(Announced::Rows(rows)) if rows == self.done => Ok(self.done),
            Some(Announced::Rows(rows)) => Err(Error::RowCount { expected: rows, got: self.done }),
        }
    }

    /// Joins what was kept with the new octets, takes one step with them and returns what is left
    /// of the new octets.
    fn complete<'a>(&mut self, bytes: &'a [u8], rows: &mut Rows) -> Result<&'a [u8], Error> {
        let mut joined = std::mem::take(&mut self.kept);
        let before = joined.len();
        let taken = bytes.len().min(ROW_MAX.saturating_sub(before));
        joined.extend_from_slice(&bytes[..taken]);
        let used = self.step(&joined, rows)?;
        self.kept = joined;
        match used {
            Some(used) => {
                self.kept.clear();
                // The kept octets alone were too few, so the step used them all.
                Ok(&bytes[used.saturating_sub(before)..])
            }
            None if self.kept.len() >= ROW_MAX => Err(Error::TooLong { what: "row", limit: ROW_MAX }),
            None => Ok(&bytes[taken..]),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() >= ROW_MAX {
            return Err(Error::TooLong { what: "row", limit: ROW_MAX });
        }
        self.kept.extend_from_slice(bytes);
        Ok(())
    }

    /// Decodes the buffer's header or one row at the start of `bytes` and returns its length, or
    /// `None` and nothing changed when its end is missing.
    fn step(&mut self, bytes: &[u8], rows: &mut Rows) -> Result<Option<usize>, Error> {
        let whole = (rows.len(), rows.unread.len());
        let mut bytes = &bytes[..bytes.len().min(ROW_MAX)];
        // A row that does not end within the announced octets ends nowhere.
        let mut last = false;
        match self.announced {
            Some(Announced::Rows(all)) if all == self.done => {
                return Err(Error::Trailing { left: bytes.len() });
            }
            Some(Announced::Octets(0)) => return Err(Error::Trailing { left: bytes.len() }),
            Some(Announced::Octets(left)) if left <= bytes.len() => (bytes, last) = (&bytes[..left], true),
            _ => {}
        }
        let mut reader = Reader::new(bytes);
        let stepped = match self.announced {
            None => self.header(&mut reader),
            Some(_) => self.row(&mut reader, rows),
        };
        match stepped {
            Ok(()) => Ok(Some(bytes.len() - reader.remaining())),
            Err(error) => {
                rows.truncate(whole.0, whole.1);
                if error == Error::Truncated && !last { Ok(None) } else { Err(error) }
            }
        }
    }

    fn header(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        match reader.u8()? {
            tag::ARRAY => self.announced = Some(Announced::Rows(reader.length()? as u64)),
            tag::COMPACT_ARRAY => {
                let TypeDescription::Structure(types) = TypeDescription::read(reader)? else {
                    return Err(Error::DataType { expected: "row (structure)", got: tag::COMPACT_ARRAY });
                };
                self.shape(types.len())?;
                self.announced = Some(Announced::Octets(reader.length()?));
                self.types = types;
            }
            // A buffer that is no array is empty.
            tag::NULL_DATA => self.announced = Some(Announced::Rows(0)),
            got => return Err(Error::DataType { expected: "array of rows", got }),
        }
        Ok(())
    }

    /// Refuses a row of another number of elements than there are columns.
    fn shape(&self, elements: usize) -> Result<(), Error> {
        match self.columns.len() {
            expected if expected == elements => Ok(()),
            expected => Err(Error::RowShape { expected, got: elements }),
        }
    }

    fn row(&mut self, reader: &mut Reader<'_>, rows: &mut Rows) -> Result<(), Error> {
        let start = reader.clone();
        if self.types.is_empty() {
            let got = reader.u8()?;
            if got != tag::STRUCTURE {
                return Err(Error::DataType { expected: "row (structure)", got });
            }
            match self.shape(reader.length()?) {
                Err(Error::RowShape { got, .. }) if self.is_lenient => {
                    return self.put_aside(&start, (reader, got), rows);
                }
                shape => shape?,
            }
        }
        let whole = (rows.len(), rows.unread.len());
        let (first, first_time) = (rows.values.len(), rows.times.len());
        let (mut clock, mut status) = (None, None);
        for column in 0..self.columns.len() {
            let kind = self.kind(column, reader, rows);
            let typed = self.types.get(column);
            let (place, unread) = ((whole.0, column), &mut rows.unread);
            match (kind, typed) {
                (Column::Ignored, Some(typed)) => typed.skip_item(reader)?,
                (Column::Ignored, None) => axdr::skip(reader)?,
                (Column::Clock, _) => {
                    clock =
                        match element(reader, typed, place, unread, |cell| cell::clock(cell, typed, column))?
                        {
                            Element::Read(clock) => clock,
                            Element::Unread => Some(DateTime::UNSPECIFIED),
                        }
                }
                (Column::Status, _) => {
                    let read =
                        element(reader, typed, place, unread, |cell| cell::status(cell, typed, column))?;
                    status = self.filled(read, self.last_status);
                }
                (Column::Text, _) => {
                    let read = element(reader, typed, place, unread, |cell| cell::text(cell, typed, column))?;
                    rows.texts.push(read.value());
                }
                (Column::Value | Column::Float, _) => {
                    let last = self.last_values[rows.values.len() - first];
                    let read = element(reader, typed, place, unread, |cell| match kind {
                        Column::Float => cell::float(cell, typed, column),
                        _ => cell::value(cell, typed, column, last),
                    })?;
                    rows.values.push(self.filled(read, last));
                }
                (Column::Time, _) => {
                    let last = self.last_times[rows.times.len() - first_time];
                    let read = element(reader, typed, place, unread, |cell| cell::time(cell, typed, column))?;
                    rows.times.push(self.filled(read, last));
                }
            }
        }
        let lost_time = clock.map_or(self.lost_time, |clock| !unread::is_on_calendar(clock));
        if lost_time {
            let octets = between(&start, reader);
            rows.unread.push(Unread { row: whole.0, what: Unreadable::Time, octets });
        }
        rows.clocks.push(clock);
        rows.statuses.push(status);
        self.lost_time = lost_time;
        self.remember(rows, (first, first_time), whole.1);
        self.row_ended(&start, reader);
        Ok(())
    }

    /// What a column holds: numbers are floats when the first one is, because whole numbers in front of it would be counted in other units.
    #[inline]
    fn kind(&mut self, column: usize, reader: &Reader<'_>, rows: &Rows) -> Column {
        let kind = self.columns[column];
        if kind != Column::Value || !cell::is_float(reader, self.types.get(column)) {
            return kind;
        }
        let place = self.columns[..column].iter().filter(|other| other.is_number()).count();
        let values = rows.values.iter().take(rows.len() * rows.width).skip(place);
        if self.last_values[place].is_some() || values.step_by(rows.width).any(Option::is_some) {
            return Column::Value;
        }
        self.columns[column] = Column::Float;
        Column::Float
    }

    /// Steps over the elements of a row that does not fit the columns.
    fn put_aside(
        &mut self,
        start: &Reader<'_>,
        (reader, elements): (&mut Reader<'_>, usize),
        rows: &mut Rows,
    ) -> Result<(), Error> {
        (0..elements).try_for_each(|_| axdr::skip(reader))?;
        let octets = between(start, reader);
        rows.unread.push(Unread { row: rows.len(), what: Unreadable::Row { elements }, octets });
        // Nobody knows what a row behind it repeats.
        self.lost_time = true;
        self.last_status = None;
        self.last_values.fill(None);
        self.last_times.fill(None);
        self.row_ended(start, reader);
        Ok(())
    }

    fn row_ended(&mut self, start: &Reader<'_>, end: &Reader<'_>) {
        if let Some(Announced::Octets(left)) = &mut self.announced {
            *left -= start.remaining() - end.remaining();
        }
        self.done += 1;
    }

    /// Keeps what the next row may repeat: its values begin at these places, and what could not be read of it at that one.
    fn remember(&mut self, rows: &Rows, (values, times): (usize, usize), unread: usize) {
        self.last_status = rows.statuses.last().copied().flatten().or(self.last_status);
        for (last, value) in self.last_values.iter_mut().zip(&rows.values[values..]) {
            *last = value.or(*last);
        }
        for (last, time) in self.last_times.iter_mut().zip(&rows.times[times..]) {
            *last = time.or(*last);
        }
        for unread in &rows.unread[unread..] {
            let Unreadable::Cell { column, .. } = unread.what else { continue };
            let kind = self.columns[column];
            let numbers = || self.columns[..column].iter().filter(|other| other.is_number()).count();
            let times = || self.columns[..column].iter().filter(|other| **other == Column::Time).count();
            match kind {
                Column::Status => self.last_status = None,
                Column::Value | Column::Float => self.last_values[numbers()] = None,
                Column::Time => self.last_times[times()] = None,
                Column::Clock | Column::Text | Column::Ignored => {}
            }
        }
    }

    /// An element where null-data stands for the one before, if it does.
    fn filled<T>(&self, element: Element<T>, last: Option<T>) -> Option<T> {
        match element {
            Element::Read(value) => value.or(self.null(last)),
            Element::Unread => None,
        }
    }

    fn null<T>(&self, last: Option<T>) -> Option<T> {
        match self.null_rule {
            NullRule::Repeat => last,
            NullRule::Absent => None,
        }
    }
}

use crate::axdr::{self, Reader, TypeDescription};
use crate::{DateTime, Error};

/// Place of the second in a date-time (Blue Book, 4.1.6.1).
const SECOND: usize = 7;
/// The last year of which all days are instants.
const YEAR_MAX: u16 = 9998;

/// Something of a row that is not what its column says, or a row that is none. It keeps nothing else from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Row of [`Rows`](super::Rows); of a row that was put aside, the one that comes behind it.
    pub row: usize,
    /// What it is.
    pub what: Unreadable,
    /// Its octets as they came; those of a compact array bear no types.
    pub octets: Vec<u8>,
}

/// What could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A cell: there is nothing in its place; a time of a capture is [`DateTime::UNSPECIFIED`](crate::DateTime::UNSPECIFIED) there.
    Cell {
        /// Index of the column, from 0.
        column: usize,
        /// It has a data type that the column cannot hold, as all of the column may; otherwise it is a number that does not fit.
        is_type: bool,
    },
    /// The time of a capture: it is not on the calendar, or to be counted from one that is not known. The octets are those of the row.
    Time,
    /// A row of another number of elements than there are columns; it is not among the rows.
    Row {
        /// Its elements.
        elements: usize,
    },
}

/// What came of an element.
pub(super) enum Element<T> {
    /// A value, or null-data.
    Read(Option<T>),
    /// Nothing that its column can hold.
    Unread,
}

impl<T> Element<T> {
    /// What it holds.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Read(value) => value,
            Self::Unread => None,
        }
    }
}

/// Reads an element; what its column cannot hold is stepped over and noted.
#[inline]
pub(super) fn element<T>(
    reader: &mut Reader<'_>,
    typed: Option<&TypeDescription>,
    (row, column): (usize, usize),
    unread: &mut Vec<Unread>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<Option<T>, Error>,
) -> Result<Element<T>, Error> {
    let start = reader.clone();
    match read(reader) {
        Ok(value) => Ok(Element::Read(value)),
        Err(
            error @ (Error::Cell { .. }
            | Error::ValueRange { .. }
            | Error::Length { .. }
            | Error::TooLong { .. }),
        ) => {
            *reader = start.clone();
            match typed {
                Some(typed) => typed.skip_item(reader)?,
                None => axdr::skip(reader)?,
            }
            let what = Unreadable::Cell { column, is_type: !matches!(error, Error::ValueRange { .. }) };
            unread.push(Unread { row, what, octets: between(&start, reader) });
            Ok(Element::Unread)
        }
        Err(error) => Err(error),
    }
}

/// The octets that were read since.
pub(super) fn between(start: &Reader<'_>, end: &Reader<'_>) -> Vec<u8> {
    start.rest()[..start.remaining() - end.remaining()].to_vec()
}

/// Whether a time is one, whatever its second is: some meters count to 60 and on, though not behind the end of a day.
pub(super) fn is_on_calendar(time: DateTime) -> bool {
    let parts = time.parts();
    let mut octets = time.octets();
    if parts.hour < 24 {
        octets[SECOND] = 0;
    }
    parts.year.is_some_and(|year| year <= YEAR_MAX) && DateTime::new(octets).local_seconds().is_some()
}

//! Selective access (Blue Book, 4.3.6, 4.4.3 and 4.4.4): which rows and columns of a profile to give, and which objects of an association.

mod objects;

use crate::axdr::{Data, Reader, tag, write_length};
use crate::cosem::{Form, association};
use crate::profile::CaptureObject;
use crate::{DateTime, Error};

const BY_RANGE: u8 = 1;
const BY_ENTRY: u8 = 2;
/// Association SN.
const ASSOCIATION_SN: u16 = 12;

pub use objects::{ObjectId, ObjectSelection};

/// The selections of a profile buffer and of an object list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// `range_descriptor`, selector 1.
    Range(RangeSelection),
    /// `entry_descriptor`, selector 2.
    Entries(EntrySelection),
    /// Of an object list.
    Objects(ObjectSelection),
}

/// Rows whose restricting column lies in a range, both ends inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSelection {
    /// The column that restricts, normally the clock.
    pub restricting: CaptureObject,
    /// First time.
    pub from: DateTime,
    /// Last time.
    pub to: DateTime,
    /// How both times are written.
    pub form: Form,
    /// Columns to give; empty for all.
    pub columns: Vec<CaptureObject>,
}

/// Rows by their position, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySelection {
    /// First entry, from 1.
    pub from: u32,
    /// Last entry; 0 for the last one that there is.
    pub to: u32,
    /// First column, from 1.
    pub first_column: u16,
    /// Last column; 0 for the last one.
    pub last_column: u16,
}

impl Selection {
    /// Appends selector and parameters, as they stand in a GET request behind the usage flag.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Range(range) => {
                out.extend_from_slice(&[BY_RANGE, tag::STRUCTURE, 4]);
                range.restricting.encode(out);
                [range.from, range.to].into_iter().for_each(|end| range.form.date_time(end).encode(out));
                out.push(tag::ARRAY);
                write_length(range.columns.len(), out);
                range.columns.iter().for_each(|column| column.encode(out));
            }
            Self::Entries(entries) => {
                out.extend_from_slice(&[BY_ENTRY, tag::STRUCTURE, 4]);
                Data::DoubleLongUnsigned(entries.from).encode(out);
                Data::DoubleLongUnsigned(entries.to).encode(out);
                Data::LongUnsigned(entries.first_column).encode(out);
                Data::LongUnsigned(entries.last_column).encode(out);
            }
            Self::Objects(objects) => objects.encode(out),
        }
    }

    /// Reads selector and parameters of an attribute of this class.
    ///
    /// # Errors
    /// [`Error::Value`] for a selector that the class does not have, [`Error::DataType`] or [`Error::Length`] for parameters of another shape,
    /// [`Error::Truncated`].
    pub fn read(class_id: u16, reader: &mut Reader<'_>) -> Result<Self, Error> {
        if matches!(class_id, ASSOCIATION_SN | association::CLASS) {
            return ObjectSelection::read(reader).map(Self::Objects);
        }
        match reader.u8()? {
            BY_RANGE => {
                four(reader)?;
                let restricting = CaptureObject::read(reader)?;
                let (from, to) = (Data::read(reader)?, Data::read(reader)?);
                let form = Form::of(&from);
                let (from, to) = (DateTime::of(&from, "time")?, DateTime::of(&to, "time")?);
                let data_type = reader.u8()?;
                if data_type != tag::ARRAY {
                    return Err(Error::DataType { expected: "selected columns", got: data_type });
                }
                let count = reader.length()?;
                let columns = (0..count).map(|_| CaptureObject::read(reader)).collect::<Result<_, _>>()?;
                Ok(Self::Range(RangeSelection { restricting, from, to, form, columns }))
            }
            BY_ENTRY => {
                four(reader)?;
                let (from, to) = (double_long_unsigned(reader)?, double_long_unsigned(reader)?);
                let (first_column, last_column) = (long_unsigned(reader)?, long_unsigned(reader)?);
                Ok(Self::Entries(EntrySelection { from, to, first_column, last_column }))
            }
            other => Err(Error::Value { what: "selector", got: u32::from(other) }),
        }
    }
}

fn four(reader: &mut Reader<'_>) -> Result<(), Error> {
    match (reader.u8()?, reader.length()?) {
        (tag::STRUCTURE, 4) => Ok(()),
        (tag::STRUCTURE, got) => Err(Error::Length { what: "selection", expected: 4, got }),
        (got, _) => Err(Error::DataType { expected: "selection", got }),
    }
}

fn double_long_unsigned(reader: &mut Reader<'_>) -> Result<u32, Error> {
    match Data::read(reader)? {
        Data::DoubleLongUnsigned(value) => Ok(value),
        other => Err(Error::DataType { expected: "double-long-unsigned", got: other.data_type() }),
    }
}

fn long_unsigned(reader: &mut Reader<'_>) -> Result<u16, Error> {
    match Data::read(reader)? {
        Data::LongUnsigned(value) => Ok(value),
        other => Err(Error::DataType { expected: "long-unsigned", got: other.data_type() }),
    }
}

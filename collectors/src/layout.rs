use std::sync::Arc;

use dlms::{
    Obis, Unit,
    profile::{CaptureObject, Column, FLOAT_EXPONENT},
};
use jiff::Timestamp;
use models::{ColumnSpec, Model};

/// Most value columns that a profile may have: a stored capture has that many slots.
pub const MAX_VALUES: usize = 16;

/// Unit of the times that a capture holds: the second.
pub(crate) const SECOND: Unit = Unit(7);

/// The columns of a profile at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The profile (class 7).
    pub obis: Obis,
    /// Capture period in seconds; 0 when the captures are not periodic, 86400 when they are taken at local midnight.
    pub period_s: u32,
    /// All columns in the order of the meter's rows.
    pub columns: Vec<LayoutColumn>,
}

/// One column of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutColumn {
    /// What the meter captures here.
    pub capture: CaptureObject,
    /// What the head-end makes of it.
    pub column: Column,
    /// A value times ten to the power of the scaler is in `unit`. 0 in columns that hold no value.
    pub scaler: i8,
    /// Unit of the values; 255 (no unit) in columns that hold no value.
    pub unit: Unit,
}

impl Layout {
    /// The layout that a model says a profile has, for whoever is not asked for it; `None` when the model does not name it, or more values than can be stored.
    pub fn of_model(model: &Model, obis: Obis) -> Option<Self> {
        let spec = model.profiles.iter().find(|spec| spec.obis == obis)?;
        let captures: Vec<CaptureObject> = spec.columns.iter().map(captured).collect();
        let kinds = Column::of_all(&captures);
        let columns =
            spec.columns.iter().zip(kinds).map(|(spec, kind)| LayoutColumn::of_model(spec, kind)).collect();
        Some(Self { obis, period_s: spec.period_s, columns })
            .filter(|layout| layout.values().count() <= MAX_VALUES)
    }

    /// The layout where rows show that columns of numbers hold floats, which have finer units; `None` where the scaler of one has no room for that.
    pub(crate) fn with_floats(self: &Arc<Self>, shown: impl Iterator<Item = Column>) -> Option<Arc<Self>> {
        let mut layout = Arc::clone(self);
        for (place, _) in shown.enumerate().filter(|(_, column)| *column == Column::Float) {
            if self.columns.get(place).is_some_and(|column| column.column == Column::Value) {
                let column = &mut Arc::make_mut(&mut layout).columns[place];
                column.scaler = column.scaler.checked_add(FLOAT_EXPONENT)?;
                column.column = Column::Float;
            }
        }
        Some(layout)
    }

    /// The columns that are stored, in order: column `i` of this iterator is value `i` of a capture. At most [`MAX_VALUES`] in a
    /// layout that a collector reported. A time is stored as seconds since 1970, in UTC.
    pub fn values(&self) -> impl Iterator<Item = &LayoutColumn> {
        self.columns.iter().filter(|column| column.is_stored())
    }

    /// The places of columns that hold values, or times at which values occurred, and are not stored, because a capture has no room for them.
    pub(crate) fn left_out(&self, of: Column) -> impl Iterator<Item = usize> {
        let is_left_out = move |column: &LayoutColumn| {
            column.column == Column::Ignored && Column::of(&column.capture) == of
        };
        self.columns.iter().enumerate().filter(move |(_, column)| is_left_out(column)).map(|(place, _)| place)
    }

    /// The clock column, which the range of a read goes by.
    pub fn clock(&self) -> Option<&LayoutColumn> {
        self.columns.iter().find(|column| column.column == Column::Clock)
    }

    /// The column with the status word of a capture; the first, where there are more.
    pub fn status(&self) -> Option<&LayoutColumn> {
        self.columns.iter().find(|column| column.column == Column::Status)
    }
}

impl LayoutColumn {
    /// Whether it is one of the values of a capture.
    pub fn is_stored(&self) -> bool {
        is_stored(self.column)
    }

    fn of_model(spec: &ColumnSpec, kind: Column) -> Self {
        let capture = captured(spec);
        match kind {
            Column::Value => Self { capture, column: Column::Value, scaler: spec.scaler, unit: spec.unit },
            // Whoever is not asked for columns passes on no times but those of the rows.
            Column::Time => Self { capture, column: Column::Ignored, scaler: 0, unit: Unit::NONE },
            column => Self { capture, column, scaler: 0, unit: Unit::NONE },
        }
    }
}

/// Whether such a column is one of the values of a capture.
pub(crate) const fn is_stored(column: Column) -> bool {
    column.is_number() || matches!(column, Column::Time)
}

fn captured(spec: &ColumnSpec) -> CaptureObject {
    let ColumnSpec { class_id, obis: instance, attribute, .. } = *spec;
    CaptureObject { class_id, instance, attribute, data_index: 0 }
}

/// What is known for certain of a range that was read, the first capture in which is `first`: without a period, what is in front of that may have been there
/// once.
pub(crate) fn certain(
    period_s: u32,
    (from, to): (Timestamp, Timestamp),
    first: Option<Timestamp>,
) -> (Timestamp, Timestamp) {
    if period_s > 0 { (from, to) } else { (first.unwrap_or(to), to) }
}

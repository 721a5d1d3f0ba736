use dlms::{
    Obis, Unit,
    profile::{CaptureObject, Column},
};

/// Most value columns that a profile may have: a stored capture has that many slots.
pub const MAX_VALUES: usize = 16;

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
    /// The value columns in order: column `i` of this iterator is value `i` of a capture. At most [`MAX_VALUES`] in a
    /// layout that a collector reported.
    pub fn values(&self) -> impl Iterator<Item = &LayoutColumn> {
        self.columns.iter().filter(|column| column.column == Column::Value)
    }

    /// The clock column, which the range of a read goes by.
    pub fn clock(&self) -> Option<&LayoutColumn> {
        self.columns.iter().find(|column| column.column == Column::Clock)
    }
}

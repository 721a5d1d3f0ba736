//! Layouts: the columns of profiles, stored once for each content and kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use collectors::{Layout, LayoutColumn};
use dlms::profile::{CaptureObject, Column};
use dlms::{Obis, Unit};
use serde::Deserialize;

use super::{Error, Store, failed};

/// Layouts that are kept in memory; above it the cache starts anew. A fleet has a handful for each model.
const CACHED: usize = 4096;

/// What this process knows of the stored layouts.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    by_id: Mutex<BTreeMap<i32, Arc<Layout>>>,
    by_content: Mutex<BTreeMap<Vec<u8>, i32>>,
}

impl Layouts {
    /// A copy of what is known.
    pub(super) fn known(&self) -> BTreeMap<i32, Arc<Layout>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads a layout as `layout_json` wrote it and keeps it.
    pub(super) fn learn(&self, id: i32, json: &str) -> Result<Arc<Layout>, Error> {
        let stored: Stored = serde_json::from_str(json).map_err(|error| unreadable("layout", error))?;
        let layout = Arc::new(stored.layout()?);
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        if by_id.len() >= CACHED {
            by_id.clear();
        }
        by_id.insert(id, Arc::clone(&layout));
        Ok(layout)
    }

    fn find(&self, content: &[u8]) -> Option<i32> {
        self.by_content.lock().unwrap_or_else(PoisonError::into_inner).get(content).copied()
    }

    fn keep(&self, content: Vec<u8>, id: i32) {
        let mut by_content = self.by_content.lock().unwrap_or_else(PoisonError::into_inner);
        if by_content.len() >= CACHED {
            by_content.clear();
        }
        by_content.insert(content, id);
    }
}

impl Store {
    /// The id of a layout; it is stored when it is new. Layouts are never changed, so this needs no transaction with what
    /// refers to them.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Refused`] when a column has values that no meter has.
    pub async fn intern_layout(&self, layout: &Layout) -> Result<i32, Error> {
        let content = content(layout);
        if let Some(id) = self.layouts.find(&content) {
            return Ok(id);
        }
        // When another process stores the same layout at this moment, the first statement waits for it but does not see it.
        for _ in 0..2 {
            if let Some(id) = insert(self, layout, &content).await? {
                self.layouts.keep(content, id);
                return Ok(id);
            }
        }
        Err(Error::Contended {
            statement: "store::layouts::intern",
            detail: "the layout came and went".into(),
        })
    }
}

async fn insert(store: &Store, layout: &Layout, content: &[u8]) -> Result<Option<i32>, Error> {
    let mut slot = 0_i16..;
    let slots: Vec<Option<i16>> =
        layout.columns.iter().map(|column| if column.is_stored() { slot.next() } else { None }).collect();
    let each = |value: fn(&LayoutColumn) -> i32| layout.columns.iter().map(value).collect::<Vec<i32>>();
    let names: Vec<Vec<u8>> =
        layout.columns.iter().map(|column| column.capture.instance.octets().to_vec()).collect();
    sqlx::query_scalar(
        "/* store::layouts::intern */
         WITH made AS (
             INSERT INTO profile_layout (obis, period_s, columns_hash) VALUES ($1, $2, sha256($3))
             ON CONFLICT (columns_hash) DO NOTHING RETURNING id),
         slots AS (
             INSERT INTO profile_slot (layout_id, position, slot, class_id, obis, attribute, data_index, scaler, unit, is_float)
             SELECT made.id, c.n - 1, c.slot, c.class_id, c.obis, c.attribute, c.data_index, c.scaler, c.unit, c.is_float
             FROM made, unnest($4::int2[], $5::int4[], $6::bytea[], $7::int4[], $8::int4[], $9::int4[], $10::int4[], $11::bool[])
                 WITH ORDINALITY AS c (slot, class_id, obis, attribute, data_index, scaler, unit, is_float, n))
         SELECT id FROM made UNION ALL SELECT id FROM profile_layout WHERE columns_hash = sha256($3)",
    )
    .bind(layout.obis.octets().to_vec())
    .bind(small::<i32, u32>("capture period", layout.period_s)?)
    .bind(content)
    .bind(slots)
    .bind(each(|column| i32::from(column.capture.class_id)))
    .bind(names)
    .bind(each(|column| i32::from(column.capture.attribute)))
    .bind(each(|column| i32::from(column.capture.data_index)))
    .bind(each(|column| i32::from(column.scaler)))
    .bind(each(|column| i32::from(column.unit.0)))
    .bind(layout.columns.iter().map(|column| column.column == Column::Float).collect::<Vec<_>>())
    .fetch_optional(&store.pool)
    .await
    .map_err(failed("store::layouts::intern"))
}

/// Everything that makes a layout what it is, in a fixed order. Part of the schema: the hash of it is stored.
fn content(layout: &Layout) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10 + layout.columns.len() * 14);
    bytes.extend_from_slice(&layout.obis.octets());
    bytes.extend_from_slice(&layout.period_s.to_be_bytes());
    for column in &layout.columns {
        bytes.extend_from_slice(&column.capture.class_id.to_be_bytes());
        bytes.extend_from_slice(&column.capture.instance.octets());
        bytes.extend_from_slice(&column.capture.attribute.to_be_bytes());
        bytes.extend_from_slice(&column.capture.data_index.to_be_bytes());
        bytes.push(match column.column {
            Column::Float => 2,
            _ => column.is_stored().into(),
        });
        bytes.extend_from_slice(&column.scaler.to_be_bytes());
        bytes.push(column.unit.0);
    }
    bytes
}

/// A layout as `layout_json` writes it.
#[derive(Deserialize)]
struct Stored {
    obis: String,
    period_s: u32,
    columns: Vec<StoredColumn>,
}

#[derive(Deserialize)]
struct StoredColumn {
    class_id: u16,
    obis: String,
    attribute: i8,
    data_index: u16,
    slot: Option<u8>,
    scaler: i8,
    unit: u8,
    is_float: bool,
}

impl Stored {
    fn layout(self) -> Result<Layout, Error> {
        let captures = self.columns.iter().map(StoredColumn::capture).collect::<Result<Vec<_>, _>>()?;
        let columns = self.columns.iter().zip(&captures).zip(Column::of_all(&captures));
        let columns = columns.map(|((stored, capture), kind)| stored.column(*capture, kind)).collect();
        Ok(Layout { obis: parse(&self.obis)?, period_s: self.period_s, columns })
    }
}

impl StoredColumn {
    fn capture(&self) -> Result<CaptureObject, Error> {
        let Self { class_id, attribute, data_index, .. } = *self;
        Ok(CaptureObject { class_id, instance: parse(&self.obis)?, attribute, data_index })
    }

    fn column(&self, capture: CaptureObject, kind: Column) -> LayoutColumn {
        let column = match (self.slot, kind) {
            (Some(_), Column::Time) => Column::Time,
            (Some(_), _) if self.is_float => Column::Float,
            (Some(_), _) => Column::Value,
            (None, Column::Value | Column::Time) => Column::Ignored,
            (None, other) => other,
        };
        LayoutColumn { capture, column, scaler: self.scaler, unit: Unit(self.unit) }
    }
}

fn parse(text: &str) -> Result<Obis, Error> {
    text.parse().map_err(|_| unreadable("logical name", text))
}

/// A logical name from its stored octets.
pub(super) fn obis(stored: &[u8]) -> Result<Obis, Error> {
    let octets: [u8; 6] =
        stored.try_into().map_err(|_| unreadable("logical name", format!("{} octets", stored.len())))?;
    Ok(Obis::new(octets))
}

/// A stored number that has to fit into a smaller type.
pub(super) fn small<T: TryFrom<N>, N: Copy + std::fmt::Display>(
    what: &'static str,
    stored: N,
) -> Result<T, Error> {
    T::try_from(stored).map_err(|_| unreadable(what, stored))
}

fn unreadable(what: &'static str, detail: impl std::fmt::Display) -> Error {
    Error::Unreadable { what, detail: detail.to_string() }
}

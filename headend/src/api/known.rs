//! Meters of a filter, which have to exist.

use super::check;
use super::status::Refusal;
use crate::store::Store;

/// The keys of meters by their serial numbers, ascending, each once; at most `limit` are looked up.
///
/// # Errors
/// [`Refusal::OverLimit`], [`Refusal::InvalidField`], and [`Refusal::MeterNotFound`] with the first that is not known.
pub(super) async fn meters(store: &Store, serials: &[String], limit: usize) -> Result<Vec<i32>, Refusal> {
    check::list("meter_serials", serials, limit)?;
    serials.iter().try_for_each(|serial| check::serial("meter_serials", serial))?;
    let known = store.meter_ids(serials).await?;
    if let Some(unknown) = serials.iter().find(|serial| !known.contains_key(*serial)) {
        return Err(Refusal::MeterNotFound { serial: unknown.clone() });
    }
    let mut ids: Vec<_> = known.into_values().collect();
    ids.sort_unstable();
    Ok(ids)
}

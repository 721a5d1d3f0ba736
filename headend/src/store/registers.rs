//! Registers and identities: what is read on its own. Written by [`super::batch`], inside of its transaction.

use collectors::{JobId, MeterId, RegisterValue};
use dlms::security::SystemTitle;
use jiff_sqlx::{Timestamp as SqlTimestamp, ToSqlx as _};
use sqlx::PgConnection;

use super::log::Changes;
use super::{Error, failed};

/// A register value and where it comes from.
pub(super) type Register<'a> = (MeterId, JobId, &'a RegisterValue);

/// Who a meter says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub(super) meter: MeterId,
    pub(super) logical_device_name: Option<&'a str>,
    pub(super) firmware: Option<&'a str>,
    pub(super) system_title: Option<SystemTitle>,
}

/// Stores register values, which come to count at `stored_at`; one that is known already stays as it is. Returns how many are new and notes them in `changes`.
pub(super) async fn insert(
    connection: &mut PgConnection,
    values: &[Register<'_>],
    stored_at: SqlTimestamp,
    changes: &mut Changes,
) -> Result<u64, Error> {
    if values.is_empty() {
        return Ok(0);
    }
    let made: Vec<(i32, SqlTimestamp)> = sqlx::query_as(
        "/* store::registers::insert */
         INSERT INTO register_row (meter_id, obis, attribute, ts, value, scaler, unit, job_id, stored_at)
         SELECT *, $9::timestamptz FROM unnest($1::int4[], $2::bytea[], $3::int2[], $4::timestamptz[], $5::int8[], $6::int2[], $7::int2[],
                              $8::int8[])
         ON CONFLICT DO NOTHING RETURNING meter_id, ts",
    )
    .bind(values.iter().map(|(meter, ..)| *meter).collect::<Vec<_>>())
    .bind(values.iter().map(|(.., value)| value.obis.octets().to_vec()).collect::<Vec<_>>())
    .bind(values.iter().map(|(.., value)| i16::from(value.attribute)).collect::<Vec<_>>())
    .bind(values.iter().map(|(.., value)| value.at.to_sqlx()).collect::<Vec<_>>())
    .bind(values.iter().map(|(.., value)| value.value).collect::<Vec<_>>())
    .bind(values.iter().map(|(.., value)| i16::from(value.scaler)).collect::<Vec<_>>())
    .bind(values.iter().map(|(.., value)| i16::from(value.unit.0)).collect::<Vec<_>>())
    .bind(values.iter().map(|(_, job, _)| *job).collect::<Vec<_>>())
    .bind(stored_at)
    .fetch_all(connection)
    .await
    .map_err(failed("store::registers::insert"))?;
    for (meter, ts) in &made {
        changes.note(*meter, None, ts.to_jiff().as_microsecond());
    }
    Ok(made.len() as u64)
}

/// Notes who meters say they are; what a meter does not say stays as it was, and a system title belongs to the first meter that
/// has it. With another firmware, a meter may capture other columns.
pub(super) async fn identify(
    connection: &mut PgConnection,
    identities: &[Identity<'_>],
) -> Result<(), Error> {
    if identities.is_empty() {
        return Ok(());
    }
    let text = |value: Option<&str>| value.map(str::to_owned);
    sqlx::query(
        "/* store::registers::identify */
         WITH shown AS (
             SELECT *, min(id) FILTER (WHERE system_title IS NOT NULL) OVER (PARTITION BY system_title) AS holder
             FROM unnest($1::int4[], $2::text[], $3::text[], $4::bytea[]) AS n (id, logical_device_name, firmware, system_title)),
         doubted AS (
             UPDATE meter_profile p SET layout_read_at = NULL FROM shown i JOIN meter m ON m.id = i.id
             WHERE p.meter_id = i.id AND i.firmware <> m.firmware)
         UPDATE meter m SET identified_at = now(), firmware = coalesce(i.firmware, m.firmware),
             logical_device_name = coalesce(i.logical_device_name, m.logical_device_name),
             system_title = CASE
                 WHEN i.holder = i.id AND NOT EXISTS (
                     SELECT FROM meter o WHERE o.system_title = i.system_title AND o.id <> i.id) THEN i.system_title
                 ELSE m.system_title END
         FROM shown i WHERE m.id = i.id",
    )
    .bind(identities.iter().map(|identity| identity.meter).collect::<Vec<_>>())
    .bind(identities.iter().map(|identity| text(identity.logical_device_name)).collect::<Vec<_>>())
    .bind(identities.iter().map(|identity| text(identity.firmware)).collect::<Vec<_>>())
    .bind(identities.iter().map(|identity| identity.system_title.map(|title| title.octets().to_vec())).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed("store::registers::identify"))?;
    Ok(())
}

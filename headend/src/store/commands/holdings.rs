//! What a command clears: whose registers these are, and what they held before anything was sent.

use collectors::{Held, Part, RegisterValue};
use dlms::Unit;
use jiff_sqlx::{Timestamp, ToSqlx as _};
use sqlx::PgConnection;

use crate::store::layouts::{obis, small};
use crate::store::log::Changes;
use crate::store::{Error, READING_CHANNEL, Store, failed, known, log, registers};

/// Key, serial number, number and address of a sub-unit.
type PartRow = (i32, String, i16, Option<i64>);

/// A row of `command_holding`.
type Row = (i32, Vec<u8>, i16, i32, Timestamp, i64, i16, i16);

impl Store {
    /// The sub-units in service of the meter of a command, by their numbers, each circuit of one that has several, with their addresses on the way to the meter that is taken.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn parts_of(&self, command: i64) -> Result<Vec<Part>, Error> {
        let rows: Vec<PartRow> = sqlx::query_as(
            "/* store::parts_of */
             SELECT p.id, p.serial, p.subunit, CASE WHEN w.place IS NULL THEN p.device_address ELSE w.device_address END
             FROM command c JOIN meter m ON m.id = c.meter_id JOIN meter p ON p.parent_id = m.id
             LEFT JOIN meter_path w ON w.meter_id = p.id AND w.place = m.path
             WHERE c.id = $1 AND p.state = 'active' ORDER BY p.subunit, p.circuit",
        )
        .bind(command)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::parts_of"))?;
        rows.into_iter().map(part).collect()
    }

    /// What was kept last for a command; empty before that.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn holdings(&self, command: i64) -> Result<Vec<Held>, Error> {
        let rows: Vec<Row> = sqlx::query_as(
            "/* store::holdings */
             SELECT meter_id, obis, attribute, class_id, ts, value, scaler, unit FROM command_holding
             WHERE command_id = $1 ORDER BY meter_id, obis",
        )
        .bind(command)
        .fetch_all(self.pool())
        .await
        .map_err(failed("store::holdings"))?;
        rows.into_iter().map(held).collect()
    }

    /// Keeps what is about to be cleared, as readings and beside the command in place of what was kept before: one transaction. False when the command has come to its end.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn keep_holdings(&self, command: i64, held: &[Held]) -> Result<bool, Error> {
        super::super::repeat("store::keep_holdings", || self.try_keep(command, held)).await
    }

    async fn try_keep(&self, command: i64, held: &[Held]) -> Result<bool, Error> {
        let failed = failed("store::keep_holdings");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let job: Option<i64> = sqlx::query_scalar(
            "/* store::keep_holdings */ SELECT job_id FROM command
             WHERE id = $1 AND finished_at IS NULL AND job_id IS NOT NULL FOR NO KEY UPDATE",
        )
        .bind(command)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(&failed)?;
        let Some(job) = job else { return Ok(false) };
        let readings: Vec<_> = held.iter().map(|held| (held.meter, job, &held.value)).collect();
        let mut changes = Changes::default();
        let stored_at = known::storing_at(&mut transaction).await?;
        registers::insert(&mut transaction, &readings, stored_at, &mut changes).await?;
        replace(&mut transaction, command, held).await?;
        log::insert(&mut transaction, &changes).await?;
        sqlx::query(
            "/* store::keep_holdings */ SELECT pg_notify($1, meter::text) FROM unnest($2::int4[]) AS meter",
        )
        .bind(READING_CHANNEL)
        .bind(changes.meters())
        .execute(&mut *transaction)
        .await
        .map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }
}

/// Writes what is kept beside a command in place of what was.
async fn replace(connection: &mut PgConnection, command: i64, held: &[Held]) -> Result<(), Error> {
    let failed = failed("store::keep_holdings");
    sqlx::query("/* store::keep_holdings */ DELETE FROM command_holding WHERE command_id = $1")
        .bind(command)
        .execute(&mut *connection)
        .await
        .map_err(&failed)?;
    let values = || held.iter().map(|held| &held.value);
    sqlx::query(
        "/* store::keep_holdings */
         INSERT INTO command_holding (command_id, meter_id, obis, attribute, class_id, ts, value, scaler, unit)
         SELECT $1, * FROM unnest($2::int4[], $3::bytea[], $4::int2[], $5::int4[], $6::timestamptz[], $7::int8[], $8::int2[], $9::int2[])",
    )
    .bind(command)
    .bind(held.iter().map(|held| held.meter).collect::<Vec<_>>())
    .bind(values().map(|value| value.obis.octets().to_vec()).collect::<Vec<_>>())
    .bind(values().map(|value| i16::from(value.attribute)).collect::<Vec<_>>())
    .bind(values().map(|value| i32::from(value.class_id)).collect::<Vec<_>>())
    .bind(values().map(|value| value.at.to_sqlx()).collect::<Vec<_>>())
    .bind(values().map(|value| value.value).collect::<Vec<_>>())
    .bind(values().map(|value| i16::from(value.scaler)).collect::<Vec<_>>())
    .bind(values().map(|value| i16::from(value.unit.0)).collect::<Vec<_>>())
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

/// The sub-unit of a row.
fn part((meter, serial, subunit, address): PartRow) -> Result<Part, Error> {
    let device_address = address.map(|address| small("device address", address)).transpose()?;
    Ok(Part { meter, serial, subunit: small("sub-unit", subunit)?, device_address })
}

/// What a row says.
fn held((meter, name, attribute, class_id, ts, value, scaler, unit): Row) -> Result<Held, Error> {
    let value = RegisterValue {
        obis: obis(&name)?,
        attribute: small("attribute", attribute)?,
        class_id: small("class", class_id)?,
        value,
        scaler: small("scaler", scaler)?,
        unit: Unit(small("unit", unit)?),
        at: ts.to_jiff(),
    };
    Ok(Held { meter, value })
}

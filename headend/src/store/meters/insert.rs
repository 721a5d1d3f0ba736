//! Meters into the inventory: devices first, then their sub-units, which may take their way from them.

use std::collections::{BTreeMap, BTreeSet};

use collectors::MeterId;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{PgConnection, PgTransaction, Postgres};

use super::super::{Error, failed};
use super::{Added, NewMeter, PartOf, Path, Secret, Secrets};

/// Rows that go to the server in one statement.
pub(super) const CHUNK: usize = 5_000;

/// Meters as rows `new` of a statement whose arguments from `$1` to `$21` are those of [`with_rows`]. What a sub-unit does not say of the way to it is its
/// parent's.
macro_rules! new_rows {
    () => {
        "(SELECT n.serial, n.model, coalesce(n.address, p.address) AS address,
             coalesce(n.device_address, CASE WHEN n.address IS NULL THEN p.device_address END) AS device_address, n.server_sap, n.client_sap, n.zone,
             n.security::security_level AS security, n.client_title, n.system_title, n.equipment_id, n.suite, n.policy::security_policy AS policy,
             n.meter_public_key, p.id AS parent_id, n.subunit,
             coalesce(n.throttle_group, CASE WHEN n.address IS NULL THEN p.throttle_group END) AS throttle_group, n.line, n.pulses_per_kwh, n.ratio,
             n.circuit
         FROM unnest($1::text[], $2::text[], $3::text[], $4::int4[], $5::int4[], $6::text[], $7::text[], $8::bytea[],
             $9::bytea[], $10::text[], $11::int8[], $12::int2[], $13::text[], $14::bytea[], $15::text[], $16::int2[], $17::text[], $18::text[],
             $19::int4[], $20::text[], $21::int2[])
             AS n (serial, model, address, server_sap, client_sap, zone, security, client_title, system_title, equipment_id,
             device_address, suite, policy, meter_public_key, parent, subunit, throttle_group, line, pulses_per_kwh, ratio, circuit)
         LEFT JOIN meter p ON p.serial = n.parent) AS new"
    };
}
pub(super) use new_rows;

/// Inserts all meters; when some can not be, only a part was, and the transaction has to be rolled back.
pub(super) async fn all(transaction: &mut PgTransaction<'_>, meters: &[NewMeter]) -> Result<Added, Error> {
    let (subunits, devices): (Vec<&NewMeter>, Vec<&NewMeter>) =
        meters.iter().partition(|meter| meter.part_of.is_some());
    let mut taken = insert(transaction, &devices).await?;
    let orphans = orphans(transaction, &subunits).await?;
    if !orphans.is_empty() {
        return Ok(Added::Orphaned(orphans));
    }
    taken.extend(insert(transaction, &subunits).await?);
    Ok(if taken.is_empty() { Added::All } else { Added::Taken(taken) })
}

/// Inserts meters with all that belongs to them, and returns the serial numbers of those of which something is taken.
async fn insert(transaction: &mut PgTransaction<'_>, meters: &[&NewMeter]) -> Result<Vec<String>, Error> {
    let mut taken = Vec::new();
    for chunk in meters.chunks(CHUNK) {
        let ids = insert_meters(transaction, chunk).await?;
        let missing = chunk.iter().filter(|meter| !ids.contains_key(&meter.serial));
        taken.extend(missing.map(|meter| meter.serial.clone()));
        if taken.is_empty() {
            insert_paths(transaction, chunk, &ids).await?;
            write_secrets(transaction, chunk, &ids).await?;
        }
    }
    Ok(taken)
}

/// The sub-units whose parent is no device in service.
pub(super) async fn orphans(
    transaction: &mut PgTransaction<'_>,
    subunits: &[&NewMeter],
) -> Result<Vec<String>, Error> {
    let parents = || subunits.iter().filter_map(|meter| Some((meter, &meter.part_of.as_ref()?.parent)));
    let wanted: BTreeSet<&str> = parents().map(|(_, parent)| parent.as_str()).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let connection: &mut PgConnection = transaction;
    let found: Vec<String> = sqlx::query_scalar(
        "/* store::meters::orphans */ SELECT serial FROM meter
         WHERE serial = ANY ($1) AND parent_id IS NULL AND state = 'active'",
    )
    .bind(wanted.into_iter().collect::<Vec<_>>())
    .fetch_all(connection)
    .await
    .map_err(failed("store::meters::orphans"))?;
    let found: BTreeSet<String> = found.into_iter().collect();
    let lost = parents().filter(|(_, parent)| !found.contains(*parent));
    Ok(lost.map(|(meter, _)| meter.serial.clone()).collect())
}

/// One cell of each meter.
pub(super) fn column<'a, T>(meters: &[&'a NewMeter], cell: impl Fn(&'a NewMeter) -> T) -> Vec<T> {
    meters.iter().map(|meter| cell(meter)).collect()
}

/// A device address as it is stored; what does not fit is refused by the table.
fn stored(device_address: Option<u64>) -> Option<i64> {
    device_address.map(|address| i64::try_from(address).unwrap_or(i64::MAX))
}

/// Inserts what is new and returns the keys by serial number; a meter of which something is taken is missing.
async fn insert_meters(
    transaction: &mut PgTransaction<'_>,
    meters: &[&NewMeter],
) -> Result<BTreeMap<String, MeterId>, Error> {
    let connection: &mut PgConnection = transaction;
    let statement = concat!(
        "/* store::meters::insert_meters */ INSERT INTO meter
             (serial, model, address, device_address, server_sap, client_sap, zone, security, client_title, system_title,
              equipment_id, suite, policy, meter_public_key, parent_id, subunit, throttle_group, line,
              pulses_per_kwh, ratio, circuit)
         SELECT new.serial, new.model, new.address, new.device_address, new.server_sap, new.client_sap, new.zone, new.security,
             new.client_title, new.system_title, new.equipment_id, new.suite, new.policy, new.meter_public_key, new.parent_id, new.subunit,
             new.throttle_group, new.line, new.pulses_per_kwh, new.ratio, new.circuit
         FROM ",
        new_rows!(),
        " ON CONFLICT DO NOTHING RETURNING serial, id"
    );
    let rows = with_rows(statement, meters).fetch_all(connection);
    Ok(rows.await.map_err(failed("store::meters::insert_meters"))?.into_iter().collect())
}

/// A statement with the rows of [`new_rows`] as its first arguments, which returns serial numbers with keys.
pub(super) fn with_rows<'q>(
    statement: &'static str,
    meters: &[&'q NewMeter],
) -> QueryAs<'q, Postgres, (String, MeterId), PgArguments> {
    let part = |meter: &NewMeter| meter.part_of.as_ref().map(|PartOf { subunit, .. }| i16::from(*subunit));
    let circuit = |meter: &NewMeter| meter.part_of.as_ref().map_or(1, |part| i16::from(part.circuit));
    sqlx::query_as(statement)
        .bind(column(meters, |meter| meter.serial.as_str()))
        .bind(column(meters, |meter| meter.model.as_str()))
        .bind(column(meters, |meter| meter.address.as_ref().map(ToString::to_string)))
        .bind(column(meters, |meter| i32::from(meter.server_sap)))
        .bind(column(meters, |meter| i32::from(meter.client_sap)))
        .bind(column(meters, |meter| meter.zone.as_str()))
        .bind(column(meters, |meter| meter.secrets.security.as_str()))
        .bind(column(meters, |meter| meter.secrets.client_title.as_ref().map(|title| &title[..])))
        .bind(column(meters, |meter| meter.system_title.as_ref().map(|title| &title[..])))
        .bind(column(meters, |meter| meter.equipment_id.as_deref()))
        .bind(column(meters, |meter| stored(meter.device_address)))
        .bind(column(meters, |meter| i16::from(meter.secrets.suite)))
        .bind(column(meters, |meter| meter.secrets.policy.as_str()))
        .bind(column(meters, |meter| meter.secrets.meter_public_key.as_deref()))
        .bind(column(meters, |meter| meter.part_of.as_ref().map(|part| part.parent.as_str())))
        .bind(column(meters, part))
        .bind(column(meters, |meter| meter.throttle_group.as_deref()))
        .bind(column(meters, |meter| meter.line.as_deref()))
        .bind(column(meters, |meter| meter.pulses_per_kwh))
        .bind(column(meters, |meter| meter.ratio.as_deref()))
        .bind(column(meters, circuit))
}

/// Inserts further ways. A sub-unit without a way of its own takes those of its parent, too.
pub(super) async fn insert_paths(
    transaction: &mut PgTransaction<'_>,
    meters: &[&NewMeter],
    ids: &BTreeMap<String, MeterId>,
) -> Result<(), Error> {
    let connection: &mut PgConnection = transaction;
    let mut rows: Vec<(MeterId, i16, &Path)> = Vec::new();
    for meter in meters {
        let id = ids.get(&meter.serial).copied().unwrap_or_default();
        rows.extend((1..).zip(&meter.paths).map(|(place, path)| (id, place, path)));
    }
    let heirs = meters.iter().filter(|meter| meter.address.is_none());
    let heirs: Vec<MeterId> = heirs.filter_map(|meter| ids.get(&meter.serial).copied()).collect();
    if rows.is_empty() && heirs.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(
        "/* store::meters::insert_paths */ INSERT INTO meter_path (meter_id, place, address, device_address)
         SELECT * FROM unnest($1::int4[], $2::int2[], $3::text[], $4::int8[])
         UNION ALL
         SELECT m.id, p.place, p.address, CASE WHEN m.device_address IS DISTINCT FROM o.device_address
             THEN m.device_address ELSE p.device_address END
         FROM meter m JOIN meter o ON o.id = m.parent_id JOIN meter_path p ON p.meter_id = o.id WHERE m.id = ANY ($5)",
    );
    let query = query
        .bind(rows.iter().map(|(id, _, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, place, _)| *place).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, path)| path.address.to_string()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, _, path)| stored(path.device_address)).collect::<Vec<_>>())
        .bind(heirs);
    query.execute(connection).await.map_err(failed("store::meters::insert_paths")).map(drop)
}

/// Writes secrets, and the invocation counters of meters with ciphering, which only rise.
pub(super) async fn write_secrets(
    transaction: &mut PgTransaction<'_>,
    meters: &[&NewMeter],
    ids: &BTreeMap<String, MeterId>,
) -> Result<(), Error> {
    let secured: Vec<_> = meters.iter().filter(|meter| !meter.secrets.is_empty()).collect();
    let column = |cell: fn(&Secrets) -> Option<&Secret>| -> Vec<Option<&[u8]>> {
        secured.iter().map(|meter| cell(&meter.secrets).map(|octets| octets.as_slice())).collect()
    };
    let owners: Vec<_> = secured.iter().map(|meter| ids.get(&meter.serial).copied()).collect();
    let connection: &mut PgConnection = transaction;
    let query = sqlx::query(
        "/* store::meters::write_secrets */ WITH new AS (
             SELECT * FROM unnest($1::int4[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::int8[])
                 AS n (meter_id, password, encryption_key, authentication_key, signing_key, next)),
         secret AS (
             INSERT INTO meter_secret (meter_id, password, encryption_key, authentication_key, signing_key)
             SELECT meter_id, password, encryption_key, authentication_key, signing_key FROM new
             ON CONFLICT (meter_id) DO UPDATE SET password = EXCLUDED.password, encryption_key = EXCLUDED.encryption_key,
                 authentication_key = EXCLUDED.authentication_key, signing_key = EXCLUDED.signing_key)
         INSERT INTO meter_counter AS c (meter_id, next) SELECT meter_id, next FROM new WHERE encryption_key IS NOT NULL
         ON CONFLICT (meter_id) DO UPDATE SET next = EXCLUDED.next WHERE c.next < EXCLUDED.next",
    );
    let query = query
        .bind(owners)
        .bind(column(|secrets| secrets.password.as_ref()))
        .bind(column(|secrets| secrets.keys.as_ref().map(|[encryption, _]| encryption)))
        .bind(column(|secrets| secrets.keys.as_ref().map(|[_, authentication]| authentication)))
        .bind(column(|secrets| secrets.signing_key.as_ref()))
        .bind(secured.iter().map(|meter| i64::from(meter.first_counter)).collect::<Vec<_>>());
    query.execute(connection).await.map_err(failed("store::meters::write_secrets")).map(drop)
}

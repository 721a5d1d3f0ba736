//! Meters of the inventory.

use std::collections::BTreeMap;
use std::fmt;

use collectors::Address;
use jiff_sqlx::Timestamp;
use sqlx::{PgConnection, PgTransaction};
use zeroize::Zeroizing;

use super::audit::{self, Entry};
use super::{Error, Policy, Security, Store, failed};

/// Rows that go to the server in one statement.
const CHUNK: usize = 5_000;

/// A meter, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Meter {
    /// Key.
    pub id: i32,
    /// Serial number.
    pub serial: String,
    /// Name of its model.
    pub model: String,
    /// Where its line ends, as [`collectors::Address`] writes it.
    pub address: String,
    /// The meter on its HDLC line.
    pub device_address: Option<i32>,
    /// Address of the logical device in the meter.
    pub server_sap: i32,
    /// Address of the client.
    pub client_sap: i32,
    /// IANA time zone.
    pub zone: String,
    /// How the head-end shows who it is.
    pub security: Security,
    /// Security suite.
    pub suite: i16,
    /// How messages are protected.
    pub policy: Policy,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was taken out of service; `None` while it is active.
    pub retired_at: Option<Timestamp>,
    /// What it says of itself.
    pub logical_device_name: Option<String>,
    /// Its firmware version.
    pub firmware: Option<String>,
    /// When it was last identified.
    pub identified_at: Option<Timestamp>,
    /// Its system title, 8 octets.
    pub system_title: Option<Vec<u8>>,
    /// What it calls itself in pushes, when that is neither its serial number nor its logical device name.
    pub equipment_id: Option<String>,
}

/// Octets that are wiped when they are dropped.
pub type Secret = Zeroizing<Vec<u8>>;

/// How a meter to be added is spoken to. Everything was checked before.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// How the head-end shows who it is.
    pub security: Security,
    /// Security suite.
    pub suite: u8,
    /// How messages are protected.
    pub policy: Policy,
    /// System title of the client. No secret.
    pub client_title: Option<[u8; 8]>,
    /// Password or secret.
    pub password: Option<Secret>,
    /// Global unicast encryption key and authentication key.
    pub keys: Option<[Secret; 2]>,
    /// Private key for signatures.
    pub signing_key: Option<Secret>,
    /// The meter's public key for signatures. No secret.
    pub meter_public_key: Option<Vec<u8>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(***)", self.security)
    }
}

impl Secrets {
    /// No authentication.
    pub const fn none() -> Self {
        Self {
            security: Security::None,
            suite: 0,
            policy: Policy::None,
            client_title: None,
            password: None,
            keys: None,
            signing_key: None,
            meter_public_key: None,
        }
    }

    const fn is_empty(&self) -> bool {
        self.password.is_none() && self.keys.is_none() && self.signing_key.is_none()
    }
}

/// A meter to be added. Everything was checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMeter {
    /// Serial number.
    pub serial: String,
    /// Name of its model.
    pub model: String,
    /// Where its line ends.
    pub address: Address,
    /// The meter on its HDLC line.
    pub device_address: Option<u16>,
    /// Address of the logical device in the meter.
    pub server_sap: u16,
    /// Address of the client.
    pub client_sap: u16,
    /// IANA time zone.
    pub zone: String,
    /// Level of security and what it needs.
    pub secrets: Secrets,
    /// System title of the meter, when it is known.
    pub system_title: Option<[u8; 8]>,
    /// What it calls itself in pushes, when that is neither its serial number nor its logical device name.
    pub equipment_id: Option<String>,
}

/// What came of adding meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// All were added.
    All,
    /// None was added, because of the meters with these serial numbers the serial number, the system title or the equipment id is
    /// taken.
    Taken(Vec<String>),
}

/// Which meters to list; what is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeterFilter {
    /// Only of this model.
    pub model: Option<String>,
    /// Only in service (`true`), only out of service (`false`).
    pub active: Option<bool>,
    /// Only with a serial number that begins so.
    pub serial_prefix: String,
}

/// How far a profile of a meter was read.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ProfileState {
    /// Logical name, 6 octets.
    pub obis: Vec<u8>,
    /// High-water mark.
    pub last_ts: Option<Timestamp>,
    /// When a read last succeeded.
    pub read_at: Option<Timestamp>,
}

impl Store {
    /// Adds meters with their secrets, all of them or none, and then `entry` to the audit: one transaction.
    ///
    /// # Errors
    /// Every [`Error`] of the server; nothing was added then, unless the answer to the commit was lost.
    pub async fn add_meters(&self, meters: &[NewMeter], entry: &Entry) -> Result<Added, Error> {
        let failed = failed("store::add_meters");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let mut taken = Vec::new();
        for chunk in meters.chunks(CHUNK) {
            let ids = insert_meters(&mut transaction, chunk).await?;
            taken.extend(
                chunk.iter().filter(|meter| !ids.contains_key(&meter.serial)).map(|m| m.serial.clone()),
            );
            if taken.is_empty() {
                insert_secrets(&mut transaction, chunk, &ids).await?;
            }
        }
        if !taken.is_empty() {
            transaction.rollback().await.map_err(&failed)?;
            return Ok(Added::Taken(taken));
        }
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(Added::All)
    }

    /// The meter with a serial number.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn meter(&self, serial: &str) -> Result<Option<Meter>, Error> {
        let query = sqlx::query_as(
            "/* store::meter */ SELECT id, serial, model, address, device_address, server_sap, client_sap, zone, security, suite, policy, created_at,
                 retired_at, logical_device_name, firmware, identified_at, system_title, equipment_id
             FROM meter WHERE serial = $1",
        );
        query.bind(serial).fetch_optional(self.pool()).await.map_err(failed("store::meter"))
    }

    /// Meters in the order of their serial numbers, from behind `after` on, at most `limit`.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn list_meters(
        &self,
        filter: &MeterFilter,
        after: Option<&str>,
        limit: i64,
    ) -> Result<Vec<Meter>, Error> {
        let query = sqlx::query_as(
            "/* store::list_meters */ SELECT id, serial, model, address, device_address, server_sap, client_sap, zone, security, suite, policy, created_at,
                 retired_at, logical_device_name, firmware, identified_at, system_title, equipment_id
             FROM meter
             WHERE ($1::text IS NULL OR model = $1) AND ($2::bool IS NULL OR (state = 'active') = $2)
                 AND starts_with(serial, $3) AND serial > $4
             ORDER BY serial LIMIT $5",
        );
        let query = query.bind(&filter.model).bind(filter.active).bind(&filter.serial_prefix);
        // Every serial number sorts behind the empty text, because none is empty.
        let query = query.bind(after.unwrap_or_default()).bind(limit);
        query.fetch_all(self.pool()).await.map_err(failed("store::list_meters"))
    }

    /// The serial numbers of meters by key.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn meter_serials(&self, ids: &[i32]) -> Result<BTreeMap<i32, String>, Error> {
        let query = sqlx::query_as::<_, (i32, String)>(
            "/* store::meter_serials */ SELECT id, serial FROM meter WHERE id = ANY($1)",
        );
        let rows = query.bind(ids).fetch_all(self.pool()).await.map_err(failed("store::meter_serials"))?;
        Ok(rows.into_iter().collect())
    }

    /// The keys of meters by serial number; unknown ones are missing from the answer.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn meter_ids(&self, serials: &[String]) -> Result<BTreeMap<String, i32>, Error> {
        let query = sqlx::query_as::<_, (String, i32)>(
            "/* store::meter_ids */ SELECT serial, id FROM meter WHERE serial = ANY($1)",
        );
        let rows = query.bind(serials).fetch_all(self.pool()).await.map_err(failed("store::meter_ids"))?;
        Ok(rows.into_iter().collect())
    }

    /// How far the profiles of a meter were read, by logical name.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn profile_states(&self, meter: i32) -> Result<Vec<ProfileState>, Error> {
        let query = sqlx::query_as(
            "/* store::profile_states */ SELECT obis, last_ts, read_at FROM meter_profile WHERE meter_id = $1 ORDER BY obis",
        );
        query.bind(meter).fetch_all(self.pool()).await.map_err(failed("store::profile_states"))
    }

    /// Takes a meter out of service and calls off its work that is due. What runs is left to end. Does nothing when the meter
    /// is out of service already; `false` when there is none. `entry` goes into the audit, in the same transaction.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn retire_meter(&self, serial: &str, entry: &Entry) -> Result<bool, Error> {
        let failed = failed("store::retire_meter");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let query = sqlx::query_scalar::<_, i32>(
            "/* store::retire_meter */ UPDATE meter SET state = 'retired', retired_at = coalesce(retired_at, now())
             WHERE serial = $1 RETURNING id",
        );
        let Some(meter) = query.bind(serial).fetch_optional(&mut *transaction).await.map_err(&failed)? else {
            return Ok(false);
        };
        let query = sqlx::query(
            "/* store::retire_meter */ WITH ended AS (
                 UPDATE job SET state = 'cancelled', reason = 'cancelled', finished_at = now(),
                     detail = 'The meter was retired before this was done.'
                 WHERE meter_id = $1 AND state = 'due' RETURNING id)
             SELECT pg_notify($2, id::text) FROM ended",
        );
        query.bind(meter).bind(super::JOB_CHANNEL).execute(&mut *transaction).await.map_err(&failed)?;
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }
}

/// Inserts what is new and returns the keys by serial number; a meter of which something is taken is missing.
async fn insert_meters(
    transaction: &mut PgTransaction<'_>,
    meters: &[NewMeter],
) -> Result<BTreeMap<String, i32>, Error> {
    fn column<'a, T>(meters: &'a [NewMeter], cell: impl Fn(&'a NewMeter) -> T) -> Vec<T> {
        meters.iter().map(cell).collect()
    }
    let connection: &mut PgConnection = transaction;
    let query = sqlx::query_as::<_, (String, i32)>(
        "/* store::insert_meters */ INSERT INTO meter
             (serial, model, address, device_address, server_sap, client_sap, zone, security, client_title, system_title,
              equipment_id, suite, policy, meter_public_key)
         SELECT serial, model, address, device_address, server_sap, client_sap, zone, security::security_level, client_title,
             system_title, equipment_id, suite, policy::security_policy, meter_public_key
         FROM unnest($1::text[], $2::text[], $3::text[], $4::int4[], $5::int4[], $6::text[], $7::text[], $8::bytea[],
             $9::bytea[], $10::text[], $11::int4[], $12::int2[], $13::text[], $14::bytea[]) AS new (serial, model, address,
             server_sap, client_sap, zone, security, client_title, system_title, equipment_id, device_address, suite, policy,
             meter_public_key)
         ON CONFLICT DO NOTHING RETURNING serial, id",
    );
    let rows = query
        .bind(column(meters, |meter| meter.serial.as_str()))
        .bind(column(meters, |meter| meter.model.as_str()))
        .bind(column(meters, |meter| meter.address.to_string()))
        .bind(column(meters, |meter| i32::from(meter.server_sap)))
        .bind(column(meters, |meter| i32::from(meter.client_sap)))
        .bind(column(meters, |meter| meter.zone.as_str()))
        .bind(column(meters, |meter| meter.secrets.security.as_str()))
        .bind(column(meters, |meter| meter.secrets.client_title.as_ref().map(|title| &title[..])))
        .bind(column(meters, |meter| meter.system_title.as_ref().map(|title| &title[..])))
        .bind(column(meters, |meter| meter.equipment_id.as_deref()))
        .bind(column(meters, |meter| meter.device_address.map(i32::from)))
        .bind(column(meters, |meter| i16::from(meter.secrets.suite)))
        .bind(column(meters, |meter| meter.secrets.policy.as_str()))
        .bind(column(meters, |meter| meter.secrets.meter_public_key.as_deref()))
        .fetch_all(connection);
    Ok(rows.await.map_err(failed("store::insert_meters"))?.into_iter().collect())
}

/// Inserts secrets, and the invocation counters of meters with ciphering.
async fn insert_secrets(
    transaction: &mut PgTransaction<'_>,
    meters: &[NewMeter],
    ids: &BTreeMap<String, i32>,
) -> Result<(), Error> {
    let secured: Vec<_> = meters.iter().filter(|meter| !meter.secrets.is_empty()).collect();
    let column = |cell: fn(&Secrets) -> Option<&Secret>| -> Vec<Option<&[u8]>> {
        secured.iter().map(|meter| cell(&meter.secrets).map(|octets| octets.as_slice())).collect()
    };
    let owners: Vec<_> = secured.iter().map(|meter| ids.get(&meter.serial).copied()).collect();
    let connection: &mut PgConnection = transaction;
    let query = sqlx::query(
        "/* store::insert_secrets */ WITH secret AS (
             INSERT INTO meter_secret (meter_id, password, encryption_key, authentication_key, signing_key)
             SELECT * FROM unnest($1::int4[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[])
             RETURNING meter_id, encryption_key)
         INSERT INTO meter_counter (meter_id, next) SELECT meter_id, 1 FROM secret WHERE encryption_key IS NOT NULL",
    );
    let query = query
        .bind(owners)
        .bind(column(|secrets| secrets.password.as_ref()))
        .bind(column(|secrets| secrets.keys.as_ref().map(|[encryption, _]| encryption)))
        .bind(column(|secrets| secrets.keys.as_ref().map(|[_, authentication]| authentication)))
        .bind(column(|secrets| secrets.signing_key.as_ref()));
    query.execute(connection).await.map_err(failed("store::insert_secrets")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_new_meter_tells_no_secret() {
        let secret = || Zeroizing::new(vec![65; 16]);
        let all = [Secrets {
            client_title: Some([66; 8]),
            password: Some(secret()),
            keys: Some([secret(), secret()]),
            signing_key: Some(secret()),
            ..Secrets::none()
        }];
        for secrets in all {
            let text = format!("{secrets:?}");
            assert!(text.contains("***") && !text.contains("65") && !text.contains('A'), "{text}");
        }
    }
}

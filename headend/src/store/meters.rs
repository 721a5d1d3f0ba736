//! Meters of the inventory.

pub(super) mod correct;
mod insert;

use std::collections::BTreeMap;
use std::fmt;

use collectors::Address;
use jiff_sqlx::Timestamp;
use models::MBUS_DEVICE;
use zeroize::Zeroizing;

use super::audit::{self, Entry};
use super::callers::LISTENER_EXPIRES;
use super::jobs::interval;
use super::{Error, Policy, Security, Store, failed};

pub use correct::{Correcting, Correction, Standing};

/// Ways to a meter that there may be beside its address.
pub const MAX_PATHS: usize = 4;

/// The columns of a [`Meter`], from `meter m` and the connection `c` that it opened. `$1` is how long the word of a process counts that meters call.
macro_rules! meters {
    () => {
        "SELECT m.id, m.serial, m.model, m.address, m.device_address, m.line, m.path, m.server_sap, m.client_sap, m.zone, m.security, m.suite,
             m.policy, m.created_at, m.retired_at, m.logical_device_name, m.firmware, m.identified_at, m.system_title, m.equipment_id,
             (SELECT p.serial FROM meter p WHERE p.id = m.parent_id) AS parent, m.subunit, m.circuit, m.throttle_group, m.pulses_per_kwh, m.ratio,
             ARRAY (SELECT p.address FROM meter_path p WHERE p.meter_id = m.id ORDER BY p.place) AS paths,
             ARRAY (SELECT p.device_address FROM meter_path p WHERE p.meter_id = m.id ORDER BY p.place) AS path_device_addresses,
             c.since AS called_at, c.dialect AS call_dialect, c.peer AS call_peer, c.beat_at
         FROM meter m LEFT JOIN LATERAL (
             SELECT c.* FROM caller c JOIN listener l ON l.owner = c.owner AND l.seen_at >= now() - $1
             WHERE c.left_at IS NULL AND m.state = 'active' AND c.line COLLATE \"C\" = ANY (
                 ARRAY[m.line, address_line(m.address)] || ARRAY (SELECT p.line FROM meter_path p WHERE p.meter_id = m.id))
             ORDER BY c.since DESC LIMIT 1) c ON true"
    };
}

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
    /// The meter on its line.
    pub device_address: Option<i64>,
    /// The line over which it is reached now.
    pub line: String,
    /// The way over which it is reached now: 0 its address, n the n-th of `paths`.
    pub path: i16,
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
    /// Serial number of the meter that it is a sub-unit of.
    pub parent: Option<String>,
    /// Which sub-unit it is.
    pub subunit: Option<i16>,
    /// Which circuit of it, from 1.
    pub circuit: i16,
    /// What carries it together with others.
    pub throttle_group: Option<String>,
    /// Pulses for a kilowatt-hour, as on its plate.
    pub pulses_per_kwh: Option<i32>,
    /// Ratio of the transformers in front of it.
    pub ratio: Option<String>,
    /// Addresses of the further ways to it, in the order in which they are tried.
    pub paths: Vec<String>,
    /// The meter on each of them.
    pub path_device_addresses: Vec<Option<i64>>,
    /// When it opened the connection that it has; `None` while it has none.
    pub called_at: Option<Timestamp>,
    /// How it says there who it is.
    pub call_dialect: Option<String>,
    /// Where the connection came from.
    pub call_peer: Option<String>,
    /// Its last heartbeat.
    pub beat_at: Option<Timestamp>,
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
    /// The way to it; `None` when that is its parent's.
    pub address: Option<Address>,
    /// The meter on its line; `None` for a sub-unit without an address when it is its parent's.
    pub device_address: Option<u64>,
    /// The line of a concentrator, which its nodes share; `None` when its address names the line.
    pub line: Option<String>,
    /// Further ways to it, in the order in which they are tried; at most [`MAX_PATHS`].
    pub paths: Vec<Path>,
    /// The meter that it is a part of.
    pub part_of: Option<PartOf>,
    /// What carries it together with others.
    pub throttle_group: Option<String>,
    /// Pulses for a kilowatt-hour, as on its plate.
    pub pulses_per_kwh: Option<i32>,
    /// Ratio of the transformers in front of it.
    pub ratio: Option<String>,
    /// Address of the logical device in the meter.
    pub server_sap: u16,
    /// Address of the client.
    pub client_sap: u16,
    /// IANA time zone.
    pub zone: String,
    /// Level of security and what it needs.
    pub secrets: Secrets,
    /// With keys, the lowest invocation counter that may be used; at least 1.
    pub first_counter: u32,
    /// System title of the meter, when it is known.
    pub system_title: Option<[u8; 8]>,
    /// What it calls itself in pushes, when that is neither its serial number nor its logical device name.
    pub equipment_id: Option<String>,
}

/// A way to a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Where its line ends.
    pub address: Address,
    /// The meter on the line.
    pub device_address: Option<u64>,
}

/// What a sub-unit is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOf {
    /// Serial number of the parent, which is a device of its own, and in service.
    pub parent: String,
    /// Which sub-unit: household or M-Bus channel, from 1.
    pub subunit: u8,
    /// Which circuit of it, from 1.
    pub circuit: u8,
}

/// What came of adding meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// All were added.
    All,
    /// None was added, because of the meters with these serial numbers the serial number, the system title, the equipment id or the place
    /// on the parent is taken.
    Taken(Vec<String>),
    /// None was added, because the parents of the meters with these serial numbers are no devices in service.
    Orphaned(Vec<String>),
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
    /// Only with a connection that it opened (`true`), only without one that it should have opened (`false`).
    pub called: Option<bool>,
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
        let added = insert::all(&mut transaction, meters).await?;
        if added != Added::All {
            transaction.rollback().await.map_err(&failed)?;
            return Ok(added);
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
        let query = sqlx::query_as(concat!("/* store::meter */ ", meters!(), " WHERE m.serial = $2"));
        let query = query.bind(interval(LISTENER_EXPIRES));
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
        let query = sqlx::query_as(concat!(
            "/* store::list_meters */ ",
            meters!(),
            " WHERE ($2::text IS NULL OR m.model = $2) AND ($3::bool IS NULL OR (m.state = 'active') = $3)
                     AND starts_with(m.serial, $4) AND m.serial > $5
                     AND ($6::bool IS NULL OR CASE WHEN $6 THEN c.line IS NOT NULL
                         ELSE c.line IS NULL AND m.state = 'active' AND (m.address LIKE 'inbound://%' OR EXISTS (
                             SELECT FROM meter_path p WHERE p.meter_id = m.id AND p.line LIKE 'inbound://%')) END)
                 ORDER BY m.serial LIMIT $7"
        ));
        let query = query.bind(interval(LISTENER_EXPIRES));
        let query = query.bind(&filter.model).bind(filter.active).bind(&filter.serial_prefix);
        // Every serial number sorts behind the empty text, because none is empty.
        let query = query.bind(after.unwrap_or_default()).bind(filter.called).bind(limit);
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

    /// Takes a meter out of service, with the devices on its M-Bus channels, and calls off its work that is due. What runs is left to end. Does nothing when the meter
    /// is out of service already; `false` when there is none. `entry` goes into the audit, in the same transaction.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn retire_meter(&self, serial: &str, entry: &Entry) -> Result<bool, Error> {
        let failed = failed("store::retire_meter");
        let mut transaction = self.pool().begin().await.map_err(&failed)?;
        let query = sqlx::query_scalar::<_, i32>(
            "/* store::retire_meter */ WITH gone AS (
                 UPDATE meter SET state = 'retired', retired_at = coalesce(retired_at, now()) WHERE serial = $1 RETURNING id),
             parts AS (
                 UPDATE meter m SET state = 'retired', retired_at = now() FROM gone g
                 WHERE m.parent_id = g.id AND m.model = $2 AND m.state = 'active')
             SELECT id FROM gone",
        );
        let query = query.bind(serial).bind(MBUS_DEVICE);
        let Some(meter) = query.fetch_optional(&mut *transaction).await.map_err(&failed)? else {
            return Ok(false);
        };
        let query = sqlx::query(
            "/* store::retire_meter */ WITH ended AS (
                 UPDATE job SET state = 'cancelled', reason = 'cancelled', finished_at = now(),
                     detail = 'The meter was retired before this was done.'
                 WHERE meter_id = $1 AND finished_at IS NULL AND state = 'due' RETURNING id)
             SELECT pg_notify($2, id::text) FROM ended",
        );
        query.bind(meter).bind(super::JOB_CHANNEL).execute(&mut *transaction).await.map_err(&failed)?;
        audit::insert(&mut transaction, entry).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(true)
    }
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

//! Jobs as a queue: a collector leases meters, not jobs, because a meter has one association and one writer, and with them their lines, because
//! a line has one channel.
//!
//! due -> [`Store::lease`] -> running -> ended by [`super::batch`], by the owner of the lease only. A lease lives by
//! [`Store::renew`]; when that stops, [`Store::recover`] puts the jobs back. [`Store::release`] does so in an orderly stop. A meter is given back
//! with the end of its last job, a line by [`Store::leave`], when its channel has left it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use collectors::{Credentials, JobId, Layout, MeterId};
use dlms::Obis;
use jiff::Timestamp;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::{CommandKind, Error, JobKind, Store, failed};

/// The least priority of what may use the reserve of sessions and does not wait for busy lines: orders to switch have 50.
pub const URGENT: i16 = 40;

/// Attempts that a job may have beyond its own limit, because collectors died while they worked on it.
pub const DEATHS: i32 = 10;

/// A meter that was leased, with everything that a session with it needs.
#[derive(Debug, Clone)]
pub struct Leased {
    /// The meter.
    pub meter: MeterId,
    /// The serial number it has to have.
    pub serial: String,
    /// Name of its model.
    pub model: String,
    /// The line over which it is reached, leased with it.
    pub line: String,
    /// Where that line ends: the text of a [`collectors::Address`].
    pub address: String,
    /// What carries it together with others.
    pub throttle_group: Option<String>,
    /// The meter on its line.
    pub device_address: Option<u64>,
    /// Which sub-unit of the device it is.
    pub subunit: Option<u8>,
    /// The concentrator that its address names; `None` when it names none, or one that is not in the inventory.
    pub via: Option<LeasedVia>,
    /// Address of the logical device inside the meter.
    pub server_sap: u16,
    /// Address of the head-end towards the meter.
    pub client_sap: u16,
    /// IANA time zone of its clock.
    pub zone: String,
    /// Level of security and its secrets.
    pub credentials: Credentials,
    /// The jobs that were taken with it, the most urgent first; at least one.
    pub jobs: Vec<LeasedJob>,
}

/// A concentrator that stands before a leased meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedVia {
    /// The concentrator.
    pub meter: MeterId,
    /// Where its own line ends.
    pub address: String,
    /// Name of its model.
    pub model: String,
}

/// A job that is now running.
#[derive(Debug, Clone)]
pub struct LeasedJob {
    /// The job.
    pub id: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// The profile, or the one register, to read.
    pub obis: Option<Obis>,
    /// Earliest and latest capture to read, both inclusive.
    pub range: Option<(Timestamp, Timestamp)>,
    /// Higher goes first; 0 is planned work.
    pub priority: i16,
    /// Which attempt this is, from 1.
    pub attempts: i16,
    /// Invocation counters reserved for this job, as `[first, end)`; `None` without ciphering, and when a key has none left.
    pub counters: Option<(u32, u32)>,
    /// The columns of the profile when it was last read.
    pub layout: Option<Arc<Layout>>,
    /// High-water mark of the profile: no stored capture is later.
    pub last_ts: Option<Timestamp>,
    /// When this attempt began.
    pub started_at: Timestamp,
    /// When the last planned read of the registers of the meter that succeeded began.
    pub registers_read_at: Option<Timestamp>,
    /// The request that ordered it; `None` for planned work.
    pub request_id: Option<Uuid>,
    /// Place of that request in its trace.
    pub trace_parent: Option<String>,
    /// The command that it carries out.
    pub command: Option<LeasedCommand>,
}

/// A command that is now armed: something may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedCommand {
    /// The command.
    pub id: i64,
    /// What is to be done.
    pub kind: CommandKind,
    /// Nothing is sent after it.
    pub deadline: Timestamp,
    /// Whether an earlier attempt may have sent something without anybody knowing what came of it.
    pub in_doubt: bool,
    /// What the kind needs beside meter and time, as encoded message of `ami.v1`.
    pub arguments: Option<Vec<u8>>,
    /// Steps that an earlier attempt said there are; 0 when none did.
    pub steps: i32,
}

/// What a collector has room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Meters at most.
    pub meters: u32,
    /// Only work that is at least so urgent.
    pub least_priority: i16,
    /// Only meters with work that is at most so urgent; what else is due of them comes with it.
    pub most_priority: i16,
    /// Lines for which only work from [`URGENT`] on is wanted.
    pub busy: Vec<String>,
    /// How many lines with meters of a throttle group may be leased beside those that are, unless the work is at least [`URGENT`].
    pub rooms: BTreeMap<String, u32>,
    /// The same for groups that are not among `rooms`.
    pub room: u32,
}

impl Wanted {
    /// Any work of so many meters.
    pub const fn any(meters: u32) -> Self {
        Self {
            meters,
            least_priority: i16::MIN,
            most_priority: i16::MAX,
            busy: Vec::new(),
            rooms: BTreeMap::new(),
            room: meters,
        }
    }
}

impl Store {
    /// Takes up to as many meters as are wanted that have due work and no owner, or that `owner` holds already, together with their due
    /// jobs (at most 32 each), their lines, and a block of `counters` invocation counters for each job of a meter with ciphering. All that
    /// happens in one statement: two owners never get the same meter, nor the same line.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`], [`Error::Unreadable`].
    pub async fn lease(
        &self,
        owner: Uuid,
        wanted: Wanted,
        time: Duration,
        counters: u32,
    ) -> Result<Vec<Leased>, Error> {
        super::lease::lease(self, owner, wanted, time, counters).await
    }

    /// Tells that `owner` lives: all its leases end `time` from now. Returns the meters it still holds, in order; work on
    /// others has to stop.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn renew(&self, owner: Uuid, time: Duration) -> Result<Vec<MeterId>, Error> {
        let mut held: Vec<MeterId> = sqlx::query_scalar(
            "/* store::jobs::renew */
             WITH lines AS (UPDATE line SET lease_until = now() + $2 WHERE lease_owner = $1)
             UPDATE meter SET lease_until = now() + $2 WHERE lease_owner = $1 RETURNING id",
        )
        .bind(owner)
        .bind(interval(time))
        .fetch_all(&self.pool)
        .await
        .map_err(failed("store::jobs::renew"))?;
        held.sort_unstable();
        Ok(held)
    }

    /// Ends leases whose owner gave no sign of life: their running jobs are due again, or failed when they have been started
    /// [`DEATHS`] times more than they may: the death of a collector is not the job's fault, but a job that kills it each
    /// time has to end. A command has a deadline instead. At most 1000 meters a call. Returns how many jobs came free.
    /// A line of such an owner can be leased by others as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn recover(&self) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::jobs::recover */
             WITH expired AS (
                 SELECT id FROM meter WHERE lease_owner IS NOT NULL AND lease_until < now()
                 ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED),
             freed AS (
                 UPDATE meter m SET lease_owner = NULL, lease_until = NULL FROM expired e WHERE m.id = e.id RETURNING m.id)
             UPDATE job j SET lease_owner = NULL, due_at = now(),
                 state = CASE WHEN j.attempts < j.max_attempts + $1 OR j.kind = 'command' THEN 'due' ELSE 'failed' END::job_state,
                 finished_at = CASE WHEN j.attempts < j.max_attempts + $1 OR j.kind = 'command' THEN NULL ELSE now() END,
                 reason = 'cancelled',
                 detail = 'The collector stopped while it worked on this job.'
             WHERE j.meter_id = ANY (ARRAY(SELECT id FROM freed)) AND j.finished_at IS NULL AND j.state = 'running'",
        )
        .bind(DEATHS)
        .execute(&self.pool)
        .await
        .map_err(failed("store::jobs::recover"))?;
        Ok(done.rows_affected())
    }

    /// Gives back everything that `owner` holds; its running jobs are due again and this attempt does not count. For an
    /// orderly stop, after the channels have ended. Returns how many jobs came free.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn release(&self, owner: Uuid) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::jobs::release */
             WITH lines AS (UPDATE line SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1),
             groups AS (DELETE FROM throttle WHERE owner = $1),
             freed AS (
                 UPDATE meter SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1 RETURNING id)
             UPDATE job j SET state = 'due', lease_owner = NULL, due_at = now(), attempts = greatest(j.attempts - 1, 0)
             WHERE j.meter_id = ANY (ARRAY(SELECT id FROM freed)) AND j.finished_at IS NULL AND j.lease_owner = $1",
        )
        .bind(owner)
        .execute(&self.pool)
        .await
        .map_err(failed("store::jobs::release"))?;
        Ok(done.rows_affected())
    }

    /// Calls off what is due of retired meters: work that ran when its meter was retired, and was to be tried again. Returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn call_off_retired(&self) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::jobs::call_off_retired */
             UPDATE job j SET state = 'cancelled', finished_at = now(), reason = coalesce(j.reason, 'cancelled'),
                 detail = 'The meter was retired before this was done.'
             FROM meter m WHERE m.id = j.meter_id AND m.state = 'retired' AND j.finished_at IS NULL AND j.state = 'due'",
        )
        .execute(&self.pool)
        .await
        .map_err(failed("store::jobs::call_off_retired"))?;
        Ok(done.rows_affected())
    }

    /// Deletes jobs that ended longer ago than `age`, at most 10000 a call. Returns how many.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Contended`].
    pub async fn purge_jobs(&self, age: Duration) -> Result<u64, Error> {
        let done = sqlx::query(
            "/* store::jobs::purge_jobs */ DELETE FROM job WHERE id IN (
                 SELECT id FROM job WHERE finished_at < now() - $1 ORDER BY finished_at LIMIT 10000)",
        )
        .bind(interval(age))
        .execute(&self.pool)
        .await
        .map_err(failed("store::jobs::purge_jobs"))?;
        Ok(done.rows_affected())
    }
}

/// A duration as PostgreSQL counts it: microseconds, no days or months whose length depends on a calendar.
pub(super) fn interval(duration: Duration) -> PgInterval {
    let microseconds = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}

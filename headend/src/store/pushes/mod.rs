//! Pushes on their way in: who sent them ([`senders`](Recording::senders)), and what is kept of them (`write.rs`).
//!
//! Everything about a batch happens in one transaction, and one such transaction follows the other (`alarm_order()` of the schema):
//! counters are compared and moved on without a gap, the numbers of alarms ascend in the order of the commits, and two listeners
//! do not both store the same alarm.

mod senders;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use dlms::security::ReplayWindow;
use jiff::Timestamp;
use models::CimCodes;
use sqlx::PgTransaction;

use super::{AlarmSeverity, AlarmSource, Error, PushFate, Store, failed};

pub use senders::{Claim, Found, Recent, Sender};
pub use write::{Kept, Tally};

/// An alarm to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlarm {
    /// The meter.
    pub meter: i32,
    /// Canonical key.
    pub key: String,
    /// How urgent it is.
    pub severity: AlarmSeverity,
    /// Phase that it is about, 1 to 3.
    pub phase: Option<u8>,
    /// What the push held.
    pub source: AlarmSource,
    /// Logical name of the log, register or object.
    pub obis: Option<[u8; 6]>,
    /// Code in the log, or number of the bit.
    pub code: Option<u32>,
    /// What stands in the entry of the log: the code, or the whole status word.
    pub logged: i64,
    /// When it happened, by the meter's clock, whether that is right or not.
    pub clock_ts: Option<Timestamp>,
    /// The same when the clock is right.
    pub meter_ts: Option<Timestamp>,
    /// The same as the meter sent it.
    pub meter_time: Option<[u8; 12]>,
    /// When the push arrived.
    pub received_at: Timestamp,
    /// Whether it was ciphered with the meter's keys.
    pub authenticated: bool,
    /// Where it came from.
    pub peer: String,
    /// The push in the clear.
    pub raw: Vec<u8>,
}

/// A push that became no alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// When it arrived.
    pub received_at: Timestamp,
    /// Where it came from.
    pub peer: String,
    /// Why; one of the fates that lead to the quarantine.
    pub reason: PushFate,
    /// The same for a person.
    pub detail: String,
    /// The meter that it claims to be from.
    pub meter: Option<i32>,
    /// What arrived.
    pub octets: Vec<u8>,
}

/// What is kept of a batch of pushes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What became an alarm, in the order of arrival.
    pub alarms: Vec<NewAlarm>,
    /// Counters that moved on, by meter.
    pub counters: BTreeMap<i32, ReplayWindow>,
    /// What did not become an alarm.
    pub quarantined: Vec<Quarantined>,
    /// What became of pushes that the above does not tell.
    pub tally: Tally,
}

/// A transaction that takes in a batch of pushes. Dropping it keeps nothing.
#[derive(Debug)]
pub struct Recording {
    transaction: PgTransaction<'static>,
    cim: Arc<CimCodes>,
}

impl Store {
    /// Begins to take in pushes, after whoever else does so has ended.
    ///
    /// # Errors
    /// Every [`Error`] of the server.
    pub async fn record_pushes(&self) -> Result<Recording, Error> {
        let mut transaction = self.pool.begin().await.map_err(failed("store::pushes::begin"))?;
        sqlx::query("/* store::pushes::begin */ SELECT alarm_order()")
            .execute(&mut *transaction)
            .await
            .map_err(failed("store::pushes::begin"))?;
        Ok(Recording { transaction, cim: Arc::clone(&self.cim) })
    }
}

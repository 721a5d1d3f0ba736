//! What events and alarms of a meter mean: the tables from the numbers of a companion specification to canonical keys.

use dlms::Obis;
use serde::Deserialize;

/// Every canonical key that a table may name. The same event has the same key whatever meter tells of it.
pub const KEYS: [&str; 100] = [
    "alarm.test",
    "alert.external",
    "battery.low",
    "battery.replace",
    "billing.end",
    "clock.adjusted",
    "clock.dst",
    "clock.invalid",
    "comm.modem",
    "comm.offline",
    "comm.online",
    "comm.pdp",
    "comm.sim",
    "config.changed",
    "consumption.unexpected",
    "credit.alarm_cut",
    "credit.exhausted",
    "credit.low",
    "credit.restored",
    "current.over",
    "current.reverse",
    "energy.reverse",
    "fw.activated",
    "fw.ready",
    "fw.verify_failed",
    "limiter.changed",
    "limiter.exceeded",
    "limiter.ok",
    "load.lockout",
    "load.malignant",
    "load.malignant_off",
    "log.cleared",
    "mbus.battery",
    "mbus.clock",
    "mbus.comm_error",
    "mbus.comm_ok",
    "mbus.error",
    "mbus.fraud",
    "mbus.new",
    "mbus.valve",
    "measurement.error",
    "memory.nv",
    "memory.program",
    "memory.ram",
    "mode.postpaid",
    "mode.prepaid",
    "neutral.missing",
    "node.discovered",
    "node.lost",
    "node.registered",
    "outage.long",
    "outage.short",
    "phase.fail",
    "phase.restored",
    "phase.sequence",
    "power.down",
    "power.last_gasp",
    TEST_KEY,
    "power.up",
    "relay.connected_calendar",
    "relay.connected_local",
    "relay.connected_manual",
    "relay.connected_remote",
    "relay.disconnected_calendar",
    "relay.disconnected_local",
    "relay.disconnected_manual",
    "relay.disconnected_remote",
    "relay.failed",
    "relay.ready_for_reconnect",
    "security.auth_fail",
    "security.decrypt",
    "security.key_changed",
    "security.replay",
    "security.unauthorised_comm",
    "supervision.exceeded",
    "supervision.ok",
    "tamper.bypass",
    "tamper.detected",
    "tamper.magnet_off",
    "tamper.magnet_on",
    "tamper.meter_cover_closed",
    "tamper.meter_cover_open",
    "tamper.module_cover_closed",
    "tamper.module_cover_open",
    "tamper.terminal_cover_closed",
    "tamper.terminal_cover_open",
    "tariff.activated",
    "tariff.programmed",
    "temperature.high",
    "token.accepted",
    "token.rejected",
    "token.used",
    "voltage.bad",
    "voltage.normal",
    "voltage.over",
    "voltage.sag",
    "voltage.swell",
    "voltage.unbalance",
    "voltage.under",
    "watchdog",
];

/// The key of a last gasp that the meter sent as a test. Its severity is always `info`.
pub const TEST_KEY: &str = "power.last_gasp_test";

/// What the events and alarms of a type of meter mean. Whatever is not listed is kept under the key `unknown`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alarms {
    /// Codes that stand in logs and in event-code objects; at most 1024.
    pub events: Vec<EventCode>,
    /// Bits of alarm registers, and of whatever stands for one in a push; at most 512.
    pub bits: Vec<AlarmBit>,
    /// Objects whose push is itself the alarm, whatever their value; at most 64.
    pub objects: Vec<AlarmObject>,
}

/// A code of a log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventCode {
    /// Logical name of the log (class 7), such as `0.0.99.98.0.255`. The event-code object `0.b.96.11.e` has the codes of the log
    /// `0.b.99.98.e`.
    pub log: Obis,
    /// The code; unique in its log.
    pub code: u32,
    /// Canonical key, one of [`KEYS`], or `vendor.` and a name of one's own.
    pub key: String,
    /// How urgent it is.
    pub severity: Severity,
    /// The phase that it is about, 1 to 3. Default: none in particular.
    pub phase: Option<u8>,
}

/// A bit of an alarm register.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmBit {
    /// Logical name of the register, such as `0.0.97.98.0.255`, or of the push setup that is named in its place.
    pub register: Obis,
    /// The bit, 0 to 63, 0 being the lowest; unique in its register.
    pub bit: u8,
    /// Canonical key, as in [`EventCode::key`].
    pub key: String,
    /// How urgent it is.
    pub severity: Severity,
    /// The phase that it is about, 1 to 3. Default: none in particular.
    pub phase: Option<u8>,
    /// Where the register is one of those that are read: the key of what it means that the bit, which was set, is not any more. Default: that is no event.
    pub cleared: Option<String>,
}

/// An object whose push is the alarm.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmObject {
    /// Its logical name; unique.
    pub object: Obis,
    /// Canonical key, as in [`EventCode::key`].
    pub key: String,
    /// How urgent it is.
    pub severity: Severity,
    /// The phase that it is about, 1 to 3. Default: none in particular.
    pub phase: Option<u8>,
}

/// How urgent an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Somebody has to act.
    Critical,
}

/// Where in a push, or in a log, an event or alarm was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A code of a log.
    Event {
        /// The log.
        log: Obis,
        /// The code.
        code: u32,
    },
    /// A bit of an alarm register.
    Bit {
        /// The register, or the push setup named in its place.
        register: Obis,
        /// The bit, 0 being the lowest.
        bit: u8,
    },
    /// An object itself.
    Object(Obis),
}

/// What an event or alarm means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning<'a> {
    /// Canonical key.
    pub key: &'a str,
    /// How urgent it is.
    pub severity: Severity,
    /// The phase that it is about, 1 to 3.
    pub phase: Option<u8>,
}

impl Alarms {
    /// What `source` means for this type of meter; `None` when its tables do not say.
    pub fn meaning(&self, source: Source) -> Option<Meaning<'_>> {
        match source {
            Source::Event { log, code } => {
                let found = self.events.iter().find(|event| event.log == log && event.code == code)?;
                Some(Meaning { key: &found.key, severity: found.severity, phase: found.phase })
            }
            Source::Bit { register, bit } => {
                let found = self.bits.iter().find(|alarm| alarm.register == register && alarm.bit == bit)?;
                Some(Meaning { key: &found.key, severity: found.severity, phase: found.phase })
            }
            Source::Object(object) => {
                let found = self.objects.iter().find(|alarm| alarm.object == object)?;
                Some(Meaning { key: &found.key, severity: found.severity, phase: found.phase })
            }
        }
    }

    /// Where a meter of this type tells of `key`: the first row of the tables that has it.
    pub fn source(&self, key: &str) -> Option<Source> {
        let events = self.events.iter().filter(|event| event.key == key);
        let bits = self.bits.iter().filter(|alarm| alarm.key == key);
        let objects = self.objects.iter().filter(|alarm| alarm.key == key);
        let events = events.map(|event| Source::Event { log: event.log, code: event.code });
        let bits = bits.map(|alarm| Source::Bit { register: alarm.register, bit: alarm.bit });
        let mut all = objects.map(|alarm| Source::Object(alarm.object)).chain(bits).chain(events);
        all.next()
    }
}

//! The shapes of what goes out.

use ami_proto::v1;
use ami_proto::words::Word as _;
use dlms::Obis;
use jiff_sqlx::Timestamp;

use super::status::Refusal;
use crate::store;
use crate::store::alarms::{Alarm, QuarantineEntry};
use crate::store::events::{Event, EventLoss};
use crate::store::job_list::{Job, JobCount};
use crate::store::ledger::ProfileLoss;
use crate::store::mbus::DeviceEpoch;
use crate::store::meters::{Meter, ProfileState};
use crate::store::ratios::RatioEpoch;

/// The clock status of a time that has none (IEC 62056-6-2, 4.1.6.1).
const CLOCK_STATUS_NOT_GIVEN: u32 = 0xFF;

/// An instant.
pub(super) fn instant(instant: jiff::Timestamp) -> prost_types::Timestamp {
    // The seconds are rounded down, because a protobuf instant counts nanoseconds forward only.
    let nanos = instant.as_nanosecond().rem_euclid(1_000_000_000);
    let seconds = instant.as_nanosecond().div_euclid(1_000_000_000);
    prost_types::Timestamp {
        seconds: i64::try_from(seconds).unwrap_or_default(),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

/// An instant of the store.
pub(super) fn stored(at: Timestamp) -> prost_types::Timestamp {
    instant(at.to_jiff())
}

/// A logical name as text.
pub(super) fn obis(octets: &[u8]) -> Result<String, Refusal> {
    let octets: [u8; 6] = octets.try_into().map_err(|_| Refusal::Internal)?;
    Ok(Obis::new(octets).to_string())
}

/// A meter, without its secrets.
pub(super) fn meter(meter: Meter) -> v1::Meter {
    let state = if meter.retired_at.is_none() { v1::MeterState::Active } else { v1::MeterState::Retired };
    v1::Meter {
        serial: meter.serial,
        model: meter.model,
        address: meter.address,
        device_address: meter.device_address.map(i64::unsigned_abs),
        line: meter.line,
        path: meter.path.unsigned_abs().into(),
        paths: meter.paths.into_iter().zip(meter.path_device_addresses).map(path).collect(),
        parent: meter.parent.unwrap_or_default(),
        subunit: meter.subunit.unwrap_or_default().unsigned_abs().into(),
        circuit: if meter.subunit.is_some() { meter.circuit.unsigned_abs().into() } else { 0 },
        throttle_group: meter.throttle_group.unwrap_or_default(),
        pulses_per_kwh: meter.pulses_per_kwh.unwrap_or_default().unsigned_abs(),
        ratio: meter.ratio.unwrap_or_default(),
        server_sap: meter.server_sap.unsigned_abs(),
        client_sap: meter.client_sap.unsigned_abs(),
        zone: meter.zone,
        call: meter.called_at.map(|since| {
            let dialect = meter.call_dialect.as_deref().and_then(v1::CallDialect::from_word);
            v1::Call {
                since: Some(stored(since)),
                dialect: dialect.unwrap_or_default().into(),
                peer: meter.call_peer.unwrap_or_default(),
                beat_at: meter.beat_at.map(stored),
            }
        }),
        security: v1::SecurityLevel::from_word(meter.security.as_str()).unwrap_or_default().into(),
        suite: u32::try_from(meter.suite).unwrap_or_default(),
        policy: v1::SecurityPolicy::from_word(meter.policy.as_str()).unwrap_or_default().into(),
        state: state.into(),
        created_at: Some(stored(meter.created_at)),
        retired_at: meter.retired_at.map(stored),
        logical_device_name: meter.logical_device_name.unwrap_or_default(),
        firmware: meter.firmware.unwrap_or_default(),
        identified_at: meter.identified_at.map(stored),
        system_title: meter.system_title.unwrap_or_default(),
        equipment_id: meter.equipment_id.unwrap_or_default(),
    }
}

fn path((address, device_address): (String, Option<i64>)) -> v1::MeterPath {
    v1::MeterPath { address, device_address: device_address.map(i64::unsigned_abs) }
}

/// How far a profile was read.
pub(super) fn profile(state: ProfileState) -> Result<v1::ProfileState, Refusal> {
    Ok(v1::ProfileState {
        obis: obis(&state.obis)?,
        last_at: state.last_ts.map(stored),
        read_at: state.read_at.map(stored),
    })
}

/// Ratios of transformers.
pub(super) fn ratios(epoch: RatioEpoch) -> v1::TransformerRatios {
    let ratio = |(numerator, denominator)| v1::TransformerRatio { numerator, denominator };
    v1::TransformerRatios {
        since: Some(stored(epoch.since)),
        before: epoch.before.map(stored),
        read_at: Some(stored(epoch.read_at)),
        current: epoch.current_numerator.zip(epoch.current_denominator).map(ratio),
        voltage: epoch.voltage_numerator.zip(epoch.voltage_denominator).map(ratio),
        job_id: epoch.job_id,
    }
}

/// A device on an M-Bus channel.
pub(super) fn device(epoch: DeviceEpoch) -> v1::MBusDevice {
    let number = |number: Option<i16>| number.unwrap_or_default().unsigned_abs().into();
    v1::MBusDevice {
        channel: epoch.channel.unsigned_abs().into(),
        since: Some(stored(epoch.since)),
        before: epoch.before.map(stored),
        read_at: Some(stored(epoch.read_at)),
        identification: epoch.identification.unwrap_or_default(),
        manufacturer: epoch.manufacturer.unwrap_or_default(),
        version: number(epoch.version),
        device_type: number(epoch.device_type),
        job_id: epoch.job_id,
        part_serial: epoch.part.unwrap_or_default(),
    }
}

/// A job.
pub(super) fn job(job: Job) -> Result<v1::Job, Refusal> {
    Ok(v1::Job {
        id: job.id,
        kind: kind(job.kind).into(),
        obis: job.obis.map(|octets| obis(&octets)).transpose()?.unwrap_or_default(),
        from: job.from_ts.map(stored),
        to: job.to_ts.map(stored),
        priority: job.priority.into(),
        state: state(job.state).into(),
        due_at: Some(stored(job.due_at)),
        wanted_by: job.wanted_by.map(stored),
        attempts: job.attempts.into(),
        max_attempts: job.max_attempts.into(),
        reason: reason(job.reason.as_deref()).into(),
        detail: job.detail.unwrap_or_default(),
        request_id: job.request_id.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(stored(job.created_at)),
        started_at: job.started_at.map(stored),
        finished_at: job.finished_at.map(stored),
        captures: job.captures,
        bytes_on_wire: job.bytes_on_wire,
        meter_serial: job.serial,
    })
}

/// A number of jobs.
pub(super) fn count(count: &JobCount) -> v1::JobCount {
    v1::JobCount {
        state: state(count.state).into(),
        kind: kind(count.kind).into(),
        reason: reason(count.reason.as_deref()).into(),
        jobs: count.jobs,
        captures: count.captures,
    }
}

/// An alarm.
pub(super) fn alarm(alarm: Alarm) -> Result<v1::Alarm, Refusal> {
    Ok(v1::Alarm {
        id: alarm.id,
        meter_serial: alarm.serial,
        key: alarm.key,
        severity: v1::AlarmSeverity::from_word(alarm.severity.word()).unwrap_or_default().into(),
        phase: alarm.phase.unwrap_or_default().unsigned_abs().into(),
        source: v1::AlarmSource::from_word(alarm.source.word()).unwrap_or_default().into(),
        obis: alarm.obis.map(|octets| obis(&octets)).transpose()?.unwrap_or_default(),
        code: alarm.code.and_then(|code| code.try_into().ok()),
        meter_time: alarm.meter_ts.map(stored),
        received_at: Some(stored(alarm.received_at)),
        authenticated: alarm.authenticated,
        peer: alarm.peer,
        raw: alarm.raw,
        repetitions: alarm.repetitions.unsigned_abs(),
        repeated_at: alarm.repeated_at.map(stored),
        acknowledged_at: alarm.acknowledged_at.map(stored),
        acknowledged_by: alarm.acknowledged_by.unwrap_or_default(),
        note: alarm.note.unwrap_or_default(),
        event_id: alarm.event_id.unwrap_or_default(),
    })
}

/// An event.
pub(super) fn event(event: Event) -> Result<v1::Event, Refusal> {
    Ok(v1::Event {
        id: event.id,
        meter_serial: event.serial,
        key: event.key,
        severity: v1::AlarmSeverity::from_word(event.severity.word()).unwrap_or_default().into(),
        phase: event.phase.unwrap_or_default().unsigned_abs().into(),
        cim_code: event.cim.unwrap_or_default(),
        log: obis(&event.log)?,
        code: event.code,
        logged: event.logged,
        meter_time: event.meter_ts.map(stored),
        meter_time_octets: event.meter_time,
        clock_status: u32::try_from(event.clock_status)
            .ok()
            .filter(|status| *status != CLOCK_STATUS_NOT_GIVEN),
        authenticated: event.authenticated,
        pushed_at: event.pushed_at.map(stored),
        polled_at: event.polled_at.map(stored),
        job_id: event.job_id.unwrap_or_default(),
        stored_at: Some(stored(event.stored_at)),
        node: event.node.unwrap_or_default(),
    })
}

/// Entries of a log that may be lost.
pub(super) fn event_loss(loss: EventLoss) -> Result<v1::EventLoss, Refusal> {
    Ok(v1::EventLoss {
        id: loss.id,
        meter_serial: loss.serial,
        log: obis(&loss.log)?,
        cause: v1::EventLossCause::from_word(loss.cause.word()).unwrap_or_default().into(),
        after: Some(stored(loss.after_ts)),
        until: loss.until_ts.map(stored),
        entries: loss.entries.unsigned_abs(),
        noticed_at: Some(stored(loss.noticed_at)),
    })
}

/// Time of which a meter holds no captures.
pub(super) fn profile_loss(loss: ProfileLoss) -> Result<v1::ProfileLoss, Refusal> {
    Ok(v1::ProfileLoss {
        id: loss.id,
        meter_serial: loss.serial,
        profile: obis(&loss.obis)?,
        cause: v1::ProfileLossCause::from_word(loss.cause.word()).unwrap_or_default().into(),
        after: Some(stored(loss.after_ts)),
        until: Some(stored(loss.until_ts)),
        job_id: loss.job_id.unwrap_or_default(),
        noticed_at: Some(stored(loss.noticed_at)),
    })
}

/// A push that became no alarm.
pub(super) fn quarantined(entry: QuarantineEntry) -> v1::QuarantinedPush {
    v1::QuarantinedPush {
        id: entry.id,
        received_at: Some(stored(entry.received_at)),
        peer: entry.peer,
        reason: fate(entry.reason).into(),
        detail: entry.detail,
        meter_serial: entry.serial.unwrap_or_default(),
        octets: entry.octets,
    }
}

/// What became of a push.
pub(super) fn fate(fate: store::PushFate) -> v1::PushFate {
    v1::PushFate::from_word(fate.word()).unwrap_or_default()
}

/// The failure of a job, as far as it has one.
pub(super) fn failure(job: &Job) -> v1::JobFailure {
    v1::JobFailure {
        job_id: job.id,
        reason: reason(job.reason.as_deref()).into(),
        detail: job.detail.clone().unwrap_or_default(),
    }
}

pub(super) fn reason(word: Option<&str>) -> v1::FailureReason {
    word.and_then(v1::FailureReason::from_word).unwrap_or_default()
}

/// A security level as it is stored; `None` when none is named.
pub(super) fn stored_security(level: v1::SecurityLevel) -> Option<store::Security> {
    Some(match level {
        v1::SecurityLevel::Unspecified => return None,
        v1::SecurityLevel::None => store::Security::None,
        v1::SecurityLevel::Lls => store::Security::Lls,
        v1::SecurityLevel::Manufacturer => store::Security::Manufacturer,
        v1::SecurityLevel::Md5 => store::Security::Md5,
        v1::SecurityLevel::Sha1 => store::Security::Sha1,
        v1::SecurityLevel::Gmac => store::Security::Gmac,
        v1::SecurityLevel::Sha256 => store::Security::Sha256,
        v1::SecurityLevel::Ecdsa => store::Security::Ecdsa,
    })
}

/// A security policy as it is stored; `None` for the usual one.
pub(super) fn stored_policy(policy: v1::SecurityPolicy) -> Option<store::Policy> {
    Some(match policy {
        v1::SecurityPolicy::Unspecified => return None,
        v1::SecurityPolicy::None => store::Policy::None,
        v1::SecurityPolicy::Authenticated => store::Policy::Authenticated,
        v1::SecurityPolicy::Encrypted => store::Policy::Encrypted,
        v1::SecurityPolicy::AuthenticatedEncrypted => store::Policy::AuthenticatedEncrypted,
    })
}

fn kind(kind: store::JobKind) -> v1::JobKind {
    match kind {
        store::JobKind::Identify => v1::JobKind::Identify,
        store::JobKind::ReadClock => v1::JobKind::ReadClock,
        store::JobKind::ReadRegisters => v1::JobKind::ReadRegisters,
        store::JobKind::ReadProfile => v1::JobKind::ReadProfile,
        store::JobKind::ListNodes => v1::JobKind::ListNodes,
        store::JobKind::Discover => v1::JobKind::Discover,
        store::JobKind::ReadTariff => v1::JobKind::ReadTariff,
        store::JobKind::Command => v1::JobKind::Command,
    }
}

fn state(state: store::JobState) -> v1::JobState {
    match state {
        store::JobState::Due => v1::JobState::Due,
        store::JobState::Running => v1::JobState::Running,
        store::JobState::Done => v1::JobState::Done,
        store::JobState::Failed => v1::JobState::Failed,
        store::JobState::Cancelled => v1::JobState::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_count_nanoseconds_forward_before_1970_too() {
        let at = |text: &str| instant(text.parse().unwrap());
        assert_eq!(at("1969-12-31T23:59:59.75Z"), prost_types::Timestamp { seconds: -1, nanos: 750_000_000 });
        assert_eq!(at("1970-01-01T00:00:01.5Z"), prost_types::Timestamp { seconds: 1, nanos: 500_000_000 });
    }

    #[test]
    fn logical_names_have_six_octets() {
        assert_eq!(obis(&[1, 0, 1, 8, 0, 255]).unwrap(), "1.0.1.8.0.255");
        assert_eq!(obis(&[1, 0]), Err(Refusal::Internal));
    }
}

//! `ReadNow`: orders a job ahead of planned work and waits for what comes of it.

use ami_proto::v1::{
    ClockOutcome, IdentityOutcome, ModelOutcome, ModelTarget, ProfileTarget, ReadNowRequest, ReadNowResponse,
    ReadingsOutcome, RegistersTarget, read_now_request::Target, read_now_response::Outcome,
};
use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::MBus;

use super::super::request_id::RequestId;
use super::super::status::Refusal;
use super::super::{check, convert, on_demand};
use super::Readings;
use super::expand::{clock_status, register};
use super::flags::Flags;
use crate::store::JobKind;
use crate::store::job_list::{Job, Order};
use crate::store::meters::Meter;
use crate::telemetry;

/// The longest range of a profile.
const MAX_RANGE: SignedDuration = SignedDuration::from_hours(366 * 24);
/// Readings in an answer at most.
const MAX_READINGS: usize = 10_000;

impl Readings {
    /// Reads a meter now.
    pub(super) async fn read(
        &self,
        request: ReadNowRequest,
        id: RequestId,
    ) -> Result<ReadNowResponse, Refusal> {
        let wait = on_demand::wait(request.wait.as_ref())?;
        let target = request.target.ok_or_else(|| Refusal::field("target", "what to read is expected"))?;
        check::serial("meter_serial", &request.meter_serial)?;
        let serial = request.meter_serial;
        let meter = self.store.meter(&serial).await?;
        let meter = meter.ok_or_else(|| Refusal::MeterNotFound { serial: serial.clone() })?;
        let order = self.order(&meter, &target, id)?;
        let job = self.on_demand.run(&serial, &order, wait).await?;
        self.outcome(&meter, &target, &order, job).await
    }

    fn order(&self, meter: &Meter, target: &Target, id: RequestId) -> Result<Order, Refusal> {
        let (kind, obis, range) = match target {
            Target::Registers(RegistersTarget { obis }) if obis.is_empty() => {
                (JobKind::ReadRegisters, None, None)
            }
            Target::Registers(RegistersTarget { obis }) => {
                (JobKind::ReadRegisters, Some(check::obis("registers.obis", obis)?), None)
            }
            Target::Profile(profile) => {
                (JobKind::ReadProfile, Some(self.profile(meter, profile)?), Some(range(profile)?))
            }
            Target::Clock(_) => (JobKind::ReadClock, None, None),
            Target::Identity(_) => (JobKind::Identify, None, None),
            Target::Model(ModelTarget { name }) if models::is_name(name) => (JobKind::Discover, None, None),
            Target::Model(_) => {
                let expected = "1 to 32 lower-case letters, digits and hyphens are expected";
                return Err(Refusal::field("model.name", expected));
            }
        };
        Ok(Order {
            meter: meter.id,
            kind,
            obis: obis.map(Obis::octets),
            range,
            priority: on_demand::PRIORITY,
            max_attempts: on_demand::MAX_ATTEMPTS,
            request_id: id.0,
            trace_parent: telemetry::trace_parent(),
        })
    }

    /// The logical name of a profile, or a log, that the meter's model has.
    fn profile(&self, meter: &Meter, target: &ProfileTarget) -> Result<Obis, Refusal> {
        let named: Vec<(&str, Obis)> = self.models.get(&meter.model).map_or_else(Vec::new, |model| {
            let profiles = model.profiles.iter().map(|profile| (profile.name.as_str(), profile.obis));
            profiles.chain(model.logs.iter().map(|log| (log.name.as_str(), log.obis))).collect()
        });
        let asked = target.profile.parse::<Obis>().ok();
        let found = named.iter().find(|(name, obis)| *name == target.profile || Some(*obis) == asked);
        found.map(|(_, obis)| *obis).ok_or_else(|| {
            let known: Vec<_> = named.iter().map(|(name, obis)| format!("{name} ({obis})")).collect();
            Refusal::field("profile.profile", format!("the meter's model has {}", known.join(", ")))
        })
    }

    async fn outcome(
        &self,
        meter: &Meter,
        target: &Target,
        order: &Order,
        job: Job,
    ) -> Result<ReadNowResponse, Refusal> {
        if let Target::Model(ModelTarget { name }) = target {
            let draft = self.store.model_draft_of_job(meter.id, job.id).await?.ok_or(Refusal::Internal)?;
            let outcome = Outcome::Model(ModelOutcome { file: models::with_name(name, &draft) });
            return Ok(ReadNowResponse { job: Some(convert::job(job)?), outcome: Some(outcome) });
        }
        let outcome = match (order.kind, order.obis, order.range) {
            (JobKind::ReadProfile, Some(obis), Some(range)) => {
                let whose = match MBus::channel(Obis::new(obis)) {
                    Some(channel) => self.store.mbus_part(meter.id, channel).await?.unwrap_or(meter.id),
                    None => meter.id,
                };
                let (readings, truncated) = self.range(whose, obis, range, MAX_READINGS).await?;
                Outcome::Readings(ReadingsOutcome { readings, truncated })
            }
            (JobKind::ReadClock, ..) => Outcome::Clock(self.clock(meter.id, job.id).await?),
            (JobKind::Identify, ..) => Outcome::Identity(self.identity(&meter.serial).await?),
            _ => Outcome::Readings(self.registers_read(meter, job.id).await?),
        };
        Ok(ReadNowResponse { job: Some(convert::job(job)?), outcome: Some(outcome) })
    }

    async fn registers_read(&self, meter: &Meter, job: i64) -> Result<ReadingsOutcome, Refusal> {
        let mut rows = self.store.registers_of_job(meter.id, job, MAX_READINGS as i64 + 1).await?;
        let truncated = rows.len() > MAX_READINGS;
        rows.truncate(MAX_READINGS);
        let flags = Flags::of_registers(&self.store, meter.id, &rows, None).await?;
        let readings =
            rows.iter().map(|row| register(&meter.serial, row, &flags)).collect::<Result<_, _>>()?;
        Ok(ReadingsOutcome { readings, truncated })
    }

    async fn clock(&self, meter: i32, job: i64) -> Result<ClockOutcome, Refusal> {
        let row = self.store.clock_of_job(meter, job).await?.ok_or(Refusal::Internal)?;
        Ok(ClockOutcome {
            meter_time: Some(convert::stored(row.meter_ts)),
            read_at: Some(convert::stored(row.read_at)),
            delay_ms: i32::try_from(row.delay_ms).unwrap_or(i32::MAX),
            offset_minutes: row.offset_min.map(i32::from),
            status: clock_status(row.status),
        })
    }

    async fn identity(&self, serial: &str) -> Result<IdentityOutcome, Refusal> {
        let meter = self.store.meter(serial).await?.ok_or(Refusal::Internal)?;
        Ok(IdentityOutcome {
            logical_device_name: meter.logical_device_name.unwrap_or_default(),
            firmware: meter.firmware.unwrap_or_default(),
        })
    }
}

fn range(target: &ProfileTarget) -> Result<(Timestamp, Timestamp), Refusal> {
    let end = |field, end: &Option<prost_types::Timestamp>| match end {
        Some(end) => check::instant(field, end),
        None => Err(Refusal::field(field, "an instant is expected")),
    };
    let (from, to) = (end("profile.from", &target.from)?, end("profile.to", &target.to)?);
    if from > to {
        return Err(Refusal::field("profile.to", "an instant at or after `from` is expected"));
    }
    if to.duration_since(from) > MAX_RANGE {
        return Err(Refusal::OverLimit {
            field: "profile.to",
            problem: "a range of at most 366 days is allowed".into(),
        });
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_bounded() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let target = |from, to| ProfileTarget { profile: "energy".into(), from, to };
        assert!(range(&target(at(0), at(366 * 86_400))).is_ok());
        let over = range(&target(at(0), at(366 * 86_400 + 1)));
        assert!(matches!(over, Err(Refusal::OverLimit { field: "profile.to", .. })), "{over:?}");
        assert!(range(&target(at(1), at(0))).is_err());
        assert!(range(&target(None, at(0))).is_err());
    }
}

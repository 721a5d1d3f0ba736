//! From what was leased to what a channel takes. Pure, but for the seeds.

mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

use ami_proto::v1::ImageHeader;
use collectors::{
    Address, Baseline, Event, Failure, Holdings, ImageOctets, LogRange, ProfileRange, Reason,
    RegisterRequest, Report, Seed, Station, Task, Via, Work,
};
use dlms::client::Counters;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use models::{Model, Register};
use tracing::{Span, info_span};

use crate::plan::{SCHEDULED, due_registers};
use crate::store::JobKind;
use crate::store::jobs::{Leased, LeasedJob};
use crate::telemetry;

/// Attribute of a register or a data object that holds its value (Blue Book, 4.3.1 and 4.3.2).
const VALUE: i8 = 2;

/// Where the octets of an image are.
type Images<'a> = &'a dyn Fn(&ImageHeader) -> ImageOctets;

/// What orders need of the store while they are carried out.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// Where the octets of an image are.
    pub(super) images: Images<'a>,
    /// Where is kept what a meter showed before the command with this number.
    pub(super) baselines: &'a dyn Fn(i64) -> Baseline,
    /// Where is kept what the command with this number clears.
    pub(super) holdings: &'a dyn Fn(i64) -> Holdings,
}

/// The works of a leased meter, and the ends of the jobs that cannot even be tried.
pub(super) fn from_lease(
    leased: &Leased,
    models: &BTreeMap<String, Arc<Model>>,
    sources: Sources<'_>,
) -> (Vec<Work>, Vec<Report>) {
    let refuse_all = |failure: &Failure| {
        (Vec::new(), leased.jobs.iter().map(|job| ended(leased, job, failure.clone())).collect())
    };
    let model = match known(models, &leased.model) {
        Ok(model) => model,
        Err(failure) => return refuse_all(&failure),
    };
    if model.read_with_parent {
        let detail =
            "It is a part that is read with its meter and never asked itself: order it of the meter.";
        return refuse_all(&Failure::new(Reason::Unsupported, detail));
    }
    let Ok(zone) = TimeZone::get(&leased.zone) else {
        let detail = format!("Time zone {} is not known to this server: correct the meter.", leased.zone);
        return refuse_all(&Failure::new(Reason::Unsupported, detail));
    };
    let address: Address = match leased.address.parse() {
        Ok(address) => address,
        Err(error) => {
            let detail = format!("The address of the meter is none ({error}): correct the meter.");
            return refuse_all(&Failure::new(Reason::Unsupported, detail));
        }
    };
    let via = match via(&address, leased, models) {
        Ok(via) => via,
        Err(failure) => return refuse_all(&failure),
    };
    let station = Arc::new(Station {
        meter: leased.meter,
        address,
        device_address: leased.device_address,
        subunit: leased.subunit,
        via,
        server_sap: leased.server_sap,
        client_sap: leased.client_sap,
        credentials: leased.credentials.clone(),
        model,
        serial: Some(leased.serial.clone()),
        zone,
    });
    let (mut works, mut refused) = (Vec::new(), Vec::new());
    for job in &leased.jobs {
        match work(&station, job, sources) {
            Ok(work) => works.push(work),
            Err(failure) => refused.push(ended(leased, job, failure)),
        }
    }
    (works, refused)
}

fn known(models: &BTreeMap<String, Arc<Model>>, name: &str) -> Result<Arc<Model>, Failure> {
    models.get(name).map(Arc::clone).ok_or_else(|| {
        let detail = format!("Model {name} is not known to this server: add its file to models.dir.");
        Failure::new(Reason::Unsupported, detail)
    })
}

/// The concentrator that the address names.
fn via(
    address: &Address,
    leased: &Leased,
    models: &BTreeMap<String, Arc<Model>>,
) -> Result<Option<Arc<Via>>, Failure> {
    let Some((serial, _)) = address.node() else { return Ok(None) };
    let wrong = |what: &str| {
        let detail = format!("Concentrator {serial} {what}: correct the inventory.");
        Failure::new(Reason::NoRoute, detail)
    };
    let via = leased.via.as_ref().ok_or_else(|| wrong("is not in the inventory"))?;
    let model = known(models, &via.model)?;
    if model.concentrator.is_none() {
        return Err(wrong("is a meter, by its model, that nothing stands behind"));
    }
    let address = via.address.parse().map_err(|_| wrong("has an address that is none"))?;
    Ok(Some(Arc::new(Via { meter: via.meter, address, model })))
}

fn work(station: &Arc<Station>, job: &LeasedJob, sources: Sources<'_>) -> Result<Work, Failure> {
    if station.credentials.takes_counters() && job.counters.is_none() {
        let detail = "No invocation counters are left for the keys of the meter: give it new keys, and correct the meter in the inventory.";
        return Err(Failure::new(Reason::CounterUnusable, detail));
    }
    Ok(Work {
        job: job.id,
        station: Arc::clone(station),
        counters: job.counters.map(|(first, end)| Counters::new(first, end)),
        seed: seed()?,
        task: task(station, job, sources)?,
        priority: job.priority,
        span: span(station, job),
    })
}

/// The span of an attempt, in the trace of the call that ordered the job.
fn span(station: &Station, job: &LeasedJob) -> Span {
    let span = info_span!(
        "job",
        job = job.id,
        attempt = job.attempts,
        command = job.command.as_ref().map(|command| command.id),
        serial = station.serial,
        request_id = job.request_id.map(tracing::field::display),
    );
    telemetry::follow(&span, job.trace_parent.as_deref());
    span
}

fn task(station: &Station, job: &LeasedJob, sources: Sources<'_>) -> Result<Task, Failure> {
    let model = &station.model;
    match job.kind {
        JobKind::Command => match &job.command {
            Some(command) => order::task(command, model, sources),
            None => {
                Err(Failure::new(Reason::Unsupported, "The command of this job came to its end without it."))
            }
        },
        JobKind::Identify => Ok(Task::Identify),
        JobKind::ReadClock => Ok(Task::ReadClock),
        JobKind::Discover => Ok(Task::Discover),
        JobKind::ListNodes => Ok(Task::ListNodes),
        JobKind::ReadTariff => Ok(Task::ReadTariff),
        JobKind::ReadRegisters => {
            let requests: Vec<_> = registers(station, job)
                .into_iter()
                .map(|register| RegisterRequest {
                    obis: register.obis,
                    class_id: register.class_id,
                    attribute: VALUE,
                })
                .collect();
            if requests.is_empty() {
                let detail =
                    format!("Model {} names no such register: choose one that it names.", model.name);
                return Err(Failure::new(Reason::Unsupported, detail));
            }
            Ok(Task::ReadRegisters(requests))
        }
        JobKind::ReadProfile => {
            let incomplete =
                || Failure::new(Reason::Unsupported, "The job names no profile or no range: order it again.");
            let (obis, (from, to)) = job.obis.zip(job.range).ok_or_else(incomplete)?;
            if model.log(obis).is_some() {
                // From the beginning, also when the attempt before was cut: only a whole read shows what may be lost.
                let range = ProfileRange { obis, from, to, layout: job.layout.clone(), last: None };
                return Ok(Task::ReadLog(LogRange { range, mark: job.last_ts }));
            }
            let from = resume(from, to, job);
            Ok(Task::ReadProfile(ProfileRange {
                obis,
                from,
                to,
                layout: job.layout.clone(),
                last: job.last_ts,
            }))
        }
    }
}

/// The registers that a job is about: one, those that are due, or all that somebody wants to see now.
fn registers<'a>(station: &'a Station, job: &LeasedJob) -> Vec<&'a Register> {
    let model = &station.model;
    match job.obis {
        Some(obis) => model.registers.iter().filter(|register| register.obis == obis).collect(),
        None if job.priority <= SCHEDULED => {
            due_registers(station.meter, model, job.registers_read_at, job.started_at)
        }
        None => model.registers.iter().collect(),
    }
}

/// Where to begin: a repeated attempt goes on behind the high-water mark when that lies in its range, because the attempt before
/// moved it there. What was skipped that way by mistake is not covered, and becomes a job as a hole.
fn resume(from: Timestamp, to: Timestamp, job: &LeasedJob) -> Timestamp {
    match job.last_ts {
        Some(last) if job.attempts > 1 && from <= last && last < to => {
            last.checked_add(SignedDuration::from_secs(1)).unwrap_or(from)
        }
        _ => from,
    }
}

/// Octets for everything random in the associations of a work, from the operating system.
fn seed() -> Result<Seed, Failure> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|error| {
        Failure::new(
            Reason::Cancelled,
            format!("The operating system gave no random octets, which should pass: {error}."),
        )
    })?;
    Ok(Seed::new(octets))
}

/// The end of a job that was not even tried. What was in doubt stays so.
fn ended(leased: &Leased, job: &LeasedJob, failure: Failure) -> Report {
    let in_doubt = job.command.as_ref().is_some_and(|command| command.in_doubt);
    let failure = Failure { in_doubt, ..failure };
    Report { job: job.id, meter: leased.meter, event: Event::Ended(Err(failure)) }
}

#[cfg(test)]
mod tests {
    use collectors::Credentials;
    use dlms::client::{GlobalKeys, Key, SystemTitle};

    use super::*;
    use crate::store::jobs::LeasedVia;

    /// Orders that need something of the store are not among these.
    fn nothing() -> Sources<'static> {
        Sources {
            images: &no_image,
            baselines: &|_| unreachable!("no reset is leased"),
            holdings: &|_| unreachable!("no meter is cleared"),
        }
    }

    fn no_image(image: &ImageHeader) -> ImageOctets {
        panic!("no command is about {}", image.name)
    }

    fn leased(model: &str, zone: &str, job: LeasedJob) -> Leased {
        Leased {
            meter: 7,
            serial: "70000001".into(),
            model: model.into(),
            line: "127.0.0.1:4059".into(),
            address: "127.0.0.1:4059".into(),
            throttle_group: None,
            device_address: None,
            subunit: None,
            via: None,
            server_sap: 1,
            client_sap: 16,
            zone: zone.into(),
            credentials: Credentials::none(),
            jobs: vec![job],
        }
    }

    fn profile_job(attempts: i16, last_ts: Option<&str>) -> LeasedJob {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        LeasedJob {
            id: 1,
            kind: JobKind::ReadProfile,
            obis: "1.0.99.1.0.255".parse().ok(),
            range: Some((at("2026-01-01T00:15:00Z"), at("2026-01-02T00:00:00Z"))),
            priority: 0,
            attempts,
            counters: None,
            layout: None,
            last_ts: last_ts.map(at),
            started_at: at("2026-01-02T01:00:00Z"),
            registers_read_at: None,
            request_id: None,
            trace_parent: None,
            command: None,
        }
    }

    fn start_of(job: LeasedJob) -> String {
        let models = models::builtin().unwrap();
        let (works, refused) = from_lease(&leased("sed302", "UTC", job), &models, nothing());
        assert!(refused.is_empty());
        match &works[0].task {
            Task::ReadProfile(range) => range.from.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_meter_whose_keys_have_no_counters_left_is_not_tried() {
        let keys = GlobalKeys::of_suite_0(Key::new([1; 16]), Key::new([2; 16]));
        let meter = Leased {
            credentials: Credentials::gmac(SystemTitle::new([7; 8]), keys),
            ..leased("sed302", "UTC", profile_job(1, None))
        };
        let (works, refused) = from_lease(&meter, &models::builtin().unwrap(), nothing());
        let Event::Ended(Err(failure)) = &refused[0].event else { panic!("{refused:?}") };
        assert!(works.is_empty());
        assert_eq!(failure.reason, Reason::CounterUnusable);
    }

    #[test]
    fn a_repeated_attempt_goes_on_where_the_last_one_was_cut() {
        assert_eq!(start_of(profile_job(1, Some("2026-01-01T12:00:00Z"))), "2026-01-01T00:15:00Z");
        assert_eq!(start_of(profile_job(2, Some("2026-01-01T12:00:00Z"))), "2026-01-01T12:00:01Z");
        assert_eq!(start_of(profile_job(2, None)), "2026-01-01T00:15:00Z");
        // A hole: the mark lies behind it.
        assert_eq!(start_of(profile_job(2, Some("2026-01-05T12:00:00Z"))), "2026-01-01T00:15:00Z");
    }

    #[test]
    fn a_node_is_reached_through_its_concentrator() {
        let models = models::builtin().unwrap();
        let behind = |via: Option<(&str, &str)>| {
            let via = via.map(|(address, model)| LeasedVia {
                meter: 3,
                address: address.into(),
                model: model.into(),
            });
            let address = "concentrator://C0000001/17".into();
            let leased = leased("sed302", "UTC", profile_job(1, None));
            let (works, refused) = from_lease(&Leased { address, via, ..leased }, &models, nothing());
            let refusal = refused.into_iter().find_map(|report| match report.event {
                Event::Ended(Err(failure)) => Some((failure.reason, failure.detail)),
                _ => None,
            });
            works.first().map(|work| work.station.via.clone().unwrap()).ok_or_else(|| refusal.unwrap())
        };
        let via = behind(Some(("10.1.1.1:4059", "dlms-concentrator"))).unwrap();
        assert_eq!((via.meter, via.address.to_string().as_str()), (3, "10.1.1.1:4059"));
        assert!(via.model.concentrator.is_some());
        for (via, reason, hint) in [
            (None, Reason::NoRoute, "Concentrator C0000001 is not in the inventory"),
            (Some(("10.1.1.1:4059", "sed302")), Reason::NoRoute, "nothing stands behind"),
            (Some(("10.1.1.1:4059", "no-such")), Reason::Unsupported, "Model no-such is not known"),
        ] {
            let (found, detail) = behind(via).unwrap_err();
            assert_eq!(found, reason);
            assert!(detail.contains(hint), "{detail}");
        }
    }

    #[test]
    fn what_cannot_be_tried_ends_with_its_reason() {
        let models = models::builtin().unwrap();
        for (model, zone) in [("no-such-model", "UTC"), ("sed302", "Mars/Olympus")] {
            let (works, refused) = from_lease(&leased(model, zone, profile_job(1, None)), &models, nothing());
            assert!(works.is_empty());
            let Event::Ended(Err(failure)) = &refused[0].event else { panic!("{refused:?}") };
            assert_eq!(failure.reason, Reason::Unsupported);
        }
    }
}

//! From a document to what is stored of it: pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use collectors::{Captures, Event, JobId, LogEntries, MeterId, Report, held};
use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::Model;
use p2lpc::{Device, Document, Ident, Profile};

use crate::store::ResultState;
use crate::store::result_files::NodeMeter;

/// How far back captures are believed: no meter keeps them longer.
const OLDEST: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);
/// How far the clock of a concentrator may be ahead.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// Problems of one file that are named.
const NAMED: usize = 5;

/// What stands behind a concentrator, and itself.
pub(super) struct Behind {
    own: (MeterId, Option<Arc<Model>>),
    nodes: BTreeMap<String, (MeterId, Option<Arc<Model>>)>,
}

/// What a document brings.
pub(super) struct Taken {
    pub(super) reports: Vec<Report>,
    pub(super) captures: u64,
    pub(super) events: u64,
    pub(super) state: ResultState,
    pub(super) detail: String,
}

impl Behind {
    /// The concentrator with the name of its model, and the meters behind it.
    pub(super) fn new(
        (own, model): (MeterId, &str),
        meters: Vec<NodeMeter>,
        models: &BTreeMap<String, Arc<Model>>,
    ) -> Self {
        let node = |meter: NodeMeter| (meter.node, (meter.id, models.get(&meter.model).cloned()));
        Self { own: (own, models.get(model).cloned()), nodes: meters.into_iter().map(node).collect() }
    }
}

/// What a document of a concentrator brings under this number.
pub(super) fn reports(
    document: &Document,
    (serial, behind): (&str, &Behind),
    job: JobId,
    now: Timestamp,
) -> Taken {
    let within =
        (now.checked_sub(OLDEST).unwrap_or(Timestamp::MIN), now.checked_add(AHEAD).unwrap_or(Timestamp::MAX));
    let mut taking =
        Taking { job, within, is_whole: document.damage.is_none(), problems: Vec::new(), events: Vec::new() };
    if let Some(damage) = &document.damage {
        taking.problems.push(format!("It is not whole: {damage}"));
    }
    if let Some(refusal) = &document.refusal {
        taking
            .problems
            .push(format!("{} entries cannot be understood, the first because {refusal}", document.refused));
    }
    for device in &document.devices {
        if !device.concentrator.is_empty() && device.concentrator != serial {
            taking
                .problems
                .push(format!("{:?} is said to be of the concentrator {:?}", device.id, device.concentrator));
            continue;
        }
        let known = if device.id == serial { Some(&behind.own) } else { behind.nodes.get(&device.id) };
        match known {
            Some((meter, Some(model))) => taking.device(device, *meter, model),
            Some((_, None)) => {
                taking.problems.push(format!("the model of {:?} is not known to this server", device.id))
            }
            None => taking
                .problems
                .push(format!("no meter in service has the address concentrator://{serial}/{}", device.id)),
        }
    }
    taking.close()
}

/// Captures and entries of a report.
pub(super) fn weight(report: &Report) -> usize {
    match &report.event {
        Event::Captures(captures) => captures.at.len(),
        Event::Logged(logged) => logged.entries.len(),
        _ => 0,
    }
}

struct Taking {
    job: JobId,
    within: (Timestamp, Timestamp),
    is_whole: bool,
    problems: Vec<String>,
    events: Vec<(MeterId, Event)>,
}

impl Taking {
    fn device(&mut self, device: &Device, meter: MeterId, model: &Model) {
        let mut profiles: BTreeMap<Ident, Vec<&Profile>> = BTreeMap::new();
        for profile in &device.profiles {
            profiles.entry(profile.ident).or_default().push(profile);
        }
        for (ident, profiles) in profiles {
            match self.captures(&device.id, model, (ident, &profiles)) {
                Ok(captures) => {
                    self.events
                        .extend(captures.into_iter().map(|captures| (meter, Event::Captures(captures))));
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        if device.events.is_empty() {
            return;
        }
        let Some(log) = model.logs.first() else {
            return self.problems.push(format!("the model of {:?} names no log", device.id));
        };
        let (from, to) = (self.within.0.as_second(), self.within.1.as_second());
        let believed = device.events.iter().filter(|event| (from..=to).contains(&event.at));
        let entries: Vec<_> = believed.flat_map(|event| held::entries(model, log, event.clone())).collect();
        if !entries.is_empty() {
            self.events.push((meter, Event::Logged(LogEntries { log: log.obis, entries })));
        }
    }

    fn captures(
        &mut self,
        id: &str,
        model: &Model,
        (ident, profiles): (Ident, &[&Profile]),
    ) -> Result<Vec<Captures>, String> {
        let late = profiles.iter().flat_map(|profile| &profile.registers);
        let late = late.filter(|register| register.at > self.within.1.as_second()).count();
        if late > 0 {
            self.problems.push(format!(
                "{late} values of {id:?} in profile {ident} are from the future, and were left out"
            ));
        }
        held::captures(model, Obis::new(ident.0), profiles.iter().copied(), self.within, self.is_whole)
            .map_err(|error| format!("{id:?} (model {}): {error}", model.name))
    }

    fn close(self) -> Taken {
        let reports: Vec<_> =
            self.events.into_iter().map(|(meter, event)| Report { job: self.job, meter, event }).collect();
        let sum = |of: fn(&Event) -> bool| -> u64 {
            reports.iter().filter(|report| of(&report.event)).map(|report| weight(report) as u64).sum()
        };
        let more = self.problems.len().saturating_sub(NAMED);
        let mut named = self.problems.into_iter().take(NAMED).collect::<Vec<_>>();
        if more > 0 {
            named.push(format!("and {more} more of the kind"));
        }
        let (captures, events) = (
            sum(|event| matches!(event, Event::Captures(_))),
            sum(|event| matches!(event, Event::Logged(_))),
        );
        let state = match named.is_empty() {
            true => ResultState::Taken,
            false if reports.is_empty() => ResultState::Refused,
            false => ResultState::Damaged,
        };
        let detail = if named.is_empty() { String::new() } else { format!("{}.", named.join("; ")) };
        Taken { captures, events, state, detail, reports }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-02T12:00:00Z";

    fn taken(text: &str) -> Taken {
        let models = models::builtin().unwrap();
        let node = NodeMeter { node: "70000001".into(), id: 7, model: "mt371".into() };
        let behind = Behind::new((1, "p2lpc"), vec![node], &models);
        reports(&Document::read(text.as_bytes()), ("C1", &behind), 3, NOW.parse().unwrap())
    }

    fn device(id: &str, inside: &str) -> String {
        format!("<Device DeviceID=\"{id}\" P2LPCIdent=\"C1\">{inside}</Device>")
    }

    fn day(at: &str) -> String {
        let register =
            |ident| format!("<Register Ident=\"{ident}\" Value=\"1.5\" DateTime=\"{at}\" Status=\"0\"/>");
        let registers = ["1.8.0", "2.8.0", "3.8.0", "4.8.0"].map(register).concat();
        format!("<Profile Ident=\"99.2.0\" Period=\"86400\">{registers}</Profile>")
    }

    #[test]
    fn what_is_whole_is_taken_for_the_meter_that_it_is_of() {
        let events = "<Event DateTime=\"2026-03-02T01:00:00Z\" Status=\"192\"/>";
        let inside = device("70000001", &(day("2026-03-02T00:00:00Z") + events));
        let taken = taken(&format!("<MeterProfile>{inside}</MeterProfile>"));
        assert_eq!(
            (taken.state, taken.captures, taken.events, taken.detail.as_str()),
            (ResultState::Taken, 1, 2, "")
        );
        assert!(taken.reports.iter().all(|report| (report.job, report.meter) == (3, 7)));
        let Event::Captures(captures) = &taken.reports[0].event else { unreachable!() };
        assert_eq!(captures.values, [Some(1500); 4]);
    }

    #[test]
    fn what_is_torn_off_gives_what_is_whole_in_it() {
        let whole = format!("<MeterProfile>{}", device("70000001", &day("2026-03-02T00:00:00Z")));
        let torn = whole.clone()
            + "<Device DeviceID=\"70000001\"><Profile Ident=\"99.2.0\"><Register Ident=\"1.8.0\" Val";
        let taken = taken(&torn);
        assert_eq!((taken.state, taken.captures), (ResultState::Damaged, 1));
        assert!(taken.detail.starts_with("It is not whole"), "{}", taken.detail);
    }

    #[test]
    fn strangers_foreigners_and_the_future_are_named_and_left_out() {
        let foreign = "<Device DeviceID=\"70000001\" P2LPCIdent=\"C2\"></Device>";
        let future = device("70000001", &day("2036-03-02T00:00:00Z"));
        let all = [device("9", &day("2026-03-02T00:00:00Z")), foreign.into(), future].concat();
        let taken = taken(&format!("<MeterProfile>{all}</MeterProfile>"));
        assert_eq!((taken.state, taken.reports.len()), (ResultState::Refused, 0));
        let named = ["concentrator://C1/9", "of the concentrator \"C2\"", "4 values of \"70000001\""];
        assert!(named.iter().all(|part| taken.detail.contains(part)), "{}", taken.detail);
        let other = super::tests::taken("<html></html>");
        assert_eq!(other.state, ResultState::Refused);
    }
}

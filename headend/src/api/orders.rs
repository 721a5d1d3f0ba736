//! How every service orders: terms are checked with everything that is wrong at once, one transaction makes the commands, and the audit tells
//! what was refused.

use std::collections::BTreeSet;
use std::time::Duration;

use ami_proto::v1::{self, FieldViolation, OrderTerms};
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tonic::Request;
use tracing::{info, warn};

use super::access::{Principal, TwoPersons};
use super::commands::convert::command;
use super::request_id::RequestId;
use super::status::Refusal;
use super::{Models, check};
use crate::store::audit::Entry;
use crate::store::commands::{NewOrder, Placed};
use crate::store::meters::Meter;
use crate::store::{CommandKind, Store};
use crate::telemetry;

/// Meters of one order at most.
const MAX_METERS: usize = 100;
/// The longest key and the longest reason.
const MAX_KEY: usize = 128;
const MAX_REASON: usize = 1000;
/// The farthest deadline.
const HORIZON: SignedDuration = SignedDuration::from_hours(366 * 24);
/// The highest priority that an order may have.
const MAX_PRIORITY: u32 = 100;

/// Who asks for something that changes the world, and by which call.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) principal: Principal,
    pub(super) request: RequestId,
    /// The name of the call, such as `SwitchService/Disconnect`.
    pub(super) action: &'static str,
    /// Which orders need somebody else's approval.
    pub(super) two_persons: TwoPersons,
}

impl Asker {
    /// Whoever made the request.
    pub(super) fn of<T>(request: &Request<T>, action: &'static str) -> Result<Self, Refusal> {
        let (principal, two_persons) = (Principal::of(request)?, TwoPersons::of(request)?);
        Ok(Self { principal, request: RequestId::of(request), action, two_persons })
    }

    /// A row of the audit.
    pub(super) fn entry(&self, target: String, outcome: &str, detail: Option<String>) -> Entry {
        Entry {
            principal: self.principal.name.clone(),
            action: self.action.to_owned(),
            target,
            outcome: outcome.to_owned(),
            detail,
            request_id: self.request.0,
        }
    }

    /// Writes a refusal into the audit before it is given out.
    pub(super) async fn audited<T>(
        &self,
        store: &Store,
        target: String,
        outcome: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let Err(refusal) = &outcome else { return outcome };
        let entry = self.entry(target, &refusal.word(), Some(refusal.to_string()));
        if let Err(error) = store.audit(&entry).await {
            warn!(%error, "a refusal could not be audited");
        }
        outcome
    }
}

/// What is ordered, beside meters and terms.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) kind: CommandKind,
    pub(super) meter_serials: &'a [String],
    pub(super) terms: Option<&'a OrderTerms>,
    /// What the kind needs, as encoded message of `ami.v1`.
    pub(super) arguments: Option<Vec<u8>>,
    /// Whether a reason has to be given.
    pub(super) reason_needed: bool,
}

/// What speaks against an order for a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The model can not do it.
    Model(String),
    /// What is ordered does not fit: everything that is wrong.
    Fields(Vec<FieldViolation>),
}

impl From<String> for Unfit {
    fn from(problem: String) -> Self {
        Self::Model(problem)
    }
}

/// Orders, if `fits` has nothing against a meter.
pub(super) async fn place<E: Into<Unfit>>(
    store: &Store,
    asker: &Asker,
    wanted: Wanted<'_>,
    fits: impl Fn(&Meter) -> Result<(), E>,
) -> Result<Vec<v1::Command>, Refusal> {
    let target = wanted.meter_serials.join(" ");
    let placed = try_place(store, asker, &wanted, &target, fits).await;
    let ids = asker.audited(store, target, placed).await?;
    let commands = store.commands(&ids).await?;
    // They were just made, in the order of the request, and numbers grow.
    Ok(commands.into_iter().map(command).collect())
}

async fn try_place<E: Into<Unfit>>(
    store: &Store,
    asker: &Asker,
    wanted: &Wanted<'_>,
    target: &str,
    fits: impl Fn(&Meter) -> Result<(), E>,
) -> Result<Vec<i64>, Refusal> {
    let needs_approval = asker.two_persons.are_needed(wanted.kind)?;
    let terms = check_terms(wanted, Timestamp::now())?;
    let meters = meters(store, wanted.meter_serials).await?;
    for (place, meter) in meters.iter().enumerate() {
        fits(meter).map_err(|unfit| match unfit.into() {
            Unfit::Model(problem) => Refusal::NotCapable {
                field: format!("meter_serials[{place}]"),
                serial: meter.serial.clone(),
                problem,
            },
            Unfit::Fields(violations) => Refusal::InvalidFields { violations },
        })?;
    }
    let order = NewOrder {
        principal: asker.principal.name.clone(),
        idempotency_key: terms.key.clone(),
        kind: wanted.kind,
        fingerprint: fingerprint(wanted),
        arguments: wanted.arguments.clone(),
        reason: terms.reason,
        request_id: asker.request.0,
        trace_parent: telemetry::trace_parent(),
        meters: meters.iter().map(|meter| meter.id).collect(),
        priority: terms.priority,
        not_before: terms.not_before,
        deadline: terms.deadline,
        needs_approval,
    };
    let entry = asker.entry(target.to_owned(), "accepted", Some(order.reason.clone()));
    match store.place_order(&order, &entry).await? {
        Placed::Commands(ids) => {
            info!(kind = ?wanted.kind, commands = ids.len(), principal = order.principal, "ordered");
            Ok(ids)
        }
        Placed::KeyReused => Err(Refusal::KeyReused),
        Placed::Retired(id) => {
            let retired = meters.into_iter().find(|meter| meter.id == id);
            Err(Refusal::MeterRetired { serial: retired.map(|meter| meter.serial).unwrap_or_default() })
        }
    }
}

/// The meters of an order, in its order.
pub(super) async fn meters(store: &Store, serials: &[String]) -> Result<Vec<Meter>, Refusal> {
    let mut meters = Vec::with_capacity(serials.len());
    for serial in serials {
        let meter = store.meter(serial).await?;
        meters.push(meter.ok_or_else(|| Refusal::MeterNotFound { serial: serial.clone() })?);
    }
    Ok(meters)
}

/// What the model of a meter has to say to an order.
pub(super) fn model<'a>(models: &'a Models, meter: &Meter) -> Result<&'a models::Model, String> {
    let unknown = || format!("model {} is not known to this server", meter.model);
    models.get(&meter.model).map(|model| &**model).ok_or_else(unknown)
}

/// Terms that hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Terms {
    key: String,
    reason: String,
    priority: i16,
    not_before: Timestamp,
    deadline: Timestamp,
}

/// Everything that is wrong with meters and terms, or the terms.
fn check_terms(wanted: &Wanted<'_>, now: Timestamp) -> Result<Terms, Refusal> {
    let mut violations = check_serials(wanted.meter_serials);
    let mut rule = |holds: bool, field: &str, problem: &str| {
        if !holds {
            violations.push(FieldViolation { field: field.to_owned(), problem: problem.to_owned() });
        }
    };
    let terms = wanted.terms.cloned().unwrap_or_default();
    let key = terms.idempotency_key;
    let is_key = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|octet| octet.is_ascii_graphic());
    rule(is_key, "terms.idempotency_key", "1 to 128 visible ASCII characters are expected");
    let is_reason = terms.reason.chars().count() <= MAX_REASON;
    rule(is_reason, "terms.reason", "at most 1000 characters are allowed");
    let is_given = !wanted.reason_needed || !terms.reason.trim().is_empty();
    rule(is_given, "terms.reason", "a reason has to be given for this");
    rule(terms.priority <= MAX_PRIORITY, "terms.priority", "0 to 100 is expected");
    let mut instant = |field: &str, given: Option<&prost_types::Timestamp>, usual: Timestamp| match given {
        None => usual,
        Some(given) => check::instant("terms", given).unwrap_or_else(|_| {
            rule(false, field, "an instant between the years 1 and 9999 is expected");
            usual
        }),
    };
    let not_before = instant("terms.not_before", terms.not_before.as_ref(), now).max(now);
    let usual = not_before.checked_add(signed(wanted.kind.patience())).unwrap_or(Timestamp::MAX);
    let deadline = instant("terms.deadline", terms.deadline.as_ref(), usual);
    rule(deadline > now, "terms.deadline", "it has passed");
    rule(deadline > not_before, "terms.deadline", "an instant after `not_before` is expected");
    let is_near = deadline.duration_since(now) <= HORIZON + signed(wanted.kind.patience());
    rule(is_near, "terms.deadline", "at most 366 days from now are allowed");
    if !violations.is_empty() {
        return Err(Refusal::InvalidFields { violations });
    }
    let priority = match i16::try_from(terms.priority) {
        Ok(asked @ 1..) => asked,
        _ => wanted.kind.priority(),
    };
    Ok(Terms { key, reason: terms.reason, priority, not_before, deadline })
}

fn check_serials(serials: &[String]) -> Vec<FieldViolation> {
    let violation = |field: String, problem: &str| FieldViolation { field, problem: problem.to_owned() };
    if !(1..=MAX_METERS).contains(&serials.len()) {
        return vec![violation("meter_serials".into(), "1 to 100 serial numbers are expected")];
    }
    let mut seen = BTreeSet::new();
    let wrong = serials.iter().enumerate().filter_map(|(place, serial)| {
        let problem = match check::serial("meter_serials", serial) {
            Err(_) => "1 to 64 visible ASCII characters are expected",
            Ok(()) if !seen.insert(serial) => "it stands there twice",
            Ok(()) => return None,
        };
        Some(violation(format!("meter_serials[{place}]"), problem))
    });
    wrong.collect()
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// SHA-256 of everything that is ordered, the key apart. Each part stands behind its length, so that no two orders read alike.
fn fingerprint(wanted: &Wanted<'_>) -> [u8; 32] {
    let terms = wanted.terms.cloned().unwrap_or_default();
    let terms = OrderTerms { idempotency_key: String::new(), ..terms };
    let mut hash = Sha256::new();
    let mut part = |octets: &[u8]| {
        hash.update((octets.len() as u64).to_be_bytes());
        hash.update(octets);
    };
    part(format!("{:?}", wanted.kind).as_bytes());
    part(&terms.encode_to_vec());
    part(wanted.arguments.as_deref().unwrap_or_default());
    for serial in wanted.meter_serials {
        part(serial.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn proto(text: &str) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds: at(text).as_second(), nanos: 0 })
    }

    fn wanted<'a>(serials: &'a [String], terms: &'a OrderTerms) -> Wanted<'a> {
        Wanted {
            kind: CommandKind::Disconnect,
            meter_serials: serials,
            terms: Some(terms),
            arguments: None,
            reason_needed: true,
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let serials = ["17".into(), "a,b".into(), "17".into()];
        let terms = OrderTerms {
            idempotency_key: "two words".into(),
            reason: " ".into(),
            not_before: proto("2026-01-02T00:00:00Z"),
            deadline: proto("2025-12-31T00:00:00Z"),
            priority: 101,
        };
        let refusal = check_terms(&wanted(&serials, &terms), at("2026-01-01T00:00:00Z")).unwrap_err();
        let Refusal::InvalidFields { violations } = refusal else { panic!("{refusal:?}") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        let expected = [
            "meter_serials[1]",
            "meter_serials[2]",
            "terms.idempotency_key",
            "terms.reason",
            "terms.priority",
            "terms.deadline",
            "terms.deadline",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_is_left_open_is_what_is_usual_for_the_kind() {
        let serials = ["17".into()];
        let terms = OrderTerms { idempotency_key: "k".into(), reason: "debt".into(), ..Default::default() };
        let now = at("2026-01-01T00:00:00Z");
        let checked = check_terms(&wanted(&serials, &terms), now).unwrap();
        assert_eq!((checked.priority, checked.not_before), (50, now));
        assert_eq!(checked.deadline, at("2026-01-01T00:15:00Z"));
    }

    #[test]
    fn a_fingerprint_is_of_the_order_and_not_of_its_name() {
        let serials = ["17".into(), "18".into()];
        let terms = OrderTerms { idempotency_key: "k".into(), ..Default::default() };
        let other_key = OrderTerms { idempotency_key: "l".into(), ..Default::default() };
        let print = |serials: &[String], terms| fingerprint(&wanted(serials, terms));
        assert_eq!(print(&serials, &terms), print(&serials, &other_key));
        assert_ne!(print(&serials, &terms), print(&serials[..1], &terms));
        assert_ne!(print(&["1718".into()], &terms), print(&serials, &terms));
        let later = OrderTerms { priority: 60, ..terms.clone() };
        assert_ne!(print(&serials, &terms), print(&serials, &later));
    }
}

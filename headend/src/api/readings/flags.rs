//! `ListFlags`, and the flags that readings bear.

use std::collections::BTreeMap;

use ami_proto::v1::{self, Decimal, ListFlagsRequest, ListFlagsResponse, ReadingFlag};
use ami_proto::words::Word as _;
use jiff::Timestamp;

use super::super::status::Refusal;
use super::super::{check, convert, known, token};
use super::expand::unit;
use super::{MAX_METERS, Readings};
use crate::store::flags::{Borne, Flag, FlagFilter};
use crate::store::readings::{Capture, RegisterRow};
use crate::store::{FlagRule, Store};

/// Rules in a filter at most.
const MAX_RULES: usize = 64;

/// Instant of a reading, layout of its capture, logical name and attribute of its object.
type Place = (Timestamp, Option<i32>, Vec<u8>, i16);

/// The flags of some readings of a meter.
#[derive(Debug, Default)]
pub(in crate::api) struct Flags {
    values: BTreeMap<Place, Vec<i32>>,
    /// Those about the time of a capture, or the capture as a whole, are about all of its values.
    captures: BTreeMap<(Timestamp, Option<i32>), Vec<i32>>,
}

impl Flags {
    /// The flags of captures, which are in order.
    pub(super) async fn of_captures(
        store: &Store,
        meter: i32,
        rows: &[Capture],
        known_at: Option<Timestamp>,
    ) -> Result<Self, Refusal> {
        let ends = rows.first().zip(rows.last()).map(|(first, last)| (first.ts, last.ts));
        Self::between(store, meter, ends, known_at).await
    }

    /// The flags of values of registers, in whatever order.
    pub(super) async fn of_registers(
        store: &Store,
        meter: i32,
        rows: &[RegisterRow],
        known_at: Option<Timestamp>,
    ) -> Result<Self, Refusal> {
        let times = || rows.iter().map(|row| row.ts.to_jiff());
        Self::between(store, meter, times().min().zip(times().max()), known_at).await
    }

    async fn between(
        store: &Store,
        meter: i32,
        ends: Option<(Timestamp, Timestamp)>,
        known_at: Option<Timestamp>,
    ) -> Result<Self, Refusal> {
        let mut flags = Self::default();
        let Some(ends) = ends else { return Ok(flags) };
        store.flags_borne(meter, ends, known_at).await?.into_iter().for_each(|borne| flags.add(borne));
        Ok(flags)
    }

    /// Adds a flag.
    pub(in crate::api) fn add(&mut self, borne: Borne) {
        let (at, rule) = (borne.ts.to_jiff(), rule(borne.rule).into());
        if borne.rule.is_about_all_values() {
            self.captures.entry((at, borne.layout_id)).or_default().push(rule);
        } else {
            let place = (at, borne.layout_id, borne.obis, borne.attribute);
            self.values.entry(place).or_default().push(rule);
        }
    }

    /// Those of one reading: of its capture, and of its value.
    pub(in crate::api) fn of(&self, at: Timestamp, layout: Option<i32>, object: &(Vec<u8>, i16)) -> Vec<i32> {
        if self.values.is_empty() && self.captures.is_empty() {
            return Vec::new();
        }
        let captures = self.captures.get(&(at, layout)).into_iter().flatten();
        let values = self.values.get(&(at, layout, object.0.clone(), object.1)).into_iter().flatten();
        captures.chain(values).copied().collect()
    }
}

impl Readings {
    /// A page of flags.
    pub(super) async fn flags(&self, question: ListFlagsRequest) -> Result<ListFlagsResponse, Refusal> {
        let limit = check::page_size(question.page_size)?;
        let fingerprint = token::fingerprint(&ListFlagsRequest {
            page_size: 0,
            page_token: String::new(),
            ..question.clone()
        });
        let before = token::number(fingerprint, &question.page_token)?;
        let (from, to) = check::range(question.from.as_ref(), question.to.as_ref())?;
        let meters = known::meters(&self.store, &question.meter_serials, MAX_METERS).await?;
        check::list("rules", &question.rules, MAX_RULES)?;
        let known = |rule: &i32| v1::FlagRule::try_from(*rule).ok().and_then(stored);
        let rules = question.rules.iter().map(known).collect::<Option<Vec<_>>>();
        let rules = rules.ok_or_else(|| Refusal::field("rules", "rules of the contract are expected"))?;
        let filter = FlagFilter {
            meters: Some(meters).filter(|_| !question.meter_serials.is_empty()),
            rules: Some(rules).filter(|rules| !rules.is_empty()),
            from: question.from.map(|_| from),
            to: question.to.map(|_| to),
            withdrawn: question.withdrawn,
        };
        let mut flags = self.store.list_flags(&filter, before, i64::from(limit) + 1).await?;
        let next = token::next_page(fingerprint, &mut flags, limit, |flag| flag.id);
        let flags = flags.into_iter().map(sent).collect::<Result<_, _>>()?;
        Ok(ListFlagsResponse { flags, next_page_token: next })
    }
}

fn sent(flag: Flag) -> Result<ReadingFlag, Refusal> {
    let number =
        |mantissa: Option<i64>| mantissa.map(|mantissa| Decimal { mantissa, exponent: flag.scaler.into() });
    Ok(ReadingFlag {
        id: flag.id,
        meter_serial: flag.serial,
        rule: rule(flag.rule).into(),
        at: Some(convert::stored(flag.ts)),
        profile: flag.profile.map(|octets| convert::obis(&octets)).transpose()?.unwrap_or_default(),
        obis: convert::obis(&flag.obis)?,
        attribute: flag.attribute.into(),
        value: number(flag.value),
        reference: number(flag.reference),
        bound: number(flag.bound),
        unit: unit(flag.unit).to_owned(),
        job_id: flag.job_id,
        raised_at: Some(convert::stored(flag.raised_at)),
        withdrawn_at: flag.withdrawn_at.map(convert::stored),
        octets: flag.octets.unwrap_or_default(),
    })
}

/// A rule as the contract has it.
pub(in crate::api) fn rule(rule: FlagRule) -> v1::FlagRule {
    v1::FlagRule::from_word(rule.word()).unwrap_or_default()
}

fn stored(rule: v1::FlagRule) -> Option<FlagRule> {
    FlagRule::ALL.into_iter().find(|known| known.word() == rule.word())
}

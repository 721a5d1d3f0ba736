use std::sync::Arc;

use dlms::profile::Column;
use jiff::{SignedDuration, Timestamp};
use p2lpc::{Document, Ident, Request, Response, Row, Span};

use super::{Done, read_layout::of_model};
use crate::{
    Captures, Event, Failure, Layout, LayoutColumn, ProfileRange, Reason, diagnosis::Setback, turn::Turn,
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// How much of a profile is asked for at once: what is more urgent steps in between.
const PART: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Symbols of units that meters display in thousands.
const IN_THOUSANDS: [&str; 6] = ["W", "VA", "var", "Wh", "VAh", "varh"];
/// Seconds of a day and of an hour.
const DAY_S: u32 = 86_400;
const HOUR_S: i64 = 3600;
/// A thousand as an exponent.
const THOUSAND: i8 = 3;

/// Takes over what the concentrator holds of a range, and returns the range that is covered by it: up to the last capture that it holds, when none is missing before
/// that, and otherwise none, so that nothing but the captures themselves is covered. What the concentrator does not hold it may still read. The columns are
/// those of the model, because what the concentrator gives names registers and nothing else.
pub(super) async fn run(turn: &mut Turn<'_>, range: &ProfileRange) -> Result<Done, Setback> {
    let layout = Arc::new(of_model(turn, range.obis)?);
    if range.layout.as_ref() != Some(&layout) {
        turn.report(Event::Layout(Arc::clone(&layout))).await?;
    }
    let (mut next, mut row) = (range.from, InARow { last: range.from, is_whole: true });
    while next <= range.to {
        let to = next.checked_add(PART).map_or(range.to, |end| end.min(range.to));
        let document = ask(turn, &layout, (next, to)).await?;
        let captures = captures(&layout, &document, (next, to))?;
        captures.at.iter().for_each(|at| row.goes_on(*at, layout.period_s));
        if !captures.at.is_empty() {
            turn.report(Event::Captures(captures)).await?;
        }
        turn.progressed();
        turn.yield_to_urgent().await?;
        next = to + SECOND;
    }
    let is_covered = row.is_whole && row.last > range.from;
    Ok(Done { range: is_covered.then_some((range.from, row.last)), outcome: None })
}

/// Captures that follow one another.
struct InARow {
    /// The last of them, or where they begin.
    last: Timestamp,
    /// None is missing so far.
    is_whole: bool,
}

impl InARow {
    /// Takes in the next capture of a profile with that period.
    fn goes_on(&mut self, at: Timestamp, period_s: u32) {
        let most_s = match period_s {
            // Nobody knows when the next one is due.
            0 => i64::MAX,
            // A day may have 25 hours.
            DAY_S => i64::from(DAY_S) + HOUR_S,
            period_s => i64::from(period_s),
        };
        self.is_whole &= at.duration_since(self.last).as_secs() <= most_s;
        self.last = at;
    }
}

/// Asks for a part, again if need be.
async fn ask(
    turn: &mut Turn<'_>,
    layout: &Layout,
    (from, to): (Timestamp, Timestamp),
) -> Result<Document, Setback> {
    let (_, node) = turn.station().address.node().unwrap_or_default();
    let span = Span { from: from.as_second(), to: to.as_second() };
    let request = Request::MeterProfile {
        meter: node.to_owned(),
        profile: Ident(layout.obis.octets()),
        register: None,
        span,
    };
    loop {
        match turn.ask_concentrator(request.clone()).await {
            Ok(Response::Document(Document { damage: Some(error), .. })) => {
                turn.recover(Setback::message(error)).await?;
            }
            Ok(Response::Document(Document { refusal: Some(refusal), .. })) => {
                let detail =
                    format!("Profile {} as the concentrator has it: {refusal}; ask its maker.", layout.obis);
                return Err(Setback::Final(Failure::new(Reason::MeterBrokeRules, detail)));
            }
            Ok(Response::Document(document)) => return Ok(document),
            Ok(_) => return Err(Setback::Flooded),
            Err(setback) => turn.recover(setback).await?,
        }
    }
}

/// What a document has of a profile for a part of the range, in ascending order.
fn captures(
    layout: &Arc<Layout>,
    document: &Document,
    (from, to): (Timestamp, Timestamp),
) -> Result<Captures, Setback> {
    let width = layout.values().count();
    let has_status = layout.columns.iter().any(|column| column.column == Column::Status);
    let mut captures = Captures {
        layout: Arc::clone(layout),
        at: Vec::new(),
        offset_min: Vec::new(),
        clock_status: Vec::new(),
        status: Vec::new(),
        width,
        values: Vec::new(),
    };
    let profiles = document.devices.iter().flat_map(|device| &device.profiles);
    for profile in profiles.filter(|profile| profile.ident == Ident(layout.obis.octets())) {
        for row in profile.rows() {
            let at = Timestamp::from_second(row.at).unwrap_or(Timestamp::MAX);
            let is_later = captures.at.last().is_none_or(|last| at > *last);
            if at < from || at > to || !is_later {
                continue;
            }
            captures.at.push(at);
            captures.offset_min.push(Some(0));
            captures.clock_status.push(0);
            captures.status.push(has_status.then_some(row.status.cast_signed()));
            for column in layout.values() {
                captures.values.push(value(layout, &row, column)?);
            }
        }
    }
    Ok(captures)
}

/// The meter's own integer, of what it displays.
fn value(layout: &Layout, row: &Row, column: &LayoutColumn) -> Result<Option<i64>, Setback> {
    let LayoutColumn { capture, scaler, unit, .. } = column;
    let Some(displayed) = row.values.get(&Ident(capture.instance.octets())) else { return Ok(None) };
    let exponent =
        if IN_THOUSANDS.contains(&unit.symbol()) { scaler.saturating_sub(THOUSAND) } else { *scaler };
    displayed.scaled(exponent).map(Some).ok_or_else(|| {
        let detail = format!(
            "{} in profile {} is {displayed}, which is no whole number with the scaler of the model; correct the scaler.",
            capture.instance, layout.obis
        );
        Setback::Final(Failure::new(Reason::Unsupported, detail))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(period_s: u32, captures: &[&str]) -> bool {
        let at = |text: &&str| text.parse::<Timestamp>().unwrap();
        let mut row = InARow { last: at(&captures[0]), is_whole: true };
        captures[1..].iter().for_each(|text| row.goes_on(at(text), period_s));
        row.is_whole
    }

    #[test]
    fn a_capture_that_is_missing_in_between_is_noticed() {
        let quarters = ["2026-03-01T00:00:01Z", "2026-03-01T00:15:00Z", "2026-03-01T00:30:00Z"];
        assert!(is_whole(900, &quarters));
        assert!(!is_whole(900, &[quarters[0], quarters[2]]));
        // The 25th of October has 25 hours in Berlin.
        let days = ["2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"];
        assert!(is_whole(DAY_S, &days));
        assert!(!is_whole(DAY_S, &[days[0], days[2]]));
        assert!(is_whole(0, &["2026-01-31T23:00:00Z", "2026-04-30T22:00:00Z"]));
    }
}

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use p2lpc::{Ident, Request, Span};

use super::{Done, read_layout::of_model, stored::ask};
use crate::{Event, Failure, ProfileRange, Reason, diagnosis::Setback, held, layout::certain, turn::Turn};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
/// How much of a profile is asked for at once: what is more urgent steps in between.
const PART: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Seconds of a day and of an hour.
const DAY_S: u32 = 86_400;
const HOUR_S: i64 = 3600;

/// Takes over what the concentrator holds of a range, and returns the range that is covered by it: up to the last capture that it holds, when none is missing before
/// that, and otherwise none, so that nothing but the captures themselves is covered. What the concentrator does not hold it may still read. Scalers
/// and units are those of the model, because what the concentrator gives names registers and nothing else.
pub(super) async fn run(turn: &mut Turn<'_>, range: &ProfileRange) -> Result<Done, Setback> {
    let named = Arc::new(of_model(turn, range.obis)?);
    let mut layout = range.layout.clone();
    let obis = range.obis;
    let what = format!("Profile {obis}");
    let (mut next, mut row) = (range.from, InARow { first: None, last: range.from, is_whole: true });
    while next <= range.to {
        let to = next.checked_add(PART).map_or(range.to, |end| end.min(range.to));
        let span = Span { from: next.as_second(), to: to.as_second() };
        let document = ask(turn, &what, |meter| Request::MeterProfile {
            meter,
            profile: Ident(obis.octets()),
            register: None,
            span,
        });
        let document = document.await?;
        let profiles = document.devices.iter().flat_map(|device| &device.profiles);
        let profiles = profiles.filter(|profile| profile.ident == Ident(obis.octets()));
        let model = &turn.station().model;
        for captures in held::captures(model, obis, profiles, (next, to), true).map_err(unheld)? {
            if layout.as_ref() != Some(&captures.layout) {
                turn.report(Event::Layout(Arc::clone(&captures.layout))).await?;
                layout = Some(Arc::clone(&captures.layout));
            }
            captures.at.iter().for_each(|at| row.goes_on(*at, captures.layout.period_s));
            turn.report(Event::Captures(captures)).await?;
        }
        turn.progressed();
        turn.yield_to_urgent().await?;
        next = to + SECOND;
    }
    if layout.is_none() {
        turn.report(Event::Layout(Arc::clone(&named))).await?;
    }
    let period_s = layout.unwrap_or(named).period_s;
    let is_covered = row.is_whole && row.last > range.from;
    let covered = is_covered.then(|| certain(period_s, (range.from, row.last), row.first));
    Ok(covered.into())
}

/// Captures that follow one another.
struct InARow {
    /// The first of them.
    first: Option<Timestamp>,
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
        self.first = self.first.or(Some(at));
        self.last = at;
    }
}

fn unheld(error: held::Unheld) -> Setback {
    Setback::Final(Failure::new(Reason::Unsupported, format!("{error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_whole(period_s: u32, captures: &[&str]) -> bool {
        let at = |text: &&str| text.parse::<Timestamp>().unwrap();
        let mut row = InARow { first: None, last: at(&captures[0]), is_whole: true };
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

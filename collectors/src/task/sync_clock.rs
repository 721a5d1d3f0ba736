mod window;

use std::fmt;

use dlms::{AttributeDescriptor, DateTime, MethodDescriptor, axdr::Data};
use jiff::{SignedDuration, Timestamp};
use models::ClockSync;

use self::window::{Bar, Move};
use super::{
    ordered::{Answer, Request, order, still_in_doubt},
    read_clock::{self, CLOCK},
    read_layout::PROFILE,
};
use crate::{
    ClockReading, Event, Failure, Outcome, Reason, SyncClock, diagnosis::Setback, time, turn::Turn, value,
};

/// How often the order is sent at most, see the order to switch.
const SENDS_MAX: u32 = 3;
/// Method that moves the time by seconds, and how many it takes (Blue Book, 4.5.1).
const SHIFT_TIME: i8 = 6;
const SHIFT_MAX: SignedDuration = SignedDuration::from_secs(900);
/// What is left of a difference that is put right in whole seconds.
const ROUNDING: SignedDuration = SignedDuration::from_millis(500);

/// How a clock is looked at and moved in the language of the meter.
pub(crate) trait Hands {
    /// The largest difference that is moved as one.
    fn shift_max(&self) -> SignedDuration {
        SHIFT_MAX
    }
    /// Reads the clock.
    async fn look(&mut self, turn: &mut Turn<'_>) -> Result<ClockReading, Setback>;
    /// Lengths of the intervals that the meter captures within a day, in seconds.
    async fn periods(&mut self, turn: &mut Turn<'_>) -> Result<Vec<u32>, Setback>;
    /// Makes sure that what is still under way is not taken for an answer to what is asked next.
    async fn renew(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback>;
    /// Takes a step, once.
    async fn take(
        &mut self,
        turn: &mut Turn<'_>,
        step: Step,
        shown: &ClockReading,
    ) -> Result<Answer, Setback>;
}

/// Puts the clock right (class 8).
pub(super) async fn run(turn: &mut Turn<'_>, wanted: &SyncClock) -> Result<Outcome, Setback> {
    put_right(turn, &mut ByObject, wanted).await
}

/// Puts the clock right. A small difference is shifted away, which does not depend on how long the order is under way; a larger
/// one, and a time that the meter itself calls invalid, is set. The outcome is what the meter shows afterwards, whatever it answered; an order
/// whose answer is lost is resolved by reading. A clock that is right is left alone.
pub(crate) async fn put_right(
    turn: &mut Turn<'_>,
    hands: &mut impl Hands,
    wanted: &SyncClock,
) -> Result<Outcome, Setback> {
    let Some(mut can) = turn.station().model.clock_sync else {
        let detail = format!("Model {} has no clock that can be set from afar.", turn.station().model.name);
        return Err(refuse(Reason::Unsupported, detail));
    };
    let shown = look(turn, hands).await;
    let mut shown = shown.map_err(|unread| still_in_doubt(turn, &wanted.terms, unread))?;
    turn.found("clock before", Told(&shown).to_string()).await?;
    if is_right(&shown, wanted) {
        return Ok(Outcome::ClockRight);
    }
    let periods_s = hands.periods(turn).await?;
    let mut sends = 0;
    while !is_right(&shown, wanted) {
        if sends == SENDS_MAX {
            return Err(in_vain(&shown));
        }
        if sends > 0 {
            hands.renew(turn).await?;
        }
        let step =
            may_move(turn, wanted, &shown, &periods_s).map(|()| Step::of(&shown, can, hands.shift_max()))?;
        turn.found("step", step.to_string()).await?;
        let answer = hands.take(turn, step, &shown).await?;
        sends += 1;
        shown = match look(turn, hands).await {
            Ok(shown) => shown,
            Err(unread) => return Err(answer.unverified(turn, unread)),
        };
        match answer {
            _ if is_right(&shown, wanted) => {}
            Answer::Lost(_) => {}
            // What it has no method for can be set.
            Answer::No(_) if matches!(step, Step::Shift(_)) && can.set => can.shift = false,
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Yes => return Err(in_vain(&shown)),
        }
    }
    turn.found("clock after", Told(&shown).to_string()).await?;
    Ok(Outcome::ClockRight)
}

/// Reads the clock and reports what it shows.
async fn look(turn: &mut Turn<'_>, hands: &mut impl Hands) -> Result<ClockReading, Setback> {
    let shown = hands.look(turn).await?;
    turn.report(Event::Clock(shown)).await?;
    Ok(shown)
}

/// Whether the clock is as right as can be told.
fn is_right(shown: &ClockReading, wanted: &SyncClock) -> bool {
    let margin = wanted.tolerance.max(shown.uncertainty() + ROUNDING);
    shown.is_reliable() && shown.drift().abs() <= margin
}

/// Lengths of the intervals that the meter captures within a day, in seconds: as the meter says, or else the model.
async fn periods(turn: &mut Turn<'_>) -> Result<Vec<u32>, Setback> {
    let profiles: Vec<_> =
        turn.station().model.profiles.iter().map(|profile| (profile.obis, profile.period_s)).collect();
    let mut periods = Vec::with_capacity(profiles.len());
    for (instance, usual) in profiles {
        let period = AttributeDescriptor { class_id: PROFILE, instance, attribute: 4 };
        let period = match turn.read(&period).await {
            Ok(found) => value::integer(&found).and_then(|period| u32::try_from(period).ok()),
            Err(setback) if setback.is_absence() => None,
            Err(setback) => return Err(setback),
        };
        periods.push(period.unwrap_or(usual));
    }
    periods.retain(|period| (1..86_400).contains(period));
    periods.sort_unstable();
    periods.dedup();
    Ok(periods)
}

/// Whether our clock, the deadline and what the meter captures allow to move its clock now.
fn may_move(
    turn: &Turn<'_>,
    wanted: &SyncClock,
    shown: &ClockReading,
    periods_s: &[u32],
) -> Result<(), Setback> {
    if let Some(fault) = turn.clock_fault() {
        return Err(refuse(Reason::ClockUntrusted, format!("Nothing was sent: {fault}")));
    }
    let now = turn.now();
    wanted.terms.in_time(now).map_err(Setback::Final)?;
    let step = Move {
        shown: now.checked_add(shown.drift()).unwrap_or(shown.shown),
        now,
        delay: SignedDuration::try_from(shown.delay).unwrap_or(SignedDuration::MAX),
        zone: &turn.station().zone,
        periods_s,
        across: wanted.across_boundaries,
    };
    step.check().map_err(|bar| match bar {
        Bar::Near(what) => refuse(
            Reason::BoundaryNear,
            format!("Nothing was sent: {what} is too near; it is tried again when that is past."),
        ),
        Bar::Crossed(period_s) => refuse(
            Reason::BoundaryCrossed,
            format!(
                "Nothing was sent: the clock is off by {}, and would jump over the end of an interval of {period_s} s, which \
                 leaves a hole or comes twice; order it with leave to cross boundaries (across_boundaries, amictl --across-boundaries).",
                Signed(shown.drift())
            ),
        ),
    })
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Seconds that are added.
    Shift(i16),
    /// The time itself.
    Set,
}

impl Step {
    fn of(shown: &ClockReading, can: ClockSync, most: SignedDuration) -> Self {
        let behind = -shown.drift();
        let seconds = (behind + if behind.is_negative() { -ROUNDING } else { ROUNDING }).as_secs();
        match i16::try_from(seconds) {
            Ok(seconds) if can.shift && shown.is_reliable() && behind.abs() <= most => Self::Shift(seconds),
            // A meter that cannot be set is told as much as it takes.
            _ if !can.set => {
                let most = most.as_secs();
                Self::Shift(i16::try_from(seconds.clamp(-most, most)).unwrap_or_default())
            }
            _ => Self::Set,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shift(seconds) => write!(f, "shift by {seconds:+} s"),
            Self::Set => f.write_str("set the time"),
        }
    }
}

async fn carry_out(turn: &mut Turn<'_>, step: Step, shown: &ClockReading) -> Result<Answer, Setback> {
    let instance = turn.station().model.clock;
    match step {
        Step::Shift(seconds) => {
            let method = MethodDescriptor { class_id: CLOCK, instance, method: SHIFT_TIME };
            order(turn, Request::Action(&method, &Data::Long(seconds))).await
        }
        Step::Set => {
            let attribute = AttributeDescriptor { class_id: CLOCK, instance, attribute: 2 };
            let time = time_to_set(turn, shown).ok_or_else(|| {
                refuse(Reason::Unsupported, "The time is none that the meter's clock can show.".into())
            })?;
            let value = Data::OctetString(time.octets().to_vec());
            order(turn, Request::Set(&attribute, &value)).await
        }
    }
}

/// The object of the clock (class 8).
struct ByObject;

impl Hands for ByObject {
    async fn look(&mut self, turn: &mut Turn<'_>) -> Result<ClockReading, Setback> {
        read_clock::read(turn).await
    }

    /// As the meter says, or else the model.
    async fn periods(&mut self, turn: &mut Turn<'_>) -> Result<Vec<u32>, Setback> {
        periods(turn).await
    }

    async fn renew(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        turn.renew().await
    }

    async fn take(
        &mut self,
        turn: &mut Turn<'_>,
        step: Step,
        shown: &ClockReading,
    ) -> Result<Answer, Setback> {
        carry_out(turn, step, shown).await
    }
}

/// The time that it will be when the order arrives, in whole seconds.
pub(crate) fn arrival(turn: &Turn<'_>, shown: &ClockReading) -> Option<Timestamp> {
    let half = SignedDuration::try_from(shown.delay / 2).ok()?;
    let arrival = turn.now().checked_add(half + ROUNDING).ok()?;
    Timestamp::from_second(arrival.as_second()).ok()
}

/// The time that it will be when the order arrives, in the meter's terms. A meter whose zone is another one than the inventory says keeps
/// it: that is no matter of its clock.
fn time_to_set(turn: &Turn<'_>, shown: &ClockReading) -> Option<DateTime> {
    let station = turn.station();
    let at = arrival(turn, shown)?;
    let usual = |at: Timestamp| station.zone.to_offset(at).seconds() / 60;
    match shown.offset_min {
        Some(own) if i32::from(own) != usual(shown.shown) && own != i16::MIN => {
            let summer = if shown.status == 0xFF { 0 } else { shown.status & DateTime::DAYLIGHT_SAVING };
            let time = DateTime::from_unix(at.as_second(), Some(-own), summer);
            Some(station.model.quirks.deviation_sign.apply(time))
        }
        _ => time::meter_time(at, &station.zone, &station.model.quirks),
    }
}

fn in_vain(shown: &ClockReading) -> Setback {
    let detail = format!(
        "The order was sent, and the meter's clock is still off: {}; check the meter's model, and whether it may be set.",
        Told(shown)
    );
    refuse(Reason::NotEffective, detail)
}

fn refuse(reason: Reason, detail: String) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}

/// A clock for a person.
struct Told<'a>(&'a ClockReading);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(shown) = self;
        write!(f, "{}, {} ± {}", shown.shown, Signed(shown.drift()), Plain(shown.uncertainty()))?;
        if shown.is_reliable() {
            Ok(())
        } else {
            write!(f, ", invalid by its own status {:#04x}", shown.status)
        }
    }
}

/// A difference with its sign, in seconds.
struct Signed(SignedDuration);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.is_negative() { '-' } else { '+' };
        write!(f, "{sign}{}", Plain(self.0.abs()))
    }
}

/// Seconds to the tenth.
struct Plain(SignedDuration);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_millis() / 100;
        write!(f, "{}.{} s", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(ahead_ms: i64, status: u8) -> ClockReading {
        let read_at: Timestamp = "2026-06-02T12:00:00Z".parse().unwrap();
        ClockReading {
            shown: read_at + SignedDuration::from_millis(ahead_ms),
            resolution: Duration::ZERO,
            offset_min: Some(120),
            status,
            read_at,
            delay: Duration::ZERO,
        }
    }

    #[test]
    fn small_differences_are_shifted_and_large_or_invalid_ones_set() {
        let both = ClockSync { shift: true, set: true };
        for (ahead_ms, status, step) in [
            (2_400, 0x80, Step::Shift(-2)),
            (-2_600, 0x80, Step::Shift(3)),
            (900_000, 0, Step::Shift(-900)),
            (900_001, 0, Step::Set),
            (-86_400_000_000, 0, Step::Set),
            (2_400, 0x01, Step::Set),
        ] {
            assert_eq!(Step::of(&shown(ahead_ms, status), both, SHIFT_MAX), step, "{ahead_ms} {status}");
        }
        assert_eq!(Step::of(&shown(2_400, 0), ClockSync { shift: false, ..both }, SHIFT_MAX), Step::Set);
        let unsettable = ClockSync { set: false, ..both };
        assert_eq!(Step::of(&shown(-1_000_000, 0), unsettable, SHIFT_MAX), Step::Shift(900));
    }

    #[test]
    fn a_difference_is_told_with_its_sign_and_its_limits() {
        let told =
            Told(&ClockReading { delay: Duration::from_millis(400), ..shown(-12_345, 0x83) }).to_string();
        assert_eq!(told, "2026-06-02T11:59:47.655Z, -12.1 s ± 0.2 s, invalid by its own status 0x83");
    }
}

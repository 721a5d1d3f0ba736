use std::time::Duration;

use dlms::{AttributeDescriptor, MethodDescriptor, axdr::Data};
use models::{Billing, Script};
use tokio::time::{Instant, sleep};

use super::ordered::{Answer, Request, order, still_in_doubt};
use crate::{
    Baseline, BaselineError, Failure, Outcome, Reason, Reset, ResetOf, Terms, diagnosis::Setback, turn::Turn,
    value,
};

/// How often the order is sent at most, see the order to switch.
const SENDS_MAX: u32 = 3;
/// Pause between two looks at a counter that has not moved yet.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Interface class script table and its method `execute` (Blue Book, 4.5.2).
const SCRIPT_TABLE: u16 = 9;
const EXECUTE: i8 = 1;

/// How the counter of a meter is read and what moves it is ordered, in whatever language.
pub(crate) trait Counted {
    /// What the counter shows.
    async fn count(&mut self, turn: &mut Turn<'_>) -> Result<i64, Setback>;

    /// Makes what was sent and not answered worthless, where the language can.
    async fn renew(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback>;

    /// Orders it once.
    async fn order(&mut self, turn: &mut Turn<'_>) -> Result<Answer, Setback>;

    /// When it last happened, as the meter shows it, if it shows that.
    async fn last(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback>;
}

/// Ends the billing period, or resets the maximum demands, of a meter that speaks DLMS, by a script.
pub(super) async fn run(turn: &mut Turn<'_>, reset: &Reset) -> Result<Outcome, Setback> {
    let spec = admitted(turn)?;
    let script = match reset.of {
        ResetOf::BillingPeriod => spec.close,
        ResetOf::Demand => spec.reset_demand,
    };
    let script = script.ok_or_else(unsupported)?;
    let mut by = ByScript { counter: value::data(spec.counter), last: spec.last.map(value::data), script };
    carry_out(turn, &mut by, (&reset.terms, &reset.baseline), spec.settle).await?;
    Ok(reset.of.outcome())
}

/// What the model says of it. The order was checked when it was accepted; the model may be another one since.
pub(crate) fn admitted(turn: &Turn<'_>) -> Result<Billing, Setback> {
    turn.station().model.billing.clone().ok_or_else(unsupported)
}

/// Moves the counter by one. What counts as its state before is kept durably before anything is sent, by the first attempt for all that follow; a counter that
/// shows something else is the outcome, whatever was answered and whichever attempt it was.
pub(crate) async fn carry_out<C: Counted>(
    turn: &mut Turn<'_>,
    counted: &mut C,
    (terms, baseline): (&Terms, &Baseline),
    settle: Duration,
) -> Result<(), Setback> {
    let shown = counted.count(turn).await.map_err(|unread| still_in_doubt(turn, terms, unread))?;
    let before = baseline.keep(shown).await;
    let before = before.map_err(|error| still_in_doubt(turn, terms, not_kept(&error)))?;
    turn.found("counter before", before.to_string()).await?;
    let mut now = shown;
    let mut sends = 0;
    // What an attempt before this one ordered may still come.
    if terms.in_doubt && now == before {
        now = moved(turn, counted, (before, settle))
            .await
            .map_err(|unread| still_in_doubt(turn, terms, unread))?;
    }
    while now == before {
        if sends == SENDS_MAX {
            let detail = format!(
                "It was ordered {SENDS_MAX} times, no answer came, and the counter still shows {now}; order again when the line is better."
            );
            return Err(refuse(Reason::NotEffective, detail));
        }
        terms.in_time(turn.now()).map_err(Setback::Final)?;
        let answer = counted.order(turn).await?;
        sends += 1;
        if let Answer::Lost(_) = answer {
            counted.renew(turn).await.map_err(|unread| answer.clone().unverified(turn, unread))?;
        }
        let patience = if answer.is_refusal() { Duration::ZERO } else { settle };
        now = match moved(turn, counted, (before, patience)).await {
            Ok(now) => now,
            Err(unread) => return Err(answer.unverified(turn, unread)),
        };
        match answer {
            _ if now != before => {}
            Answer::Lost(_) => {}
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Yes => {
                let detail = format!(
                    "The meter accepted the order and its counter still shows {now}; check the script and the counter in its model."
                );
                return Err(refuse(Reason::NotEffective, detail));
            }
        }
    }
    turn.found("counter after", now.to_string()).await?;
    // The counter is the outcome; when it happened is good to know.
    if let Ok(Some(at)) = counted.last(turn).await {
        turn.found("last time", at).await?;
    }
    Ok(())
}

impl ResetOf {
    /// What it is called when the counter has moved.
    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::BillingPeriod => Outcome::BillingPeriodClosed,
            Self::Demand => Outcome::DemandReset,
        }
    }
}

/// The counter once it shows something else than before, or when it had its time.
async fn moved<C: Counted>(
    turn: &mut Turn<'_>,
    counted: &mut C,
    (before, patience): (i64, Duration),
) -> Result<i64, Setback> {
    let begun = Instant::now();
    loop {
        let now = counted.count(turn).await?;
        if now != before || begun.elapsed() >= patience {
            return Ok(now);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// A script of a table, and the data object that counts.
struct ByScript {
    counter: AttributeDescriptor,
    last: Option<AttributeDescriptor>,
    script: Script,
}

impl Counted for ByScript {
    async fn count(&mut self, turn: &mut Turn<'_>) -> Result<i64, Setback> {
        let found = turn.read(&self.counter).await?;
        value::integer(&found).ok_or_else(|| value::unexpected(&self.counter, "a number"))
    }

    async fn renew(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        turn.renew().await
    }

    async fn order(&mut self, turn: &mut Turn<'_>) -> Result<Answer, Setback> {
        let Script { table, script } = self.script;
        let method = MethodDescriptor { class_id: SCRIPT_TABLE, instance: table, method: EXECUTE };
        order(turn, Request::Action(&method, &Data::LongUnsigned(script))).await
    }

    async fn last(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        let Some(last) = &self.last else { return Ok(None) };
        let found = turn.read(last).await?;
        Ok(value::time(&found).and_then(|time| turn.instant(&time)).map(|at| at.to_string()))
    }
}

/// The model has no way to order it.
pub(crate) fn unsupported() -> Setback {
    refuse(Reason::Unsupported, "The meter's model does not say how that is ordered from afar.".into())
}

/// What the meter shows could not be kept: nothing is sent.
pub(crate) fn not_kept(error: &BaselineError) -> Setback {
    let reason = match error {
        BaselineError::Unavailable(_) => Reason::Cancelled,
        BaselineError::Over => Reason::Unsupported,
    };
    refuse(reason, format!("Nothing was sent: {error}."))
}

fn refuse(reason: Reason, detail: String) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}

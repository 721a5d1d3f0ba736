mod plan;

use std::time::Duration;

use dlms::{
    AttributeDescriptor, MethodDescriptor,
    axdr::Data,
    cosem::{
        Difference,
        activity_calendar::{self, Side},
        special_days,
    },
};
use models::Tariff;
use tokio::time::{Instant, sleep};

use self::plan::{Next, Plan, Step};
use super::{
    ordered::{Answer, Request, order, still_in_doubt},
    read_tariff,
};
use crate::{
    Failure, HeldTariff, Outcome, PushTariff, Reason, TariffObjects, diagnosis::Setback, time::meter_time,
    turn::Turn,
};

/// How often one step is sent at most: again only when its answer got lost and the meter, read back, shows that it was not carried out.
const SENDS_MAX: u32 = 5;
/// How long a meter may take to make the passive calendar the active one.
const SETTLE: Duration = Duration::from_secs(10);
/// Pause between two looks at a calendar that has not changed yet.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Parameter of the method that activates.
const PARAMETER: Data = Data::Integer(0);

/// Brings a tariff into the meter and into force (classes 20 and 11).
///
/// What the meter holds is read first and after every step, and alone decides what comes next: an attempt that was cut off anywhere is
/// gone on with by the next one, and a tariff that is in force already costs nothing but reads. Only the passive side is written; it is
/// activated when it was read back and is the wanted one.
pub(super) async fn run(turn: &mut Turn<'_>, push: &PushTariff) -> Result<Outcome, Setback> {
    let spec = read_tariff::spec(turn)?;
    let objects = read_tariff::read(turn, &spec).await;
    let objects = objects.map_err(|unread| still_in_doubt(turn, &push.terms, unread))?;
    let mut delivery = Delivery { turn, push, spec, objects };
    delivery.tell_before().await?;
    let mut next = delivery.next()?;
    loop {
        let step = match next {
            Next::Step(step) => step,
            Next::Done(outcome) => {
                delivery.tell_after(outcome).await?;
                return Ok(outcome);
            }
        };
        // Another tariff may have been pushed in between.
        if delivery.turn.yield_to_urgent().await? {
            delivery.objects = read_tariff::read(delivery.turn, &delivery.spec).await?;
            next = delivery.next()?;
            continue;
        }
        next = delivery.carry_out(step).await?;
    }
}

/// A tariff on its way into the meter.
struct Delivery<'a, 'b> {
    turn: &'a mut Turn<'b>,
    push: &'a PushTariff,
    spec: Tariff,
    /// What the meter held when it was read last.
    objects: TariffObjects,
}

impl Delivery<'_, '_> {
    /// What to do next, after what was read last.
    fn next(&self) -> Result<Next, Setback> {
        self.plan(&self.held()?).next().map_err(Setback::Final)
    }

    fn held(&self) -> Result<HeldTariff, Setback> {
        HeldTariff::decode(&self.objects, self.spec.dates).map_err(Setback::answer)
    }

    fn plan<'c>(&'c self, held: &'c HeldTariff) -> Plan<'c> {
        Plan {
            held,
            push: self.push,
            has_special_days: self.spec.special_days_table.is_some(),
            zone: &self.turn.station().zone,
            quirks: &self.turn.station().model.quirks,
            now: self.turn.now(),
        }
    }

    /// Sends a step until the meter, read back, shows that it was carried out, and returns what follows.
    async fn carry_out(&mut self, step: Step) -> Result<Next, Setback> {
        for sends in 1..=SENDS_MAX {
            if sends > 1 {
                self.turn.renew().await?;
            }
            self.push.terms.in_time(self.turn.now()).map_err(|late| self.too_late(late))?;
            self.turn.found("step", step.to_string()).await?;
            let answer = self.send(step).await?;
            let next = match self.settle(step, answer.is_refusal()).await {
                Ok(next) => next,
                Err(unread) => return Err(answer.unverified(self.turn, unread)),
            };
            match answer {
                _ if next != Next::Step(step) => return Ok(next),
                Answer::Lost(_) if sends < SENDS_MAX => {}
                answer => return Err(self.not_effective(step, &answer)?),
            }
        }
        // The last round returns.
        Err(refuse(Reason::NotEffective, format!("The order to {step} got lost each time it was sent.")))
    }

    async fn send(&mut self, step: Step) -> Result<Answer, Setback> {
        match self.request(step)? {
            Message::Set(attribute, value) => order(self.turn, Request::Set(&attribute, &value)).await,
            Message::Invoke(method) => order(self.turn, Request::Action(&method, &PARAMETER)).await,
        }
    }

    /// The request of a step, times written as the meter itself writes them.
    fn request(&self, step: Step) -> Result<Message, Setback> {
        let held = self.held()?;
        let calendar = self.spec.calendar;
        let activation = |time| {
            let value = held.activation_form.date_time(time);
            Message::Set(activity_calendar::activation_time(calendar), value)
        };
        let station = self.turn.station();
        let impossible = |what: &str| refuse(Reason::Unsupported, format!("{what} cannot be written."));
        Ok(match step {
            Step::Disarm => activation(HeldTariff::NEVER),
            Step::Write(part) => {
                let attribute = Side::Passive.attributes(calendar)[part.index()];
                let [name, seasons, weeks, days] = self.push.calendar.encode(held.forms);
                let value = [name, seasons, weeks, days].into_iter().nth(part.index());
                Message::Set(attribute, value.ok_or_else(|| impossible("The calendar"))?)
            }
            Step::SpecialDays => {
                let table = self.spec.special_days_table.ok_or_else(|| impossible("The special days"))?;
                let value = special_days::encode(&self.push.special_days, held.special_form);
                Message::Set(special_days::entries(table), value)
            }
            Step::Schedule(at) => {
                let time = meter_time(at, &station.zone, &station.model.quirks);
                activation(time.ok_or_else(|| impossible("The time of activation"))?)
            }
            Step::Activate => Message::Invoke(activity_calendar::activate(calendar)),
        })
    }

    /// Reads what a step changes, and the activation until it has happened, and returns what follows.
    async fn settle(&mut self, step: Step, is_refused: bool) -> Result<Next, Setback> {
        let is_quick = is_refused || step != Step::Activate;
        let until = Instant::now() + if is_quick { Duration::ZERO } else { SETTLE };
        loop {
            self.reread(step).await?;
            let next = self.next()?;
            if next != Next::Step(step) || Instant::now() >= until {
                return Ok(next);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn reread(&mut self, step: Step) -> Result<(), Setback> {
        let calendar = self.spec.calendar;
        match step {
            Step::Disarm | Step::Schedule(_) => {
                let time = activity_calendar::activation_time(calendar);
                self.objects.activation_time = self.turn.read_octets(&time).await?;
            }
            Step::Write(part) => {
                let attribute = Side::Passive.attributes(calendar)[part.index()];
                self.objects.passive[part.index()] = self.turn.read_octets(&attribute).await?;
            }
            Step::SpecialDays => {
                if let Some(table) = self.spec.special_days_table {
                    let entries = special_days::entries(table);
                    self.objects.special_days = Some(self.turn.read_octets(&entries).await?);
                }
            }
            Step::Activate => {
                self.objects.active = read_tariff::read_side(self.turn, &self.spec, Side::Active).await?;
            }
        }
        Ok(())
    }

    async fn tell_before(&mut self) -> Result<(), Setback> {
        let held = self.held()?;
        let plan = self.plan(&held);
        let [active, passive] = [plan.active(), plan.passive()].map(|differences| said(&differences));
        let special_days = self.spec.special_days_table.map(|_| said(&plan.special_days()));
        self.turn.found("active before", active).await?;
        self.turn.found("passive before", passive).await?;
        if let Some(special_days) = special_days {
            self.turn.found("special days before", special_days).await?;
        }
        Ok(())
    }

    async fn tell_after(&mut self, outcome: Outcome) -> Result<(), Setback> {
        let held = self.held()?;
        let active = said(&self.plan(&held).active());
        self.turn.found("active after", active).await?;
        if outcome == Outcome::TariffScheduled {
            let time = held.activation_text().unwrap_or_default();
            self.turn.found("scheduled for", time).await?;
        }
        Ok(())
    }

    fn too_late(&self, late: Failure) -> Setback {
        let is_waiting = self.held().is_ok_and(|held| self.plan(&held).passive().is_empty());
        if !is_waiting {
            return Setback::Final(late);
        }
        let detail = "The deadline passed; the passive calendar is the ordered one and the active one is unchanged: order again.";
        refuse(Reason::DeadlinePassed, detail.into())
    }

    /// A step was answered, or got lost each time, and the meter does not show it.
    fn not_effective(&self, step: Step, answer: &Answer) -> Result<Setback, Setback> {
        let held = self.held()?;
        let plan = self.plan(&held);
        let shown = match step {
            Step::Write(_) => said(&plan.passive()),
            Step::SpecialDays => said(&plan.special_days()),
            Step::Disarm | Step::Schedule(_) => {
                let time = held.activation_text();
                format!("the time of activation is {}", time.as_deref().unwrap_or("not specified"))
            }
            Step::Activate => said(&plan.active()),
        };
        Ok(match answer {
            Answer::Yes => refuse(
                Reason::NotEffective,
                format!(
                    "The meter accepted the order to {step}, and shows: {shown}. Compare the model's limits with the meter's."
                ),
            ),
            Answer::No(setback) => {
                let failure = self.turn.explain(setback);
                refuse(failure.reason, format!("The meter did not {step}: {}", failure.detail))
            }
            Answer::Lost(setback) => {
                let failure = self.turn.explain(setback);
                let detail = format!(
                    "The order to {step} was sent {SENDS_MAX} times and got lost: {}",
                    failure.detail
                );
                refuse(failure.reason, detail)
            }
        })
    }
}

/// What is sent for a step.
enum Message {
    Set(AttributeDescriptor, Data),
    Invoke(MethodDescriptor),
}

/// Differences for a person.
fn said(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "as ordered".into();
    }
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn refuse(reason: Reason, detail: String) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}

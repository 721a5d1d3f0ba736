use std::fmt::Display;

use dlms::{AttributeDescriptor, ScalerUnit, axdr::Data};
use models::{Decimal, Register};

use super::{
    ordered::{Answer, judged, still_in_doubt},
    scaler_unit,
};
use crate::{
    Failure, Outcome, Reason, RegisterRequest, SetParameter, Terms, diagnosis::Setback, turn::Turn, value,
};

/// How often the order is sent at most, see the order to switch.
const SENDS_MAX: u32 = 3;
/// Attribute that holds the value of a register (Blue Book, 4.3.2).
const VALUE: i8 = 2;

/// How something that a meter holds is read and written, in whatever language.
pub(crate) trait Holder {
    /// What it is.
    type Value: PartialEq + Display;

    /// What it holds.
    async fn shown(&mut self, turn: &mut Turn<'_>) -> Result<Self::Value, Setback>;

    /// Makes what was sent and not answered worthless, where the language can.
    async fn renew(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback>;

    /// Writes it once. What cannot be written as the meter holds it is refused before anything is sent.
    async fn write(&mut self, turn: &mut Turn<'_>, value: &Self::Value) -> Result<(), Setback>;
}

/// Sets a register of a meter that speaks DLMS.
pub(super) async fn run(turn: &mut Turn<'_>, order: &SetParameter) -> Result<Outcome, Setback> {
    let register = admitted(turn, order)?;
    let request = RegisterRequest { obis: register.obis, class_id: register.class_id, attribute: VALUE };
    let mut attribute = Attribute { descriptor: request.descriptor(), held: None };
    set(turn, &mut attribute, (&order.value, &order.terms)).await?;
    Ok(Outcome::ParameterSet)
}

/// The register that an order is about. The order was checked when it was accepted; the model may be another one since.
pub(crate) fn admitted(turn: &Turn<'_>, order: &SetParameter) -> Result<Register, Setback> {
    let refuse = |detail| Setback::Final(Failure::new(Reason::Unsupported, detail));
    let model = &turn.station().model;
    let mut parameters = model.parameters();
    let (register, bounds) = parameters
        .find(|(register, _)| register.obis == order.obis)
        .ok_or_else(|| refuse(format!("Model {} has no {} that can be set.", model.name, order.obis)))?;
    bounds
        .admit(model, register, order.value)
        .map_err(|problem| refuse(format!("Nothing was sent: {}: {problem}.", register.name)))?;
    Ok(register.clone())
}

/// Sets what a meter holds. It is set when the meter shows it afterwards, whatever it answered; an order whose answer is lost is resolved by reading. What
/// is as ordered already is left alone.
pub(crate) async fn set<H: Holder>(
    turn: &mut Turn<'_>,
    holder: &mut H,
    (ordered, terms): (&H::Value, &Terms),
) -> Result<(), Setback> {
    let shown = holder.shown(turn).await;
    let mut now = shown.map_err(|unread| still_in_doubt(turn, terms, unread))?;
    turn.found("value before", now.to_string()).await?;
    let mut sends = 0;
    while now != *ordered {
        if sends == SENDS_MAX {
            let detail = format!(
                "The value was sent {SENDS_MAX} times, no answer came, and the meter still shows {now}; order again when the line is better."
            );
            return Err(Setback::Final(Failure::new(Reason::NotEffective, detail)));
        }
        if sends > 0 {
            holder.renew(turn).await?;
        }
        terms.in_time(turn.now()).map_err(Setback::Final)?;
        let answer = write(turn, holder, ordered).await?;
        sends += 1;
        now = match holder.shown(turn).await {
            Ok(now) => now,
            Err(unread) => return Err(answer.unverified(turn, unread)),
        };
        match answer {
            _ if now == *ordered => {}
            Answer::Lost(_) => {}
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Yes => {
                let detail = format!(
                    "The meter accepted {ordered} and shows {now}; check the meter's model, and whether it is locked against changes."
                );
                return Err(Setback::Final(Failure::new(Reason::NotEffective, detail)));
            }
        }
    }
    turn.found("value after", now.to_string()).await
}

/// Writes once; as long as it is certain that nothing was sent it is tried again like a read.
async fn write<H: Holder>(turn: &mut Turn<'_>, holder: &mut H, value: &H::Value) -> Result<Answer, Setback> {
    loop {
        let sent = holder.write(turn, value).await;
        if let Some(answer) = judged(turn, sent).await? {
            return Ok(answer);
        }
    }
}

/// The value of a register as an attribute.
struct Attribute {
    descriptor: AttributeDescriptor,
    /// What it held last: what is written has its type and its scaler.
    held: Option<(Data, i8)>,
}

impl Holder for Attribute {
    type Value = Decimal;

    async fn shown(&mut self, turn: &mut Turn<'_>) -> Result<Decimal, Setback> {
        let found = turn.read(&self.descriptor).await?;
        let scaler_unit = scaler_unit::read_all(turn, &[self.descriptor]).await?.pop();
        let scaler = scaler_unit.unwrap_or(Ok(ScalerUnit::NONE))?.scaler;
        let number = value::integer(&found).ok_or_else(|| value::unexpected(&self.descriptor, "a number"))?;
        self.held = Some((found, scaler));
        Ok(Decimal::new(number, scaler))
    }

    async fn renew(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        turn.renew().await
    }

    async fn write(&mut self, turn: &mut Turn<'_>, value: &Decimal) -> Result<(), Setback> {
        let held = self.held.as_ref();
        let data = held.and_then(|(held, scaler)| value::like(held, value.in_units_of(*scaler)?));
        let data = data.ok_or_else(|| no_room(*value))?;
        turn.set(&self.descriptor, &data).await
    }
}

/// The meter's own form of the number has no room for the value.
pub(crate) fn no_room(value: Decimal) -> Setback {
    let detail = format!(
        "Nothing was sent: the meter has no room for {value}, or counts in larger steps; order another value."
    );
    Setback::Final(Failure::new(Reason::Unsupported, detail))
}

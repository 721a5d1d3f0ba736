//! From a command that was armed to the task that carries it out.

use ami_proto::v1::{
    ClockOrder, CreditOrder, FirmwareOrder, ParameterOrder, SnapshotOrder, SwitchTime, TariffOrder,
    TimesOrder,
};
use collectors::{
    BuyCredit, Clear, Failure, Image, ImageActivation, Install, PushTariff, Reason, Reset, ResetOf,
    SetParameter, SetTimes, Switch, SwitchTo, SyncClock, TakeSnapshot, Task, Terms,
};
use jiff::{SignedDuration, Timestamp};
use models::{DayTime, DayTimes, Model};
use prost::Message as _;

use super::{Images, Sources};
use crate::store::CommandKind;
use crate::store::jobs::LeasedCommand;
use crate::tariff::{File, Problem};

/// How far a clock may be off that is left alone, where the order does not say.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

/// The task of a command.
pub(super) fn task(command: &LeasedCommand, model: &Model, sources: Sources<'_>) -> Result<Task, Failure> {
    let terms = Terms { deadline: command.deadline, in_doubt: command.in_doubt };
    let reset = |of| Ok(Task::Reset(Reset { of, baseline: (sources.baselines)(command.id), terms }));
    match command.kind {
        CommandKind::Disconnect => {
            Ok(Task::Switch(Switch { to: SwitchTo::Disconnected, force: false, terms }))
        }
        CommandKind::Reconnect => Ok(Task::Switch(Switch { to: SwitchTo::Connected, force: false, terms })),
        CommandKind::ForceReconnect => {
            Ok(Task::Switch(Switch { to: SwitchTo::Connected, force: true, terms }))
        }
        CommandKind::ReleaseTamperLock => Ok(Task::ReleaseTamperLock(terms)),
        CommandKind::PushTariff => {
            push_tariff(command, model, terms).map(|push| Task::PushTariff(Box::new(push)))
        }
        CommandKind::SetParameter => set_parameter(command, model, terms).map(Task::SetParameter),
        CommandKind::BuyCredit => buy_credit(command, terms).map(Task::BuyCredit),
        CommandKind::SetTimes => set_times(command, terms).map(Task::SetTimes),
        CommandKind::SyncClock => sync_clock(command, terms).map(Task::SyncClock),
        CommandKind::InstallFirmware => install(command, terms, sources.images).map(Task::InstallFirmware),
        CommandKind::CloseBillingPeriod => reset(ResetOf::BillingPeriod),
        CommandKind::ResetDemand => reset(ResetOf::Demand),
        CommandKind::Clear => {
            let holdings = (sources.holdings)(command.id);
            Ok(Task::Clear(Clear { holdings, terms }))
        }
        CommandKind::TakeSnapshot => {
            let order = command.arguments.as_deref().and_then(|order| SnapshotOrder::decode(order).ok());
            let SnapshotOrder { everybody_on_the_line: everybody } = order.unwrap_or_default();
            let baseline = (sources.baselines)(command.id);
            Ok(Task::TakeSnapshot(TakeSnapshot { everybody, baseline, terms }))
        }
    }
}

/// The tariff that was ordered. It was checked then; the model may be another one since.
fn push_tariff(command: &LeasedCommand, model: &Model, terms: Terms) -> Result<PushTariff, Failure> {
    let refused = |problem: &Problem| {
        let detail =
            format!("The tariff does not fit the meter's model any more: {problem}; order it again.");
        Failure::new(Reason::Unsupported, detail)
    };
    let damaged = || Failure::new(Reason::Unsupported, "The order holds no tariff: order it again.");
    let arguments = command.arguments.as_deref().ok_or_else(damaged)?;
    let TariffOrder { file } = TariffOrder::decode(arguments).map_err(|_| damaged())?;
    let file = File::parse(&file).map_err(|problem| refused(&problem))?;
    let tariff = file.tariff(model).map_err(|problems| problems.first().map_or_else(damaged, refused))?;
    Ok(tariff.push(terms))
}

/// The parameter that was ordered. It was checked then; the model may be another one since.
fn set_parameter(command: &LeasedCommand, model: &Model, terms: Terms) -> Result<SetParameter, Failure> {
    let damaged = || Failure::new(Reason::Unsupported, "The order holds no parameter: order it again.");
    let arguments = command.arguments.as_deref().ok_or_else(damaged)?;
    let ParameterOrder { name, value } = ParameterOrder::decode(arguments).map_err(|_| damaged())?;
    let value = value.parse().map_err(|_| damaged())?;
    let (register, _) = model.parameter(&name).ok_or_else(|| {
        let detail = format!("Model {} has no `{name}` that can be set any more.", model.name);
        Failure::new(Reason::Unsupported, detail)
    })?;
    Ok(SetParameter { obis: register.obis, value, terms })
}

/// The purchase that was ordered.
fn buy_credit(command: &LeasedCommand, terms: Terms) -> Result<BuyCredit, Failure> {
    let damaged = || Failure::new(Reason::Unsupported, "The order holds no purchase: order it again.");
    let arguments = command.arguments.as_deref().ok_or_else(damaged)?;
    let CreditOrder { number, amount } = CreditOrder::decode(arguments).map_err(|_| damaged())?;
    Ok(BuyCredit { number, amount: amount.parse().map_err(|_| damaged())?, terms })
}

/// The times that were ordered.
fn set_times(command: &LeasedCommand, terms: Terms) -> Result<SetTimes, Failure> {
    let damaged = || Failure::new(Reason::Unsupported, "The order holds no times: order it again.");
    let arguments = command.arguments.as_deref().ok_or_else(damaged)?;
    let TimesOrder { times } = TimesOrder::decode(arguments).map_err(|_| damaged())?;
    let time = |time: SwitchTime| Some(DayTime { minute: u16::try_from(time.minute).ok()?, on: time.on });
    let times = times.into_iter().map(time).collect::<Option<_>>().ok_or_else(damaged)?;
    Ok(SetTimes { times: DayTimes(times), terms })
}

/// The order to put the clock right.
fn sync_clock(command: &LeasedCommand, terms: Terms) -> Result<SyncClock, Failure> {
    let damaged =
        || Failure::new(Reason::Unsupported, "The order does not say how to move the clock: order it again.");
    let arguments = command.arguments.as_deref().ok_or_else(damaged)?;
    let ClockOrder { tolerance, across_boundaries } = ClockOrder::decode(arguments).map_err(|_| damaged())?;
    let tolerance = tolerance.map_or(TOLERANCE, |given| SignedDuration::new(given.seconds, given.nanos));
    Ok(SyncClock { tolerance, across_boundaries, terms })
}

/// The installation that was ordered, of the image as it was then.
fn install(command: &LeasedCommand, terms: Terms, images: Images<'_>) -> Result<Install, Failure> {
    let damaged = || Failure::new(Reason::Unsupported, "The order holds no image: order it again.");
    let arguments = command.arguments.as_deref().ok_or_else(damaged)?;
    let order = FirmwareOrder::decode(arguments).map_err(|_| damaged())?;
    let header = order.image.ok_or_else(damaged)?;
    let activation = match order.activate_at {
        None => ImageActivation::Now,
        Some(at) => ImageActivation::At(Timestamp::new(at.seconds, at.nanos).map_err(|_| damaged())?),
    };
    Ok(Install {
        // Steps are told of once a meter has accepted the transfer.
        initiated: command.steps > 0,
        activation,
        terms,
        image: Image {
            octets: images(&header),
            identifier: header.identifier,
            sha256: header.sha256,
            size: header.size,
            signature: header.signature,
            version: header.version,
        },
    })
}

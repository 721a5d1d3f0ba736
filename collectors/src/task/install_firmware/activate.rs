//! A verified image to work: compared with the order, activated at once or by a schedule, confirmed by the version that the meter shows.

use dlms::cosem::{
    image_transfer::{ImageStatus, NO_PARAMETER, ToActivate},
    single_action_schedule::{Execution, SingleActionSchedule},
};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Meter, Pauses, SENDS_MAX, in_time, is, is_busy, read_until, refuse, to_activate};
use crate::{
    Failure, Image, ImageActivation, Install, Outcome, Reason,
    diagnosis::Setback,
    task::{
        identify,
        ordered::{Answer, Request, order},
    },
    time::without_deviation,
    turn::Turn,
    value,
};

/// Activates the image that the meter has verified, unless it is another one than the ordered.
pub(super) async fn run(turn: &mut Turn<'_>, meter: &Meter, install: &Install) -> Result<Outcome, Setback> {
    compare(turn, meter, &install.image).await?;
    match install.activation {
        ImageActivation::Now => now(turn, meter, install).await,
        ImageActivation::At(at) => schedule(turn, meter, install, at).await,
    }
}

/// Refuses an image that the meter names otherwise than it was ordered, and several of them.
async fn compare(turn: &mut Turn<'_>, meter: &Meter, image: &Image) -> Result<(), Setback> {
    let images = to_activate(turn, meter).await?;
    let shown = images.iter().map(show).collect::<Vec<_>>().join("; ");
    turn.found("image to activate", if shown.is_empty() { "none".into() } else { shown.clone() }).await?;
    match images.as_slice() {
        [only] if is(only, image) => Ok(()),
        _ => {
            let ordered = ToActivate {
                size: image.size,
                identification: image.identifier.clone(),
                signature: image.signature.clone(),
            };
            let detail = format!(
                "The meter would activate {}, ordered was {}; nothing was activated. Compare the image's description with its maker's.",
                if shown.is_empty() { "no image" } else { &shown },
                show(&ordered)
            );
            Err(refuse(Reason::ImageMismatch, detail))
        }
    }
}

fn show(image: &ToActivate) -> String {
    let name = value::name(&image.identification).unwrap_or_else(|| "an image without a name".into());
    let signature: String = image.signature.iter().map(|octet| format!("{octet:02X}")).collect();
    let signed = if signature.is_empty() { String::new() } else { format!(", signature {signature}") };
    format!("{name} of {} octets{signed}", image.size)
}

/// Activates at once. An order that got lost is repeated only when the meter shows that it did not begin.
async fn now(turn: &mut Turn<'_>, meter: &Meter, install: &Install) -> Result<Outcome, Setback> {
    let until = Instant::now() + meter.spec.activate_within;
    let mut pauses = Pauses::default();
    let mut lost = 0;
    loop {
        in_time(turn, install)?;
        let answer = order(turn, Request::Action(&meter.object.activate(), &NO_PARAMETER)).await?;
        let status = match read_until(turn, &meter.object.status(), until).await {
            Ok(status) => meter.status(&status)?,
            Err(unread) => return Err(answer.unverified(turn, unread)),
        };
        match answer {
            _ if status != ImageStatus::Verified => break,
            Answer::No(setback) if is_busy(&setback) && Instant::now() < until => {
                pauses.next(turn).await?;
            }
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Lost(setback) if lost == SENDS_MAX => return Err(setback),
            Answer::Lost(_) => lost += 1,
            Answer::Yes => break,
        }
    }
    confirm(turn, meter, &install.image).await
}

/// Waits until the meter shows the new version, through its restart.
pub(super) async fn confirm(turn: &mut Turn<'_>, meter: &Meter, image: &Image) -> Result<Outcome, Setback> {
    let within = meter.spec.activate_within;
    let until = Instant::now() + within;
    let mut pauses = Pauses::default();
    loop {
        let (version, status) = match look(turn, meter, until).await {
            Ok(shown) => shown,
            Err(unread) => return Err(in_doubt(turn, unread)),
        };
        let has_failed = status == ImageStatus::ActivationFailed;
        if version == image.version {
            turn.found("version after", version).await?;
            return running(turn).await;
        }
        if has_failed || Instant::now() >= until {
            turn.found("version after", version.clone()).await?;
            let waited = if has_failed { String::new() } else { format!(" for {within:?}") };
            let detail = format!(
                "The meter was told to activate the image and shows version {version} and \"{status}\"{waited}, not version {}; \
                 check the version that the image's description promises, then the meter.",
                image.version
            );
            return Err(refuse(Reason::NotEffective, detail));
        }
        pauses.next(turn).await?;
    }
}

/// The meter runs what was ordered, whatever else it says of itself for the inventory.
pub(super) async fn running(turn: &mut Turn<'_>) -> Result<Outcome, Setback> {
    match identify::run(turn).await {
        Err(Setback::NobodyListens) => Err(Setback::NobodyListens),
        Ok(_) | Err(_) => Ok(Outcome::FirmwareActive),
    }
}

/// The version that runs, and where the transfer stands.
async fn look(turn: &mut Turn<'_>, meter: &Meter, until: Instant) -> Result<(String, ImageStatus), Setback> {
    let version = meter.version(&read_until(turn, &meter.version, until).await?)?;
    let status = meter.status(&read_until(turn, &meter.object.status(), until).await?)?;
    Ok((version, status))
}

pub(super) fn in_doubt(turn: &Turn<'_>, unread: Setback) -> Setback {
    if matches!(unread, Setback::NobodyListens) {
        return unread;
    }
    let Failure { reason, detail, .. } = turn.explain(&unread);
    let detail = format!("The activation was ordered and what came of it could not be read: {detail}");
    Setback::InDoubt(Failure::new(reason, detail))
}

/// Has the meter activate the image by itself at an instant.
async fn schedule(
    turn: &mut Turn<'_>,
    meter: &Meter,
    install: &Install,
    at: Timestamp,
) -> Result<Outcome, Setback> {
    let Some(obis) = meter.spec.activation_schedule else {
        return Err(refuse(Reason::Unsupported, "The meter's model has no schedule for activation."));
    };
    let object = SingleActionSchedule(obis).execution_time();
    let station = turn.station();
    let wanted = Execution::at(without_deviation(at, &station.zone, &station.model.quirks));
    for _ in 0..=SENDS_MAX {
        let shown = turn.read(&object).await?;
        let shown = Execution::list_from_data(&shown).map_err(Setback::answer)?;
        if matches!(shown.as_slice(), [only] if only.is_same_second(&wanted)) {
            turn.found("activation", format!("scheduled for {at}")).await?;
            return Ok(Outcome::FirmwareScheduled);
        }
        if at <= turn.now() {
            let detail = format!(
                "The image is in the meter, but {at}, when it was to run, is over; nothing was activated. Order it again with another time."
            );
            return Err(refuse(Reason::DeadlinePassed, detail));
        }
        in_time(turn, install)?;
        match order(turn, Request::Set(&object, &wanted.to_data())).await? {
            Answer::Yes => {}
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Lost(_) => turn.renew().await?,
        }
    }
    let detail =
        format!("The meter's schedule {obis} was set and shows another time; check the meter's model.");
    Err(refuse(Reason::NotEffective, detail))
}

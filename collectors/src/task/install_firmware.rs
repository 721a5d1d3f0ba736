//! Firmware into a meter by image transfer (class 18): initiate, blocks, verify, compare, activate, read the version.
//!
//! Nothing of this is remembered here: where it stands is what the meter shows. An attempt after a lost line, a restart of the
//! head-end or another one's turn goes on from there, with the blocks that the meter says it lacks. A concentrator that installs firmware itself
//! is given it as a file (`by_concentrator.rs`).

mod activate;
mod by_concentrator;
mod transfer;

use std::time::Duration;

use dlms::{
    ActionResult, AttributeDescriptor, Error,
    axdr::Data,
    cosem::image_transfer::{ImageStatus, ImageTransfer, ToActivate},
};
use models::Firmware;
use tokio::time::{Instant, sleep};

use super::ordered::{Answer, Request, order, still_in_doubt};
use crate::{
    Failure, Image, ImageActivation, Install, Outcome, Reason,
    diagnosis::{Setback, Stage},
    turn::Turn,
    value,
};

/// How often an order whose answer got lost, or for which the meter has no time, is sent at most.
const SENDS_MAX: u32 = 5;
/// First pause between two looks at a meter that is busy; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Brings the image into the meter and has it run, or run at its time. A meter that shows the version already is left alone; an image
/// that the meter names otherwise than it was ordered is never activated.
pub(super) async fn run(turn: &mut Turn<'_>, install: &Install) -> Result<Outcome, Setback> {
    if turn.station().is_upgraded_by_file() {
        return by_concentrator::run(turn, install).await;
    }
    let Some(spec) = turn.station().model.firmware.clone() else {
        return Err(refuse(Reason::Unsupported, "The meter's model takes no firmware from afar."));
    };
    if matches!(install.activation, ImageActivation::At(_)) && spec.activation_schedule.is_none() {
        let detail = "The meter's model activates firmware only at once; order it without a time.";
        return Err(refuse(Reason::Unsupported, detail));
    }
    let object = value::data(turn.station().model.identity.firmware);
    let meter = Meter { object: ImageTransfer(spec.image_transfer), version: object, spec };
    let whereabouts = match look(turn, &meter, install).await {
        Ok(found) => found,
        Err(unread) => return Err(still_in_doubt(turn, &install.terms, unread)),
    };
    match whereabouts {
        Whereabouts::Running => activate::running(turn).await,
        Whereabouts::Activating => activate::confirm(turn, &meter, &install.image).await,
        Whereabouts::Verified => {
            enable(turn, &meter, install).await?;
            activate::run(turn, &meter, install).await
        }
        Whereabouts::Elsewhere(status) => {
            enable(turn, &meter, install).await?;
            transfer::run(turn, &meter, install, status).await?;
            activate::run(turn, &meter, install).await
        }
    }
}

/// The objects of a meter that have to do with firmware.
struct Meter {
    spec: Firmware,
    object: ImageTransfer,
    /// The data object with the version that runs.
    version: AttributeDescriptor,
}

/// Where a meter stands with the ordered image.
enum Whereabouts {
    /// It runs it.
    Running,
    /// It puts it to work, or did.
    Activating,
    /// It holds it, verified.
    Verified,
    /// It lacks something of it.
    Elsewhere(ImageStatus),
}

/// Finds out where the meter stands with the image.
async fn look(turn: &mut Turn<'_>, meter: &Meter, install: &Install) -> Result<Whereabouts, Setback> {
    let version = meter.version(&turn.read(&meter.version).await?)?;
    turn.found("version before", version.clone()).await?;
    if version == install.image.version {
        return Ok(Whereabouts::Running);
    }
    let status = meter.status(&turn.read(&meter.object.status()).await?)?;
    turn.found("image transfer before", status.to_string()).await?;
    Ok(match status {
        ImageStatus::Activating => Whereabouts::Activating,
        ImageStatus::Activated | ImageStatus::ActivationFailed if install.initiated => {
            Whereabouts::Activating
        }
        // One that was begun by somebody else is as good when it is the same.
        ImageStatus::Verified if install.initiated || holds(turn, meter, &install.image).await? => {
            Whereabouts::Verified
        }
        status => Whereabouts::Elsewhere(status),
    })
}

/// Enables image transfer in a meter where it is not.
async fn enable(turn: &mut Turn<'_>, meter: &Meter, install: &Install) -> Result<(), Setback> {
    let enabled = meter.object.enabled();
    for _ in 0..SENDS_MAX {
        match turn.read(&enabled).await {
            Ok(Data::Boolean(true)) => return Ok(()),
            Ok(Data::Boolean(false)) => {}
            Ok(_) => return Err(value::unexpected(&enabled, "a boolean")),
            // Whoever does not show it takes images all the time.
            Err(setback) if setback.is_absence() => return Ok(()),
            Err(setback) => return Err(setback),
        }
        in_time(turn, install)?;
        match order(turn, Request::Set(&enabled, &Data::Boolean(true))).await? {
            Answer::Yes => {}
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Lost(_) => turn.renew().await?,
        }
    }
    let detail =
        "Image transfer is disabled in the meter and can not be enabled from afar; enable it at the meter.";
    Err(refuse(Reason::NotEffective, detail))
}

/// Whether exactly this image would be activated.
async fn holds(turn: &mut Turn<'_>, meter: &Meter, image: &Image) -> Result<bool, Setback> {
    let images = to_activate(turn, meter).await?;
    Ok(matches!(images.as_slice(), [only] if is(only, image)))
}

async fn to_activate(turn: &mut Turn<'_>, meter: &Meter) -> Result<Vec<ToActivate>, Setback> {
    let images = turn.read(&meter.object.to_activate()).await?;
    ToActivate::list_from_data(&images).map_err(Setback::answer)
}

/// Whether what the meter shows is the image.
fn is(shown: &ToActivate, image: &Image) -> bool {
    let signed = image.signature.is_empty() || image.signature == shown.signature;
    shown.size == image.size && shown.identification == image.identifier && signed
}

impl Meter {
    fn status(&self, data: &Data) -> Result<ImageStatus, Setback> {
        ImageStatus::from_data(data).map_err(Setback::answer)
    }

    fn version(&self, data: &Data) -> Result<String, Setback> {
        value::text(data).ok_or_else(|| value::unexpected(&self.version, "a version"))
    }

    /// Waits until the status is another one than `busy`, or until the instant, and returns it.
    async fn settled(
        &self,
        turn: &mut Turn<'_>,
        busy: ImageStatus,
        until: Instant,
    ) -> Result<ImageStatus, Setback> {
        let mut pauses = Pauses::default();
        loop {
            let status = self.status(&read_until(turn, &self.object.status(), until).await?)?;
            if status != busy || Instant::now() >= until {
                return Ok(status);
            }
            pauses.next(turn).await?;
        }
    }
}

/// Reads an attribute of a meter that may be away for a while, because it is busy or restarts: again and again until the instant.
async fn read_until(
    turn: &mut Turn<'_>,
    descriptor: &AttributeDescriptor,
    until: Instant,
) -> Result<Data, Setback> {
    let mut pauses = Pauses::default();
    loop {
        match turn.read(descriptor).await {
            Err(setback) if setback.may_heal() && Instant::now() < until => {
                turn.progressed();
                pauses.next(turn).await?;
            }
            other => return other,
        }
    }
}

/// Pauses that grow. More urgent work goes first in each.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    async fn next(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        turn.yield_to_urgent().await?;
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Refuses to go on after the deadline.
fn in_time(turn: &Turn<'_>, install: &Install) -> Result<(), Setback> {
    install.terms.in_time(turn.now()).map_err(|late| {
        let detail = "The deadline passed before the image was in the meter and verified; nothing was activated. Order again: \
                      the transfer goes on where the meter allows it.";
        refuse(late.reason, detail)
    })
}

/// Whether the meter says that it can not do it now, or that it is still at it.
fn is_busy(setback: &Setback) -> bool {
    matches!(setback, Setback::Protocol(Stage::Open, Error::Action(ActionResult::TemporaryFailure)))
}

fn refuse(reason: Reason, detail: impl Into<String>) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}

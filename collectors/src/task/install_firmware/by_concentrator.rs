//! Firmware by a concentrator that installs it, on a node or on itself (P2LPC): the image as a file, the order, and the version that the device shows then.
//!
//! Nothing of this is remembered here: how much of the file the concentrator holds, and how far the device has come with it, is what it says. The name
//! of the file is made of the image's octets, so that one that is there is this one, whoever brought it, and each image goes over the line once for all nodes.

use std::time::Duration;

use dlms::AttributeDescriptor;
use p2lpc::{Request, Response, Upgrade, UpgradeState};
use tokio::time::Instant;

use super::{
    Pauses, SENDS_MAX,
    activate::{in_doubt, running},
    in_time, read_until, refuse,
};
use crate::{
    Event, Failure, ImageActivation, Install, Outcome, Reason,
    diagnosis::Setback,
    image::ImageError,
    task::ordered::{Answer, judged, still_in_doubt},
    turn::Turn,
    value,
};

/// Octets of a piece of the file.
const PIECE: u32 = 8 * 1024;
/// How often the concentrator may hold less of the file than it was given.
const SETBACKS_MAX: u32 = 16;
/// Octets of a hash that make a name.
const NAMING: usize = 12;
/// How long an attempt waits for a concentrator that is at it, and for a device that restarts. Others have their turns then, and it is looked at again later.
const PATIENCE: Duration = Duration::from_secs(120);

/// Brings the image to the concentrator, has it installed, and waits until the device shows its version. A device that shows it already is left
/// alone, and one that the concentrator is at is waited for.
pub(super) async fn run(turn: &mut Turn<'_>, install: &Install) -> Result<Outcome, Setback> {
    if matches!(install.activation, ImageActivation::At(_)) {
        let detail = "The concentrator installs firmware only at once; order it without a time.";
        return Err(refuse(Reason::Unsupported, detail));
    }
    let by = ByFile::of(turn, install);
    let unread = |turn: &Turn<'_>, unread| still_in_doubt(turn, &install.terms, unread);
    let shown = match turn.read(&by.version).await {
        Ok(shown) => by.text(&shown)?,
        Err(setback) => return Err(unread(turn, setback)),
    };
    turn.found("version before", shown.clone()).await?;
    if shown == install.image.version {
        return running(turn).await;
    }
    let mut is_ordered = install.terms.in_doubt;
    for _ in 0..SENDS_MAX {
        let upgrade = match by.look(turn).await {
            Ok(upgrade) => upgrade,
            Err(setback) => return Err(unread(turn, setback)),
        };
        match by.state(&upgrade) {
            Some(UpgradeState::Waiting | UpgradeState::Sending { .. }) => return by.confirm(turn).await,
            // Otherwise it is what came of an order before this one.
            Some(UpgradeState::Activated | UpgradeState::Failed) if is_ordered => {
                return by.confirm(turn).await;
            }
            _ => {}
        }
        by.upload(turn, upgrade.held).await?;
        match by.order(turn).await? {
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Yes => is_ordered = true,
            Answer::Lost(_) => {}
        }
    }
    let detail = format!(
        "The concentrator was told {SENDS_MAX} times to install the image and knows nothing of it; look at the concentrator."
    );
    Err(refuse(Reason::NotEffective, detail))
}

/// An image as a file of a concentrator, and the device that it is for.
struct ByFile<'a> {
    install: &'a Install,
    /// Name of the file.
    file: String,
    /// Name of the node; `None` for the concentrator itself.
    node: Option<String>,
    /// What the concentrator calls the device.
    device: String,
    /// Where the device shows the version that runs.
    version: AttributeDescriptor,
}

impl<'a> ByFile<'a> {
    fn of(turn: &Turn<'_>, install: &'a Install) -> Self {
        let station = turn.station();
        let node = station.address.node().map(|(_, node)| node.to_owned());
        let hash: String =
            install.image.sha256.iter().take(NAMING).map(|octet| format!("{octet:02x}")).collect();
        let device = node.clone().or_else(|| station.serial.clone()).unwrap_or_default();
        let version = value::data(station.model.identity.firmware);
        Self { install, file: format!("{hash}.img"), node, device, version }
    }

    fn text(&self, data: &dlms::axdr::Data) -> Result<String, Setback> {
        value::text(data).ok_or_else(|| value::unexpected(&self.version, "a version"))
    }

    fn state(&self, upgrade: &Upgrade) -> Option<UpgradeState> {
        upgrade.devices.iter().find(|upgraded| upgraded.device == self.device).map(|upgraded| upgraded.state)
    }

    /// Where the file and the devices stand, asked again if need be.
    async fn look(&self, turn: &mut Turn<'_>) -> Result<Upgrade, Setback> {
        loop {
            let request = Request::UpgradeStatus { file: self.file.clone() };
            match turn.ask_concentrator(request).await {
                Ok(Response::Upgrade(upgrade)) => {
                    turn.progressed();
                    return Ok(upgrade);
                }
                Ok(_) => return Err(Setback::Flooded),
                Err(setback) => turn.recover(setback).await?,
            }
        }
    }

    /// Gives the concentrator what it lacks of the file, of which it holds so many octets.
    async fn upload(&self, turn: &mut Turn<'_>, held: u64) -> Result<(), Setback> {
        let size = self.install.image.size;
        let mut held = u32::try_from(held).ok().filter(|held| *held <= size).unwrap_or(0);
        let mut setbacks = 0;
        self.tell(turn, held).await?;
        while held < size {
            in_time(turn, self.install)?;
            turn.yield_to_urgent().await?;
            let data = self.octets(held).await?;
            let end = held + u32::try_from(data.len()).unwrap_or(size);
            let request = Request::UploadChunk { name: self.file.clone(), offset: held.into(), data };
            match turn.ask_concentrator(request).await {
                Ok(_) => {
                    held = end;
                    turn.progressed();
                    self.tell(turn, held).await?;
                }
                Err(setback) if setbacks == SETBACKS_MAX => return Err(setback),
                Err(setback) => {
                    setbacks += 1;
                    if !setback.is_refusal() {
                        turn.recover(setback).await?;
                    }
                    // Whether it arrived, the concentrator knows.
                    let known = self.look(turn).await?.held;
                    held = u32::try_from(known).ok().filter(|held| *held <= size).unwrap_or(0);
                }
            }
        }
        Ok(())
    }

    /// Reports how much of the file the concentrator holds, when that is a fiftieth part of it more, or 64 pieces.
    async fn tell(&self, turn: &Turn<'_>, held: u32) -> Result<(), Setback> {
        let size = self.install.image.size;
        let total = size.div_ceil(PIECE);
        let done = if held == size { total } else { held / PIECE };
        let is_due = done == total || done.is_multiple_of((total / 50).clamp(1, 64));
        if is_due { turn.report(Event::Progress { done, total }).await } else { Ok(()) }
    }

    async fn octets(&self, offset: u32) -> Result<Vec<u8>, Setback> {
        let image = &self.install.image;
        let length = PIECE.min(image.size - offset);
        image.octets.read(offset, length).await.map_err(|error| {
            let reason = match error {
                ImageError::Unavailable(_) => Reason::Cancelled,
                ImageError::Gone(_) => Reason::Unsupported,
            };
            refuse(reason, format!("The image was not sent any further: {error}."))
        })
    }

    /// Has the image installed, once.
    async fn order(&self, turn: &mut Turn<'_>) -> Result<Answer, Setback> {
        loop {
            in_time(turn, self.install)?;
            let file = self.file.clone();
            let request = match &self.node {
                Some(node) => Request::UpgradeMeters { file, meters: vec![node.clone()] },
                None => Request::UpgradeConcentrator { file },
            };
            let sent = turn.ask_concentrator(request).await.map(drop);
            if let Some(answer) = judged(turn, sent).await? {
                return Ok(answer);
            }
        }
    }

    /// Waits until the device shows the version.
    async fn confirm(&self, turn: &mut Turn<'_>) -> Result<Outcome, Setback> {
        let until = Instant::now() + PATIENCE;
        let mut pauses = Pauses::default();
        let mut told = None;
        loop {
            let state = match self.look_until(turn, until).await {
                Ok(upgrade) => self.state(&upgrade),
                Err(unread) => return Err(in_doubt(turn, unread)),
            };
            if told != Some(state) {
                told = Some(state);
                turn.found("upgrade", show(state)).await?;
            }
            let is_over = Instant::now() >= until;
            match state {
                Some(UpgradeState::Failed) => {
                    let detail = "The concentrator has given the upgrade up; look at its events and at the device, then order again.";
                    return Err(refuse(Reason::NotEffective, detail));
                }
                Some(UpgradeState::Waiting | UpgradeState::Sending { .. }) if is_over => {
                    let detail = format!("It {}; it will be looked at again.", show(state));
                    return Err(Setback::InDoubt(Failure::new(Reason::Timeout, detail)));
                }
                Some(UpgradeState::Waiting | UpgradeState::Sending { .. }) => {}
                // A concentrator that has restarted may have forgotten what it did.
                Some(UpgradeState::Activated) | None => {
                    let shown = read_until(turn, &self.version, until).await;
                    let shown = self.text(&shown.map_err(|unread| in_doubt(turn, unread))?)?;
                    if shown == self.install.image.version {
                        turn.found("version after", shown).await?;
                        return running(turn).await;
                    }
                    if is_over {
                        return Err(self.other(turn, shown).await?);
                    }
                }
            }
            pauses.next(turn).await?;
        }
    }

    /// Asks again and again while the concentrator restarts.
    async fn look_until(&self, turn: &mut Turn<'_>, until: Instant) -> Result<Upgrade, Setback> {
        let mut pauses = Pauses::default();
        loop {
            match self.look(turn).await {
                Err(setback) if setback.may_heal() && Instant::now() < until => {
                    turn.progressed();
                    pauses.next(turn).await?;
                }
                other => return other,
            }
        }
    }

    /// The device runs something else.
    async fn other(&self, turn: &Turn<'_>, shown: String) -> Result<Setback, Setback> {
        turn.found("version after", shown.clone()).await?;
        let detail = format!(
            "The concentrator was told to install the image and the device shows version {shown}, not version {}; check the version that \
             the image's description promises, then the device.",
            self.install.image.version
        );
        Ok(refuse(Reason::NotEffective, detail))
    }
}

fn show(state: Option<UpgradeState>) -> String {
    match state {
        None => "the concentrator knows nothing of it".to_owned(),
        Some(UpgradeState::Waiting) => "waits for the concentrator".to_owned(),
        // Each per cent would be a finding of its own.
        Some(UpgradeState::Sending { .. }) => "is under way to the device".to_owned(),
        Some(UpgradeState::Activated) => "activated".to_owned(),
        Some(UpgradeState::Failed) => "given up".to_owned(),
    }
}

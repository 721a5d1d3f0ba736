//! The octets of an image into the meter, until it has verified them.

use dlms::{
    axdr::Data,
    cosem::image_transfer::{Block, ImageStatus, Initiation, NO_PARAMETER, block_count, missing_blocks},
};
use models::SecondInitiate;
use tokio::time::Instant;

use super::{Meter, Pauses, SENDS_MAX, in_time, is_busy, refuse};
use crate::{
    Event, Install, Reason,
    diagnosis::Setback,
    image::ImageError,
    task::ordered::{Answer, Request, order},
    turn::Turn,
    value,
};

/// Blocks that an image may have: the meter says in one value which of them it has.
const BLOCKS_MAX: u32 = 500_000;
/// Rounds through the missing blocks after which none less is missing.
const ROUNDS_MAX: u32 = 5;
/// How often one block is sent in a row.
const BLOCK_SENDS_MAX: u32 = 16;
/// How often a meter may forget a transfer that is under way.
const RESTARTS_MAX: u32 = 2;

/// Brings everything into the meter that it lacks of the image, and has it verified. `status` is where the meter stands.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    meter: &Meter,
    install: &Install,
    status: ImageStatus,
) -> Result<(), Setback> {
    let block_size = block_size(turn, meter).await?;
    let total = block_count(install.image.size, block_size);
    if total > BLOCKS_MAX {
        let detail = format!(
            "The meter takes blocks of {block_size} octets; the image has {total} of them, and {BLOCKS_MAX} can be kept account of."
        );
        return Err(refuse(Reason::Unsupported, detail));
    }
    let mut transfer = Transfer { meter, install, block_size, total, told: None };
    let goes_on = install.initiated && matches!(status, ImageStatus::Initiated | ImageStatus::Verifying);
    // Where it costs nothing, the meter is asked to see to it that the blocks are those of this image.
    let is_free =
        meter.spec.second_initiate == SecondInitiate::KeepsBlocks && status != ImageStatus::Verifying;
    if !goes_on || is_free {
        transfer.initiate(turn).await?;
    }
    let mut restarts = 0;
    while let Held::Nothing(status) = transfer.blocks(turn).await? {
        restarts += 1;
        if restarts > RESTARTS_MAX {
            let detail = format!(
                "The meter forgot the transfer {restarts} times and shows \"{status}\"; look at its events, then order again."
            );
            return Err(refuse(Reason::NotEffective, detail));
        }
        transfer.initiate(turn).await?;
    }
    transfer.verify(turn).await
}

async fn block_size(turn: &mut Turn<'_>, meter: &Meter) -> Result<u32, Setback> {
    let attribute = meter.object.block_size();
    let most = meter.spec.max_block_size;
    match turn.read(&attribute).await? {
        Data::DoubleLongUnsigned(size) if (1..=most).contains(&size) => Ok(size),
        Data::DoubleLongUnsigned(size) => {
            let detail =
                format!("The meter wants image blocks of {size} octets; its model allows 1 to {most}.");
            Err(refuse(Reason::Unsupported, detail))
        }
        _ => Err(value::unexpected(&attribute, "a double-long-unsigned")),
    }
}

/// What a meter holds after all blocks that it lacked were sent.
enum Held {
    /// All blocks.
    All,
    /// No transfer at all: it stands there.
    Nothing(ImageStatus),
}

/// A transfer that is under way.
struct Transfer<'a> {
    meter: &'a Meter,
    install: &'a Install,
    /// Octets of every block but the last.
    block_size: u32,
    /// Blocks of the image.
    total: u32,
    /// Blocks that were last reported as done.
    told: Option<u32>,
}

impl Transfer<'_> {
    /// Begins the transfer anew. A lost order is repeated: there is nothing yet that it could destroy.
    async fn initiate(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        let image = &self.install.image;
        let shown = format!("{} octets in {} blocks of {}", image.size, self.total, self.block_size);
        turn.found("initiate", shown).await?;
        let parameters = Initiation { identifier: image.identifier.clone(), size: image.size }.to_data();
        let mut pauses = Pauses::default();
        let mut sends = 0;
        loop {
            in_time(turn, self.install)?;
            sends += 1;
            let method = self.meter.object.initiate();
            match order(turn, Request::Action(&method, &parameters)).await? {
                Answer::Yes => {
                    self.told = None;
                    return self.tell(turn, 0).await;
                }
                Answer::No(setback) if is_busy(&setback) && sends < SENDS_MAX => pauses.next(turn).await?,
                Answer::No(setback) => return Err(Setback::Final(turn.explain(&setback))),
                Answer::Lost(setback) if sends == SENDS_MAX => return Err(setback),
                Answer::Lost(_) => turn.renew().await?,
            }
        }
    }

    /// Sends what is missing, in order, until the meter says that nothing is.
    async fn blocks(&mut self, turn: &mut Turn<'_>) -> Result<Held, Setback> {
        let (mut least, mut rounds, mut refusal) = (u32::MAX, 0, None);
        loop {
            let missing = self.missing(turn).await?;
            let Some(first) = missing.first().copied() else {
                self.tell(turn, self.total).await?;
                return Ok(Held::All);
            };
            let left = u32::try_from(missing.len()).unwrap_or(u32::MAX);
            rounds = if left < least { 0 } else { rounds + 1 };
            least = left.min(least);
            if rounds == ROUNDS_MAX {
                return Err(self.stuck(turn, first, refusal));
            }
            for (sent, number) in (0..).zip(missing) {
                self.tell(turn, self.total - left + sent).await?;
                turn.yield_to_urgent().await?;
                let Some(no) = self.send(turn, number).await? else { continue };
                let status = self.meter.status(&turn.read(&self.meter.object.status()).await?)?;
                if status != ImageStatus::Initiated {
                    return Ok(Held::Nothing(status));
                }
                refusal = Some(no);
                break;
            }
        }
    }

    /// The numbers of the blocks that the meter lacks, ascending.
    async fn missing(&self, turn: &mut Turn<'_>) -> Result<Vec<u32>, Setback> {
        match turn.read(&self.meter.object.blocks_status()).await {
            Ok(status) => Ok(missing_blocks(&status, self.total).map_err(Setback::answer)?.collect()),
            Err(setback) if setback.is_absence() => {
                Ok((self.first_missing(turn).await?.unwrap_or(0)..self.total).collect())
            }
            Err(setback) => Err(setback),
        }
    }

    /// The first block that the meter lacks; `None` when it does not show it.
    async fn first_missing(&self, turn: &mut Turn<'_>) -> Result<Option<u32>, Setback> {
        let attribute = self.meter.object.first_not_transferred();
        match turn.read(&attribute).await {
            Ok(Data::DoubleLongUnsigned(number)) => Ok(Some(number)),
            Ok(_) => Err(value::unexpected(&attribute, "a double-long-unsigned")),
            Err(setback) if setback.is_absence() => Ok(None),
            Err(setback) => Err(setback),
        }
    }

    /// Sends one block. When its answer got lost the meter is asked whether the block arrived before it is sent again. Returns the refusal,
    /// if the meter refused it.
    async fn send(&self, turn: &mut Turn<'_>, number: u32) -> Result<Option<Setback>, Setback> {
        let parameters = Block { number, octets: self.octets(number).await? }.into_data();
        let method = self.meter.object.transfer_block();
        let mut pauses = Pauses::default();
        let mut sends = 0;
        loop {
            in_time(turn, self.install)?;
            sends += 1;
            let setback = match turn.action(&method, Some(&parameters)).await {
                Ok(()) => {
                    turn.progressed();
                    return Ok(None);
                }
                Err(setback) => setback,
            };
            if sends == BLOCK_SENDS_MAX {
                return Err(setback);
            } else if is_busy(&setback) {
                pauses.next(turn).await?;
            } else if setback.is_refusal() {
                return Ok(Some(setback));
            } else {
                let in_doubt = setback.leaves_doubt();
                turn.recover(setback).await?;
                if in_doubt && self.first_missing(turn).await?.is_some_and(|first| first > number) {
                    return Ok(None);
                }
            }
        }
    }

    async fn octets(&self, number: u32) -> Result<Vec<u8>, Setback> {
        let image = &self.install.image;
        let offset = number * self.block_size;
        let length = self.block_size.min(image.size - offset);
        let octets = image.octets.read(offset, length).await.map_err(|error| {
            let reason = match error {
                ImageError::Unavailable(_) => Reason::Cancelled,
                ImageError::Gone(_) => Reason::Unsupported,
            };
            refuse(reason, format!("Block {number} was not sent: {error}."))
        })?;
        if octets.len() != length as usize {
            let detail =
                format!("Block {number} was not sent: the image that is kept is not whole; upload it again.");
            return Err(refuse(Reason::Unsupported, detail));
        }
        Ok(octets)
    }

    /// Has the image verified. The meter may take its time.
    async fn verify(&self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        let within = self.meter.spec.verify_within;
        let until = Instant::now() + within;
        let mut pauses = Pauses::default();
        let (mut is_asked, mut refusal) = (false, None::<Setback>);
        loop {
            match self.meter.settled(turn, ImageStatus::Verifying, until).await? {
                ImageStatus::Verified => {
                    return turn.found("verify", "the meter finds the image good".into()).await;
                }
                ImageStatus::VerificationFailed if is_asked => {
                    let detail = "The meter has all blocks and finds the image bad: it is not for this meter, or not its maker's; \
                                  check the image.";
                    return Err(refuse(Reason::MeterRefused, detail));
                }
                status => {
                    if let Some(refusal) = refusal {
                        return Err(Setback::Final(turn.explain(&refusal)));
                    }
                    if Instant::now() >= until {
                        let detail = format!(
                            "The meter has all blocks and has not verified the image within {within:?}, it shows \"{status}\"; order again later."
                        );
                        return Err(refuse(Reason::NotEffective, detail));
                    }
                }
            }
            if is_asked {
                pauses.next(turn).await?;
            }
            in_time(turn, self.install)?;
            is_asked = true;
            let method = self.meter.object.verify();
            match order(turn, Request::Action(&method, &NO_PARAMETER)).await? {
                Answer::No(setback) if !is_busy(&setback) => refusal = Some(setback),
                Answer::Yes | Answer::No(_) => {}
                Answer::Lost(_) => turn.renew().await?,
            }
        }
    }

    /// Reports how many blocks the meter has, when they are a fiftieth part of the image or 64 blocks more than last time.
    async fn tell(&mut self, turn: &Turn<'_>, done: u32) -> Result<(), Setback> {
        let step = (self.total / 50).clamp(1, 64);
        let is_due = self.told.is_none_or(|told| done < told || done - told >= step || done == self.total);
        if is_due && self.told != Some(done) {
            self.told = Some(done);
            turn.report(Event::Progress { done, total: self.total }).await?;
        }
        Ok(())
    }

    /// Round after round, the meter says that the same blocks are missing.
    fn stuck(&self, turn: &Turn<'_>, first: u32, refusal: Option<Setback>) -> Setback {
        let why = refusal.map_or_else(String::new, |refusal| format!(" {}", turn.explain(&refusal).detail));
        let detail = format!(
            "The meter still lacks block {first} of {} after it was sent {ROUNDS_MAX} times; look at the meter.{why}",
            self.total
        );
        refuse(Reason::NotEffective, detail)
    }
}

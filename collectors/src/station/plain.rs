//! A conversation without APDUs: octets are said over the port of the line, and an ear tells when the answer is whole.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;

use super::{RELEASE_TIMEOUT, Session};
use crate::{
    MeterId, Station, Work,
    bus::{SharedBus, Wait},
    diagnosis::{Setback, Stage},
    driver::{Ear, Memory, Pitch, Rejected, Say},
    exchange,
    line::{LineError, Port},
};

/// How often the same is said when nothing comes back.
const TRIES: u32 = 3;
/// How long a station that has begun to answer may pause (DL/T 645: 500 ms; IEC 62056-21: 1500 ms), and what the way may add.
const PAUSE: Duration = Duration::from_secs(2);
/// Least time between two messages (IEC 62056-21, 6.4.3).
const REACTION: Duration = Duration::from_millis(20);
/// For how many times as long as an answer may take it may still come after it was given up.
const LATE: u32 = 2;
/// How many times as long as an answer may take a whole read-out may.
const LONG: u32 = 10;

/// The port of the line and who is at its other end now.
pub(super) struct Plain {
    port: Port,
    station: Arc<Station>,
    bus: SharedBus,
    /// The station has answered.
    is_heard: bool,
    /// Until when answers may still come that were waited for in vain.
    owed_until: Instant,
}

impl Plain {
    pub(super) const fn bytes(&self) -> u64 {
        self.port.bytes()
    }

    /// Waits for what nobody asked for.
    pub(super) async fn idle(&mut self, deadline: Instant) {
        let mut stray = Vec::new();
        while self.port.receive(&mut stray, deadline).await.is_ok() {
            stray.clear();
        }
    }

    fn broken(&self, error: LineError, is_order: bool) -> Setback {
        // Whoever has not answered yet may not be there. What was ordered may have been heard all the same.
        let stage = if self.is_heard || is_order { Stage::Open } else { Stage::Linking };
        Setback::Line(stage, error)
    }
}

impl Session {
    /// What is remembered of devices between works.
    pub(crate) const fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Says something to the station of the work and waits for what the ear makes of the answer.
    pub(crate) async fn say<E: Ear>(
        &mut self,
        work: &Work,
        say: &Say<'_>,
        ear: &mut E,
    ) -> Result<E::Answer, Setback> {
        self.limits.response_timeout = self.answer_time + work.station.answer_within();
        self.turn_to(work).await?;
        let Some(mut plain) = self.plain.take() else {
            return Err(Setback::Line(Stage::Connecting, LineError::Cut));
        };
        let span = say.subject.span();
        let asked = Instant::now();
        let answer = plain.converse(say, ear, &self.limits).instrument(span.clone()).await;
        let failed = answer.as_ref().err().map(|setback| setback.failure(&work.station, &self.limits).reason);
        plain.port.rejected(ear.rejected());
        let payload = u32::try_from(say.octets.len() + plain.port.last_heard()).unwrap_or(u32::MAX);
        plain.bus.known().note_payload(plain.port.character().unwrap_or_default() * payload);
        plain.port.note(&say.subject, (say.octets.len(), plain.port.last_heard()), failed);
        exchange::complete(&span, (say.octets.len(), plain.port.last_heard()), failed);
        self.plain = Some(plain);
        let answered = matches!(answer, Ok(_) | Err(Setback::Refused { .. }));
        if answered {
            self.exchanges = self.exchanges.saturating_add(1);
            self.last_delay = asked.elapsed();
        }
        answer
    }

    /// Says something that nobody answers.
    pub(crate) async fn say_farewell(&mut self, octets: &[u8]) {
        if let Some(plain) = &mut self.plain
            && plain.port.say(octets, false, RELEASE_TIMEOUT).await.is_err()
        {
            tracing::debug!("the meter could not be taken leave of");
        }
    }

    /// Leaves the port to others. What failed on it, or is still on its way, is theirs to skip.
    pub(super) async fn part_plain(&mut self) {
        if let Some(plain) = self.plain.take() {
            self.keep(plain.port).await;
        }
    }

    /// Makes the port that of the work's station.
    async fn turn_to(&mut self, work: &Work) -> Result<(), Setback> {
        let station = &work.station;
        if self.plain.as_ref().is_some_and(|plain| is_same(&plain.station, station)) {
            return Ok(());
        }
        self.release().await;
        let bus = self.bus(station);
        self.chance = work.seed.of_association(self.associations + 1).gaps();
        let port = self.port(station).await.map_err(|error| Setback::Line(Stage::Connecting, error));
        let mut port = port?;
        bus.known().reachable();
        self.character = port.character();
        port.draw_from(self.chance);
        let owed_until = Instant::now();
        self.plain = Some(Plain { port, station: Arc::clone(station), bus, is_heard: false, owed_until });
        Ok(())
    }
}

impl Plain {
    /// Says it, again when nothing comes back and it may be said again, and listens.
    async fn converse<E: Ear>(
        &mut self,
        say: &Say<'_>,
        ear: &mut E,
        limits: &crate::Limits,
    ) -> Result<E::Answer, Setback> {
        let is_network = !self.station.terminus().is_device();
        let mut patience = self.bus.known().patience(self.station.meter, is_network, limits).answer;
        let tries = if say.is_order { 1 } else { TRIES };
        // A concentrator does one thing at a time: it is not asked again as long as it may be busy.
        if say.is_order || !self.station.answer_within().is_zero() {
            patience = limits.response_timeout;
        }
        if say.speed == Pitch::Initial {
            // What was said last, such as a farewell, is still on its way at the other speed.
            sleep_until(self.port.last_sent() + REACTION).await;
            self.pitch(true, self.station.address.opening_speed())?;
        }
        if !E::ANSWERS_NAME_REQUESTS {
            self.idle(self.owed_until).await;
        }
        for attempt in 0..tries {
            let answer = self.once(say, ear, (patience, limits)).await;
            let is_silent = matches!(answer, Err(Setback::Line(_, LineError::Silent)));
            if is_silent || attempt > 0 {
                self.owed_until = self.port.last_sent() + limits.response_timeout * LATE;
            }
            if !is_silent {
                return answer;
            }
            patience = (patience * 2).min(limits.response_timeout);
        }
        if is_network && self.is_heard {
            // It may be the connection that is dead and not the station.
            self.port.give_up();
        }
        let Rejected { frames, octets } = ear.rejected();
        let nothing =
            if frames + octets == 0 { LineError::Silent } else { LineError::Noisy { frames, octets } };
        Err(self.broken(nothing, say.is_order))
    }

    async fn once<E: Ear>(
        &mut self,
        say: &Say<'_>,
        ear: &mut E,
        (patience, limits): (Duration, &crate::Limits),
    ) -> Result<E::Answer, Setback> {
        let broken = |plain: &Self, error| plain.broken(error, say.is_order);
        let limit = limits.response_timeout;
        // What comes now was asked for before.
        self.idle(Instant::now()).await;
        if let Err(error) = self.port.say(say.octets, say.is_secret, limit).await {
            return Err(broken(self, error));
        }
        if let Pitch::Then(speed) = say.speed {
            sleep_until(self.port.last_sent()).await;
            self.pitch(true, Some(speed))?;
        }
        let asked = self.port.last_sent();
        let last = asked + if say.is_long { limit * LONG } else { limit };
        let mut deadline = asked + patience;
        let (mut heard, mut reply) = (Vec::new(), Vec::new());
        let mut is_first = true;
        loop {
            heard.clear();
            if let Err(error) = self.port.receive(&mut heard, deadline.min(last)).await {
                return Err(broken(self, error));
            }
            if std::mem::take(&mut is_first) {
                let took = Instant::now().saturating_duration_since(asked);
                self.bus.known().answered(self.station.meter, Wait::Answer, took);
            }
            deadline = deadline.max(Instant::now() + PAUSE);
            match ear.hear(&heard, &mut reply) {
                Ok(None) if reply.is_empty() => {}
                Ok(None) => {
                    if let Err(error) = self.port.say(&reply, say.is_secret, limit).await {
                        return Err(broken(self, error));
                    }
                    reply.clear();
                    deadline = deadline.max(self.port.last_sent() + patience);
                }
                Ok(Some(answer)) => {
                    self.is_heard = true;
                    return Ok(answer);
                }
                Err(setback) => {
                    self.is_heard = true;
                    return Err(setback);
                }
            }
        }
    }

    /// Changes the speed, where the line is one on which it changes.
    fn pitch(&mut self, is_due: bool, speed: Option<u32>) -> Result<(), Setback> {
        match (is_due, self.station.address.opening_speed(), speed) {
            (true, Some(_), Some(speed)) => {
                self.port.change_speed(speed).map_err(|error| Setback::Line(Stage::Linking, error))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a conversation with one station goes on with the other.
fn is_same(one: &Arc<Station>, other: &Arc<Station>) -> bool {
    let who = |station: &Station| -> (MeterId, Option<u64>, Option<u8>) {
        (station.meter, station.device_address, station.subunit)
    };
    Arc::ptr_eq(one, other) || (who(one) == who(other) && one.address == other.address)
}

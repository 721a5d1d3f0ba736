//! The way to a station: the port of the line, which one station leaves to the next, and the link over it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{RELEASE_TIMEOUT, Session};
use crate::{
    Station,
    bus::SharedBus,
    diagnosis::{Setback, Stage},
    line::{Line, LineError, Port, Stop},
};

/// How long frames stay small after something urgent came: orders rarely come alone.
const PRESSED: Duration = Duration::from_secs(60);

impl Session {
    /// What is known of the line, which all works of a channel share.
    pub(crate) fn bus(&mut self, station: &Station) -> SharedBus {
        if self.bus.is_none() {
            self.line = station.address.line();
        }
        let instruments = &self.instruments;
        let known = || match station.address.is_shared() {
            true => instruments.buses().of(&self.line),
            false => SharedBus::default(),
        };
        self.bus.get_or_insert_with(known).clone()
    }

    /// Notes that works were done since then, when so many octets had gone over the line.
    pub(crate) fn note_use(&mut self, since: Instant, bytes: u64) {
        let Some(bus) = &self.bus else { return };
        let octets = u32::try_from(self.traffic().0 - bytes).unwrap_or(u32::MAX);
        bus.known().note_use(since.elapsed(), self.character.unwrap_or_default() * octets);
    }

    /// Says what the line was used for so far.
    fn tell_use(&self) {
        let Some(used) = self.bus.as_ref().map(|bus| bus.known().account()) else { return };
        if !used.carried.is_zero() {
            let (seconds, permille) = (used.used.as_secs(), used.permille());
            tracing::info!(line = self.line, seconds, useful_permille = permille, "a serial line is left");
        }
    }

    /// The wish that what is read be ended for something more urgent.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Something urgent came while somebody was read: for a while, frames are small, so that the next one need not wait long.
    pub(crate) fn press(&mut self) {
        self.pressed_until = Some(Instant::now() + PRESSED);
    }

    fn is_pressed(&self) -> bool {
        self.pressed_until.is_some_and(|until| Instant::now() < until)
    }

    /// A line to the station, with a link where there is one.
    pub(super) async fn dial(&mut self, station: &Station) -> Result<Line, Setback> {
        let bus = self.bus(station);
        let mut port = self.port(station).await.map_err(|error| Setback::Line(Stage::Connecting, error))?;
        bus.known().reachable();
        self.character = port.character();
        port.draw_from(self.chance);
        let linking = |error| Setback::Line(Stage::Linking, error);
        let bytes = port.bytes();
        let line = Line::over(port, station, &self.limits, (&bus, self.is_pressed(), &self.stop));
        let mut line = line.map_err(|error| {
            self.bytes_closed += bytes;
            linking(error)
        })?;
        match line.set_up().await {
            Ok(()) => Ok(line),
            Err(error) => {
                self.part(line).await;
                Err(linking(error))
            }
        }
    }

    /// The port that was left when it leads to the station, or a new one.
    pub(super) async fn port(&mut self, station: &Station) -> Result<Port, LineError> {
        if let Some(mut port) = self.idle.take() {
            let turned = port.turn_to(station, self.limits.connect_timeout).await;
            if turned == Ok(true) {
                return Ok(port);
            }
            self.bytes_closed += port.bytes();
            port.close(RELEASE_TIMEOUT).await;
            turned?;
        }
        self.dialer.open(station, &self.limits, &self.instruments).await
    }

    /// Leaves a station, and its line to the next one where it is shared.
    pub(super) async fn part(&mut self, line: Line) {
        let port = line.leave(RELEASE_TIMEOUT).await;
        self.keep(port).await;
    }

    pub(super) async fn keep(&mut self, port: Port) {
        if port.is_reusable() {
            self.idle = Some(port);
        } else {
            self.bytes_closed += port.bytes();
            port.close(RELEASE_TIMEOUT).await;
        }
    }

    /// Waits for the end of the linger time, or until the meter hangs up. What the meter sends now was asked for by nobody.
    pub(crate) async fn lapse(&mut self) {
        let deadline = Instant::now() + self.limits.linger;
        if let Some(plain) = &mut self.plain {
            return plain.idle(deadline).await;
        }
        match &mut self.open {
            Some(open) => while open.line.receive(&mut self.scratch.apdu, deadline).await.is_ok() {},
            None => match &mut self.idle {
                // What comes between two conversations is for nobody.
                Some(port) => {
                    while port.receive(&mut self.scratch.apdu, deadline).await.is_ok() {
                        self.scratch.apdu.clear();
                    }
                }
                None => sleep_until(deadline).await,
            },
        }
    }

    /// Takes leave of the meter and of the line; where the line keeps the association, that stays open.
    pub(crate) async fn leave(&mut self) {
        match self.open.take() {
            Some(open) if open.line.keeps() => {
                self.bytes_closed += open.line.bytes();
                open.keep();
            }
            open => {
                self.open = open;
                self.release().await;
            }
        }
        self.tell_use();
        if let Some(port) = self.idle.take() {
            self.bytes_closed += port.bytes();
            port.close(RELEASE_TIMEOUT).await;
        }
    }
}

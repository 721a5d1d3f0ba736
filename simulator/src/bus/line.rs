//! Time on the wires: who speaks when, for how long, and what the others hear of it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{BITS_PER_OCTET, Bus, Wire};
use crate::noise::Noise;

/// Octets taken from the line at once.
const READ_SIZE: usize = 2048;
/// Octets that are handed to the master at once while a station speaks; those that a UART hands on at once are as many.
const PIECE: usize = 16;
/// Stream of chance of damaged octets.
const DAMAGE: u64 = 0xB0;

impl Bus {
    /// Lives on a line until it is closed.
    ///
    /// # Errors
    /// Those of the line.
    pub async fn run(mut self, wire: &mut impl Wire) -> io::Result<()> {
        let mut passed =
            Passed { noise: Noise::of(self.config.seed, 0), ppm: self.config.noise_ppm, octets: 0 };
        let mut chunk = [0; READ_SIZE];
        // When the last octet that was sent so far has passed.
        let mut end = Instant::now();
        loop {
            let count = wire.read(&mut chunk).await?;
            if count == 0 {
                return Ok(());
            }
            let octets = &mut chunk[..count];
            // The master may speak at another speed before these have passed.
            let spoken_at = wire.speed();
            let speed = spoken_at.unwrap_or(self.config.speed);
            end = end.max(Instant::now()) + airtime(count, speed);
            sleep_until(end).await;
            passed.damage(octets);
            if self.config.echo {
                wire.write_all(octets).await?;
            }
            let Some((answer, thinks)) = self.ask(octets, spoken_at) else { continue };
            // Whoever goes on speaking meanwhile is heard by nobody: the line is taken.
            end = end + self.config.turnaround + thinks;
            let speaks = answer.speed;
            end = speak(wire, answer, end, airtime(1, speaks), &mut passed).await?;
        }
    }

    /// Lets every station hear what passed. What several say at once is one noise.
    fn ask(&mut self, octets: &[u8], speed: Option<u32>) -> Option<(Answer, Duration)> {
        let mut answer: Option<(Answer, Duration)> = None;
        let mut garbled = None;
        for station in &mut self.stations {
            let said_at = station.speed();
            let fits = speed.is_none_or(|speed| speed == said_at);
            let heard = if fits {
                octets
            } else {
                garbled.get_or_insert_with(|| octets.iter().map(|octet| misread(*octet)).collect::<Vec<_>>())
            };
            let mut out = Vec::new();
            let thinks = station.hear(heard, &mut out);
            // What it heard may have told it to change.
            let speaks = station.speed();
            if out.is_empty() {
                continue;
            }
            if !fits {
                out.iter_mut().for_each(|octet| *octet = misread(*octet));
            }
            match &mut answer {
                None => answer = Some((Answer { octets: out, speed: speaks }, thinks)),
                Some((first, wait)) => {
                    first.collide(&out);
                    *wait = (*wait).min(thinks);
                }
            }
        }
        answer
    }
}

/// What a station says, or several at once.
struct Answer {
    octets: Vec<u8>,
    speed: u32,
}

impl Answer {
    /// Another one speaks at the same time. Where both drive the line, a zero wins over a one; and as no two stations begin at the same bit,
    /// nothing of either is left whole.
    fn collide(&mut self, other: &[u8]) {
        let longest = self.octets.len().max(other.len());
        self.octets.resize(longest, 0xFF);
        for (place, octet) in self.octets.iter_mut().enumerate() {
            let theirs = other.get(place).copied().unwrap_or(0xFF);
            *octet &= theirs.rotate_left(3);
        }
    }
}

/// Sends an answer as slowly as the line is, from an instant on, and returns when its last octet has passed. What the master says meanwhile
/// destroys what is left of it and is heard by nobody.
async fn speak(
    wire: &mut impl Wire,
    mut answer: Answer,
    from: Instant,
    octet: Duration,
    passed: &mut Passed,
) -> io::Result<Instant> {
    let mut end = from;
    let mut drowned = [0; READ_SIZE];
    let mut is_drowned = false;
    for piece in answer.octets.chunks_mut(PIECE) {
        end += octet * u32::try_from(piece.len()).unwrap_or(u32::MAX);
        while let Ok(read) = timeout_at(end, wire.read(&mut drowned)).await {
            if read? == 0 {
                return Ok(end);
            }
            is_drowned = true;
        }
        if is_drowned {
            piece.iter_mut().for_each(|octet| *octet = misread(*octet));
        }
        passed.damage(piece);
        wire.write_all(piece).await?;
    }
    Ok(end)
}

/// How long octets take at a speed.
fn airtime(octets: usize, speed: u32) -> Duration {
    let bits = BITS_PER_OCTET * u64::try_from(octets).unwrap_or(u64::MAX);
    Duration::from_nanos(bits.saturating_mul(1_000_000_000) / u64::from(speed.max(1)))
}

/// What is left of an octet that was sampled at the wrong places.
fn misread(octet: u8) -> u8 {
    octet.rotate_left(2) ^ 0x5A
}

/// The octets that passed so far, some of them damaged.
struct Passed {
    noise: Noise,
    ppm: u32,
    octets: i64,
}

impl Passed {
    fn damage(&mut self, octets: &mut [u8]) {
        if self.ppm == 0 {
            return;
        }
        for octet in octets {
            self.octets += 1;
            if self.noise.below(DAMAGE, self.octets, 1_000_000) < i64::from(self.ppm) {
                *octet ^= 0x24;
            }
        }
    }
}

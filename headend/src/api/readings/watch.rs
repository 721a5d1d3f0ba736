//! `WatchReadings`: follows the log of what was stored. A token is given out only with the last message of an entry, so whoever
//! goes on with it gets an entry again rather than never.

use std::collections::{BTreeMap, VecDeque};

use ami_proto::v1::{Reading, WatchReadingsRequest, WatchReadingsResponse};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::super::follow::{Follower, Messages, messages};
use super::super::notices::Notices;
use super::super::status::Refusal;
use super::super::token::{self, NO_QUESTION};
use super::expand::{Expander, register};
use super::flags::Flags;
use super::{Readings, obis_filter};
use crate::store::readings::{Batch, Capture, CaptureRange, Position, RegisterRange, Stored};

/// Entries of the log that are looked up at once.
const ENTRIES: u32 = 100;
/// Rows that are looked up at once.
const ROWS: i64 = 250;
/// Readings in a message.
const MESSAGE: usize = 1_000;

/// A watch between two messages.
struct Watch {
    service: Readings,
    notices: Notices,
    meters: Option<Vec<i32>>,
    expander: Expander,
    /// Serial numbers by key, as far as they were needed.
    serials: BTreeMap<i32, String>,
    /// Up to here everything was given out.
    given: Position,
    /// Up to here the log was searched; what was found waits in `entries`.
    searched: Position,
    entries: VecDeque<Batch>,
    /// How far the first of `entries` was given out.
    within: Option<Row>,
    messages: VecDeque<WatchReadingsResponse>,
    silent_since: Instant,
    _turn: OwnedSemaphorePermit,
}

/// The next row of an entry.
#[derive(Clone, Copy)]
enum Row {
    Capture(jiff::Timestamp, i32),
    Register(jiff::Timestamp, [u8; 6], i16),
}

impl Readings {
    /// Follows readings from a token or from now on.
    pub(super) async fn watch(
        &self,
        request: WatchReadingsRequest,
    ) -> Result<Messages<WatchReadingsResponse>, Refusal> {
        let limit = self.limits.watches;
        let turn = self.watches.clone().try_acquire_owned().map_err(|_| Refusal::TooManyWatches { limit })?;
        let obis = obis_filter(&request.obis)?;
        let meters = match request.meter_serials.as_slice() {
            [] => None,
            serials => Some(self.meter_ids(serials).await?),
        };
        let begin = match request.resume_token.as_str() {
            "" => self.store.log_end().await?,
            text => position(text).ok_or(Refusal::ResumeToken)?,
        };
        let mut watch = Watch {
            service: self.clone(),
            notices: self.notices.clone(),
            meters,
            expander: Expander::new(obis),
            serials: BTreeMap::new(),
            given: begin,
            searched: begin,
            entries: VecDeque::new(),
            within: None,
            messages: VecDeque::new(),
            silent_since: Instant::now(),
            _turn: turn,
        };
        watch.search().await?;
        // The client keeps this token, should the watch break before the first reading.
        watch.messages.push_back(WatchReadingsResponse { readings: Vec::new(), resume_token: text(begin) });
        Ok(messages(watch, self.shutdown.clone()))
    }
}

impl Follower for Watch {
    type Message = WatchReadingsResponse;

    async fn next(&mut self) -> Result<WatchReadingsResponse, Refusal> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                self.silent_since = Instant::now();
                return Ok(message);
            }
            match self.entries.front().cloned() {
                Some(entry) => self.look_up(&entry).await?,
                None => {
                    self.search().await?;
                    if self.entries.is_empty() {
                        self.wait().await;
                    }
                }
            }
        }
    }
}

impl Watch {
    /// Searches the log for more.
    async fn search(&mut self) -> Result<(), Refusal> {
        let found = self.service.store.batches_after(self.searched, self.meters.as_deref(), ENTRIES).await?;
        let (entries, searched) = found.ok_or(Refusal::ResumeTokenExpired)?;
        self.searched = searched;
        self.entries.extend(entries);
        if self.entries.is_empty() {
            self.given = searched;
        }
        Ok(())
    }

    /// Waits for a notice, or until a sign of life is due, which is put among the messages.
    async fn wait(&mut self) {
        let due = self.silent_since + self.service.limits.sign_of_life;
        if timeout_at(due, self.notices.readings()).await.is_err() {
            self.messages
                .push_back(WatchReadingsResponse { readings: Vec::new(), resume_token: text(self.given) });
        }
    }

    /// Puts the next readings of the first entry among the messages.
    async fn look_up(&mut self, entry: &Batch) -> Result<(), Refusal> {
        let serial = self.serial(entry.meter).await?;
        let (readings, next) = match entry.stored {
            Stored::Captures(layout) => self.captures(entry, layout, &serial).await?,
            Stored::Registers => self.registers(entry, &serial).await?,
        };
        self.within = next;
        let before = text(self.given);
        if next.is_none() {
            self.entries.pop_front();
            self.given = if self.entries.is_empty() { self.searched } else { entry.position };
        }
        let after = text(self.given);
        let parts = readings.len().div_ceil(MESSAGE);
        let mut readings = readings.into_iter();
        for part in 1..=parts {
            let resume_token = if part == parts { after.clone() } else { before.clone() };
            let readings = readings.by_ref().take(MESSAGE).collect();
            self.messages.push_back(WatchReadingsResponse { readings, resume_token });
        }
        Ok(())
    }

    async fn captures(
        &mut self,
        entry: &Batch,
        layout: i32,
        serial: &str,
    ) -> Result<(Vec<Reading>, Option<Row>), Refusal> {
        let first = match self.within {
            Some(Row::Capture(ts, layout)) => (ts, layout),
            _ => (entry.from, i32::MIN),
        };
        let range = CaptureRange {
            meter: entry.meter,
            layouts: Some(&[layout]),
            first,
            last: entry.to,
            known_at: None,
        };
        let rows = self.service.store.captures(&range, ROWS).await?;
        self.expander.learn(&self.service.store, &rows).await?;
        let flags = Flags::of_captures(&self.service.store, entry.meter, &rows, None).await?;
        let expand = |row: &Capture| {
            self.expander.capture(serial, row, &flags, 0).map(|(_, reading)| reading).collect::<Vec<_>>()
        };
        let readings = rows.iter().flat_map(expand).collect();
        let behind = |last: &Capture| Some(Row::Capture(last.ts, last.layout_id.checked_add(1)?));
        let full = i64::try_from(rows.len()) == Ok(ROWS);
        Ok((readings, rows.last().filter(|_| full).and_then(behind)))
    }

    async fn registers(&self, entry: &Batch, serial: &str) -> Result<(Vec<Reading>, Option<Row>), Refusal> {
        let first = match self.within {
            Some(Row::Register(ts, obis, attribute)) => (ts, obis, attribute),
            _ => (entry.from, [0; 6], i16::MIN),
        };
        let obis = self.expander.obis();
        let range = RegisterRange { meter: entry.meter, obis, first, last: entry.to, known_at: None };
        let rows = self.service.store.register_rows(&range, ROWS).await?;
        let flags = Flags::of_registers(&self.service.store, entry.meter, &rows, None).await?;
        let readings = rows.iter().map(|row| register(serial, row, &flags)).collect::<Result<_, _>>()?;
        let full = i64::try_from(rows.len()) == Ok(ROWS);
        let next = match rows.last().filter(|_| full) {
            Some(last) => {
                let obis = last.obis.as_slice().try_into().map_err(|_| Refusal::Internal)?;
                last.attribute
                    .checked_add(1)
                    .map(|attribute| Row::Register(last.ts.to_jiff(), obis, attribute))
            }
            None => None,
        };
        Ok((readings, next))
    }

    async fn serial(&mut self, meter: i32) -> Result<String, Refusal> {
        if !self.serials.contains_key(&meter) {
            self.serials.extend(self.service.store.meter_serials(&[meter]).await?);
        }
        self.serials.get(&meter).cloned().ok_or(Refusal::Internal)
    }
}

fn text(position: Position) -> String {
    let octets: Vec<u8> = position.xid.to_be_bytes().into_iter().chain(position.id.to_be_bytes()).collect();
    token::encode(NO_QUESTION, &octets)
}

fn position(text: &str) -> Option<Position> {
    let octets = token::decode(NO_QUESTION, text)?;
    let (xid, id) = octets.split_first_chunk::<8>()?;
    let position = Position { xid: i64::from_be_bytes(*xid), id: i64::from_be_bytes(id.try_into().ok()?) };
    (position.xid >= 0 && position.id >= 0).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_their_tokens() {
        let place = Position { xid: i64::from(u32::MAX) + 7, id: 42 };
        assert_eq!(position(&text(place)), Some(place));
        assert_eq!(position(&text(Position { xid: -1, id: 0 })), None);
        assert_eq!(position(""), None);
        assert_eq!(position(&text(place)[2..]), None);
    }
}

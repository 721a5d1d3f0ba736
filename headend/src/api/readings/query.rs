//! `QueryReadings`: stored readings, page by page.

use ami_proto::v1::{QueryReadingsRequest, QueryReadingsResponse, Reading};
use jiff::Timestamp;

use super::super::status::Refusal;
use super::super::{as_of, check, token};
use super::expand::{Expander, register};
use super::flags::Flags;
use super::{Readings, obis_filter};
use crate::store::readings::{CaptureRange, RegisterRange};

/// Readings in a page when the client does not care.
const DEFAULT_PAGE: u32 = 1_000;

/// Rows that are asked for in one statement at most.
const MAX_ROWS: usize = 2_000;

/// A question that was checked.
struct Question {
    meters: Vec<i32>,
    /// Only captures with these layouts; `None` = with any.
    layouts: Option<Vec<i32>>,
    from: Timestamp,
    to: Timestamp,
    /// As they were known then; `None` = as they are known now.
    known_at: Option<Timestamp>,
}

/// Where a page begins: the first reading that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    meter: i32,
    place: Place,
}

/// Where among the readings of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among its captures.
    Captures { ts: Timestamp, layout: i32, slot: i16 },
    /// Among its registers, which come behind.
    Registers { ts: Timestamp, obis: [u8; 6], attribute: i16 },
}

/// The readings of a page, and where the next one begins.
struct Page {
    readings: Vec<Reading>,
    size: usize,
    next: Option<Cursor>,
}

impl Page {
    /// Adds a reading, or notes that it belongs to the next page.
    fn push(&mut self, cursor: Cursor, reading: Reading) {
        if self.readings.len() < self.size {
            self.readings.push(reading);
        } else if self.next.is_none() {
            self.next = Some(cursor);
        }
    }

    /// Rows to ask for: each row that matters brings a reading at least.
    fn rows_to_ask(&self) -> usize {
        (self.size - self.readings.len() + 1).min(MAX_ROWS)
    }
}

impl Readings {
    /// A page of stored readings.
    pub(super) async fn query(
        &self,
        request: QueryReadingsRequest,
    ) -> Result<QueryReadingsResponse, Refusal> {
        let size = check::page_size_or(request.page_size, DEFAULT_PAGE)? as usize;
        let fingerprint = fingerprint(&request);
        let begin = token::begin(fingerprint, &request.page_token, Cursor::decode)?;
        if request.meter_serials.is_empty() {
            return Err(Refusal::field("meter_serials", "one serial number at least is expected"));
        }
        let (from, to) = check::range(request.from.as_ref(), request.to.as_ref())?;
        let known_at = match &request.known_at {
            Some(known_at) => Some(as_of::settled(&self.store, Some(known_at)).await?),
            None => None,
        };
        let obis = obis_filter(&request.obis)?;
        let meters = self.meter_ids(&request.meter_serials).await?;
        let layouts = if obis.is_empty() { None } else { Some(self.store.layouts_with(&obis).await?) };
        let mut expander = Expander::new(obis);
        let page =
            self.page(&Question { meters, layouts, from, to, known_at }, begin, size, &mut expander).await?;
        let next = page.next.map(|next| token::encode(fingerprint, &next.encode()));
        Ok(QueryReadingsResponse { readings: page.readings, next_page_token: next.unwrap_or_default() })
    }

    /// Readings of one profile of a meter, at most `limit`, and whether there are more.
    pub(super) async fn range(
        &self,
        meter: i32,
        profile: [u8; 6],
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<(Vec<Reading>, bool), Refusal> {
        let layouts = Some(self.store.layouts_of(profile).await?);
        let question = Question { meters: vec![meter], layouts, from, to, known_at: None };
        let serials = self.store.meter_serials(&question.meters).await?;
        let serial = serials.get(&meter).ok_or(Refusal::Internal)?;
        let mut page = Page { readings: Vec::new(), size: limit, next: None };
        self.captures(&question, meter, serial, question.begin(), &mut Expander::default(), &mut page)
            .await?;
        Ok((page.readings, page.next.is_some()))
    }

    async fn page(
        &self,
        question: &Question,
        begin: Option<Cursor>,
        size: usize,
        expander: &mut Expander,
    ) -> Result<Page, Refusal> {
        let mut page = Page { readings: Vec::new(), size, next: None };
        let serials = self.store.meter_serials(&question.meters).await?;
        for &meter in question.meters.iter().filter(|meter| begin.is_none_or(|begin| **meter >= begin.meter))
        {
            let serial = serials.get(&meter).ok_or(Refusal::Internal)?;
            let place =
                begin.filter(|begin| begin.meter == meter).map_or(question.begin(), |begin| begin.place);
            let registers_from = match place {
                Place::Captures { .. } => {
                    self.captures(question, meter, serial, place, expander, &mut page).await?;
                    (question.from, [0; 6], i16::MIN)
                }
                Place::Registers { ts, obis, attribute } => (ts, obis, attribute),
            };
            if page.next.is_none() {
                self.registers(question, meter, serial, registers_from, expander, &mut page).await?;
            }
            if page.next.is_some() {
                break;
            }
        }
        Ok(page)
    }

    async fn captures(
        &self,
        question: &Question,
        meter: i32,
        serial: &str,
        place: Place,
        expander: &mut Expander,
        page: &mut Page,
    ) -> Result<(), Refusal> {
        let Place::Captures { ts, layout, mut slot } = place else { return Ok(()) };
        let mut range = CaptureRange {
            meter,
            layouts: question.layouts.as_deref(),
            first: (ts, layout),
            last: question.to,
            known_at: question.known_at,
        };
        loop {
            let asked = page.rows_to_ask();
            let rows = self.store.captures(&range, i64::try_from(asked).unwrap_or(i64::MAX)).await?;
            expander.learn(&self.store, &rows).await?;
            let flags = Flags::of_captures(&self.store, meter, &rows, question.known_at).await?;
            for row in &rows {
                for (slot, reading) in expander.capture(serial, row, &flags, slot) {
                    let place = Place::Captures { ts: row.ts, layout: row.layout_id, slot };
                    page.push(Cursor { meter, place }, reading);
                }
                slot = 0;
            }
            let Some(last) = rows.last().filter(|_| rows.len() == asked && page.next.is_none()) else {
                return Ok(());
            };
            let Some(layout) = last.layout_id.checked_add(1) else { return Err(Refusal::Internal) };
            range.first = (last.ts, layout);
        }
    }

    async fn registers(
        &self,
        question: &Question,
        meter: i32,
        serial: &str,
        first: (Timestamp, [u8; 6], i16),
        expander: &Expander,
        page: &mut Page,
    ) -> Result<(), Refusal> {
        let (last, known_at) = (question.to, question.known_at);
        let mut range = RegisterRange { meter, obis: expander.obis(), first, last, known_at };
        loop {
            let asked = page.rows_to_ask();
            let rows = self.store.register_rows(&range, i64::try_from(asked).unwrap_or(i64::MAX)).await?;
            let flags = Flags::of_registers(&self.store, meter, &rows, question.known_at).await?;
            let mut behind = None;
            for row in &rows {
                let obis: [u8; 6] = row.obis.as_slice().try_into().map_err(|_| Refusal::Internal)?;
                let place = Place::Registers { ts: row.ts.to_jiff(), obis, attribute: row.attribute };
                page.push(Cursor { meter, place }, register(serial, row, &flags)?);
                behind =
                    Some((row.ts.to_jiff(), obis, row.attribute.checked_add(1).ok_or(Refusal::Internal)?));
            }
            match behind.filter(|_| rows.len() == asked && page.next.is_none()) {
                Some(behind) => range.first = behind,
                None => return Ok(()),
            }
        }
    }
}

impl Question {
    /// The first place of a meter.
    fn begin(&self) -> Place {
        Place::Captures { ts: self.from, layout: i32::MIN, slot: 0 }
    }
}

impl Cursor {
    /// Octets: meter, kind, microseconds from 1970 (as exact as the store is), and the rest of the place.
    fn encode(self) -> Vec<u8> {
        let mut out = self.meter.to_be_bytes().to_vec();
        match self.place {
            Place::Captures { ts, layout, slot } => {
                out.push(0);
                out.extend(ts.as_microsecond().to_be_bytes());
                out.extend(layout.to_be_bytes());
                out.extend(slot.to_be_bytes());
            }
            Place::Registers { ts, obis, attribute } => {
                out.push(1);
                out.extend(ts.as_microsecond().to_be_bytes());
                out.extend(obis);
                out.extend(attribute.to_be_bytes());
            }
        }
        out
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let (meter, rest) = octets.split_first_chunk::<4>()?;
        let (&kind, rest) = rest.split_first()?;
        let (micros, rest) = rest.split_first_chunk::<8>()?;
        let ts = Timestamp::from_microsecond(i64::from_be_bytes(*micros)).ok()?;
        let place = match kind {
            0 => {
                let (layout, slot) = rest.split_first_chunk::<4>()?;
                let slot = i16::from_be_bytes(slot.try_into().ok()?);
                Place::Captures { ts, layout: i32::from_be_bytes(*layout), slot }
            }
            1 => {
                let (obis, attribute) = rest.split_first_chunk::<6>()?;
                let attribute = i16::from_be_bytes(attribute.try_into().ok()?);
                Place::Registers { ts, obis: *obis, attribute }
            }
            _ => return None,
        };
        Some(Self { meter: i32::from_be_bytes(*meter), place })
    }
}

fn fingerprint(request: &QueryReadingsRequest) -> u64 {
    token::fingerprint(&QueryReadingsRequest { page_size: 0, page_token: String::new(), ..request.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_their_octets() {
        let ts = "2026-01-31T06:15:00.000001Z".parse().unwrap();
        for place in [
            Place::Captures { ts, layout: i32::MIN, slot: 15 },
            Place::Registers { ts, obis: [1, 0, 1, 8, 0, 255], attribute: -2 },
        ] {
            let cursor = Cursor { meter: 70_000, place };
            let octets = cursor.encode();
            assert_eq!(Cursor::decode(&octets), Some(cursor));
            for cut in 0..octets.len() {
                assert_eq!(Cursor::decode(&octets[..cut]), None, "cut at {cut}");
            }
        }
    }
}

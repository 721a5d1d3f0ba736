//! `QueryDays`: what captures add up to in days, page by page.

use ami_proto::v1::{Decimal, QueryDaysRequest, QueryDaysResponse, ReadingDay};
use jiff::civil::Date;

use super::super::status::Refusal;
use super::super::{check, convert, token};
use super::expand::unit;
use super::{Readings, obis_filter};
use crate::store::readings::{Day, DayRange};

/// Days in a page when the client does not care.
const DEFAULT_PAGE: u32 = 1_000;

/// Where a page begins: the first day that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    meter: i32,
    /// Layout, day and slot.
    place: (i32, Date, i16),
}

impl Readings {
    /// A page of days.
    pub(super) async fn days(&self, request: QueryDaysRequest) -> Result<QueryDaysResponse, Refusal> {
        let size = check::page_size_or(request.page_size, DEFAULT_PAGE)? as usize;
        let fingerprint = token::fingerprint(&QueryDaysRequest {
            page_size: 0,
            page_token: String::new(),
            ..request.clone()
        });
        let begin = token::begin(fingerprint, &request.page_token, Cursor::decode)?;
        if request.meter_serials.is_empty() {
            return Err(Refusal::field("meter_serials", "one serial number at least is expected"));
        }
        let given = |field, text: &str| {
            Some(text).filter(|text| !text.is_empty()).map(|text| check::date(field, text))
        };
        let from = given("from", &request.from).transpose()?.unwrap_or(Date::constant(1970, 1, 1));
        let to = given("to", &request.to).transpose()?.unwrap_or(Date::constant(9998, 12, 31));
        if from > to {
            return Err(Refusal::field("to", "a day that is not before the first one is expected"));
        }
        let obis = obis_filter(&request.obis)?;
        let meters = self.meter_ids(&request.meter_serials).await?;
        let serials = self.store.meter_serials(&meters).await?;
        let (mut days, mut next) = (Vec::new(), None);
        for &meter in meters.iter().filter(|meter| begin.is_none_or(|begin| **meter >= begin.meter)) {
            let place = begin.filter(|begin| begin.meter == meter).map(|begin| begin.place);
            let first = place.unwrap_or((i32::MIN, from, 0));
            let range = DayRange { meter, obis: &obis, from, to, first };
            let asked = i64::try_from(size - days.len() + 1).unwrap_or(i64::MAX);
            let serial = serials.get(&meter).ok_or(Refusal::Internal)?;
            for day in self.store.days(&range, asked).await? {
                if days.len() == size {
                    next = Some(Cursor { meter, place: (day.layout_id, day.day.to_jiff(), day.slot) });
                    break;
                }
                days.push(sent(serial, day)?);
            }
            if next.is_some() {
                break;
            }
        }
        let next = next.map(|next| token::encode(fingerprint, &next.encode()));
        Ok(QueryDaysResponse { days, next_page_token: next.unwrap_or_default() })
    }
}

fn sent(serial: &str, day: Day) -> Result<ReadingDay, Refusal> {
    let number =
        |mantissa: Option<i64>| mantissa.map(|mantissa| Decimal { mantissa, exponent: day.scaler.into() });
    let advance: Option<i64> = day.advance.as_ref().and_then(|digits| digits.parse().ok());
    let count = |count: i32| u32::try_from(count).unwrap_or(0);
    Ok(ReadingDay {
        meter_serial: serial.to_owned(),
        day: day.day.to_jiff().to_string(),
        profile: convert::obis(&day.profile)?,
        obis: convert::obis(&day.obis)?,
        attribute: day.attribute.into(),
        unit: unit(day.unit).to_owned(),
        captures: count(day.captures),
        expected: count(day.expected),
        last: number(day.last),
        last_at: Some(convert::stored(day.last_ts)),
        advance: advance
            .zip(day.advance_scaler)
            .map(|(mantissa, scaler)| Decimal { mantissa, exponent: scaler.into() }),
        low: number(Some(day.low)),
        high: number(Some(day.high)),
        total: number(day.total.parse().ok()),
        made_at: Some(convert::stored(day.made_at)),
        zone: day.zone,
    })
}

impl Cursor {
    /// Octets: meter, layout, year, month and day, slot.
    fn encode(self) -> Vec<u8> {
        let (layout, day, slot) = self.place;
        let mut out = self.meter.to_be_bytes().to_vec();
        out.extend(layout.to_be_bytes());
        out.extend(day.year().to_be_bytes());
        out.extend(day.month().to_be_bytes());
        out.extend(day.day().to_be_bytes());
        out.extend(slot.to_be_bytes());
        out
    }

    fn decode(octets: &[u8]) -> Option<Self> {
        let (meter, rest) = octets.split_first_chunk::<4>()?;
        let (layout, rest) = rest.split_first_chunk::<4>()?;
        let (year, rest) = rest.split_first_chunk::<2>()?;
        let ([month, day], rest) = rest.split_first_chunk::<2>()?;
        let (month, day) = (i8::try_from(*month).ok()?, i8::try_from(*day).ok()?);
        let day = Date::new(i16::from_be_bytes(*year), month, day).ok()?;
        let slot = i16::from_be_bytes(rest.try_into().ok()?);
        Some(Self { meter: i32::from_be_bytes(*meter), place: (i32::from_be_bytes(*layout), day, slot) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_their_octets() {
        let cursor = Cursor { meter: 70_000, place: (-3, Date::constant(2026, 10, 25), 15) };
        let octets = cursor.encode();
        assert_eq!(Cursor::decode(&octets), Some(cursor));
        for cut in 0..octets.len() {
            assert_eq!(Cursor::decode(&octets[..cut]), None, "cut at {cut}");
        }
    }
}

//! Line captures: begun, ended, listed, and handed out as files.

use std::collections::BTreeMap;
use std::time::Duration;

use ami_proto::v1::{
    EndLineCaptureRequest, GetLineCaptureResponse, LineCapture, StartLineCaptureRequest, line_capture,
    start_line_capture_request::Subject as Asked,
};
use pcapng::{Carrier, Line, What, Writer};

use super::super::convert;
use super::super::orders::Asker;
use super::super::status::Refusal;
use super::{Diagnostics, time};
use crate::store::line_captures::{self as stored, Beginning, MOST, Packet};

/// Octets of a capture when the client does not care, and the least and the most.
const DEFAULT_OCTETS: u32 = 1 << 20;
const OCTETS: std::ops::RangeInclusive<u32> = 1 << 10..=16 << 20;
/// Octets of a message of a file.
const CHUNK: usize = 256 << 10;

impl Diagnostics {
    /// Begins a capture; its number.
    pub(super) async fn start(
        &self,
        asker: &Asker,
        target: &str,
        request: StartLineCaptureRequest,
    ) -> Result<i64, Refusal> {
        let subject = match request.subject {
            Some(Asked::MeterSerial(serial)) => self.meter(serial).await?,
            Some(Asked::Address(address)) => self.line(&address)?,
            None => return Err(Refusal::field("subject", "a meter or an address is expected")),
        };
        let time: Duration = time(request.time.as_ref())?;
        let octets = if request.max_octets == 0 { DEFAULT_OCTETS } else { request.max_octets };
        let fits = i32::try_from(octets).ok().filter(|_| OCTETS.contains(&octets));
        let octets_max = fits.ok_or_else(|| Refusal::field("max_octets", "1024 to 16777216 are expected"))?;
        let detail = format!("{octets} octets for {}", humantime::format_duration(time));
        let entry = asker.entry(target.to_owned(), "accepted", Some(detail));
        let beginning = Beginning { subject, time, octets_max, set_by: asker.principal.name.clone() };
        let begun = self.store.begin_line_capture(&beginning, &entry).await?;
        begun.ok_or(Refusal::TooManyLineCaptures { limit: MOST })
    }

    /// Ends a capture, or forgets it.
    pub(super) async fn end(
        &self,
        asker: &Asker,
        target: &str,
        request: EndLineCaptureRequest,
    ) -> Result<(), Refusal> {
        let EndLineCaptureRequest { capture_id: id, forget } = request;
        let detail = if forget { "forgotten" } else { "ended" };
        let entry = asker.entry(target.to_owned(), "accepted", Some(detail.to_owned()));
        match self.store.end_line_capture(id, forget, &entry).await? {
            true => Ok(()),
            false => Err(Refusal::LineCaptureNotFound { id }),
        }
    }

    /// The file of a capture, in pieces.
    pub(super) async fn file(&self, id: i64) -> Result<Vec<GetLineCaptureResponse>, Refusal> {
        let packets = self.store.captured(id).await?.ok_or(Refusal::LineCaptureNotFound { id })?;
        let file = file(&packets);
        Ok(file.chunks(CHUNK).map(|chunk| GetLineCaptureResponse { octets: chunk.to_vec() }).collect())
    }
}

/// The octets of a file.
fn file(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::begin(concat!("headend ", env!("CARGO_PKG_VERSION")), &mut out);
    let mut lines = BTreeMap::new();
    for packet in packets {
        let carrier = match packet.carrier.as_str() {
            "tcp" => Carrier::Tcp,
            "udp" => Carrier::Udp,
            _ => Carrier::Serial,
        };
        let what = match packet.what.as_str() {
            "opened" => What::Opened,
            "sent" => What::Sent,
            _ => What::Received,
        };
        let line = *lines
            .entry((&packet.line, carrier))
            .or_insert_with(|| writer.line(&Line { carrier, name: packet.line.clone() }, &mut out));
        let at_us = u64::try_from(packet.at.to_jiff().as_microsecond()).unwrap_or_default();
        writer.packet(line, at_us, what, &packet.octets, &mut out);
    }
    out
}

/// A capture as it is shown.
pub(super) fn shown(capture: stored::LineCapture) -> LineCapture {
    use line_capture::Subject;
    let count = |count: i32| u32::try_from(count).unwrap_or_default();
    LineCapture {
        capture_id: capture.id,
        subject: capture.serial.map(Subject::MeterSerial).or(capture.address.map(Subject::Address)),
        running: capture.is_running,
        full: capture.is_full,
        packets: count(capture.packets),
        octets: count(capture.octets),
        until: Some(convert::stored(capture.until)),
        set_by: capture.set_by,
        set_at: Some(convert::stored(capture.set_at)),
    }
}

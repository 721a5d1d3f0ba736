//! The protocol log of a line, whatever its kind: what the [knobs](crate::ProtocolLog) ask for, written as events of target `protocol`, and left for
//! captures.

mod hdlc;

use std::{
    fmt::{self, Write as _},
    ops::Range,
};

use dlms::{
    AttributeDescriptor,
    apdu::tag,
    axdr::Reader,
    security::{Envelope, Wrapping},
    wrapper::HEADER_LENGTH,
};
use models::Language;
use pcapng::What;
use tracing::info;

use self::hdlc::{Frames, Kind, Seen};
use super::{capture, framing::Arrival, secret};
use crate::{
    Layers, MeterId, Reason, Station,
    exchange::Subject,
    protocol_log::{ProtocolLog, View},
};

/// Who sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Direction {
    Sent,
    Received,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }

    const fn what(self) -> What {
        match self {
            Self::Sent => What::Sent,
            Self::Received => What::Received,
        }
    }
}

/// What looks on at one line.
#[derive(Debug)]
pub(crate) struct Tap {
    view: View,
    /// What it remembers of an HDLC line.
    frames: Option<Frames>,
    /// Octets of a language without APDUs pass.
    is_plain: bool,
    /// What passes now may hold a password.
    is_hidden: bool,
    /// The line as captures have it.
    line: pcapng::Line,
}

impl Tap {
    pub(crate) fn of(station: &Station) -> Self {
        let is_plain = station.model.language != Language::Dlms;
        let has_frames = station.speaks_hdlc() && !is_plain;
        let frames = has_frames.then(|| Frames::new(station.client_sap));
        Self { view: View::of(station), frames, is_plain, is_hidden: false, line: capture::line(station) }
    }

    /// The line was opened.
    pub(super) fn opened(&mut self, log: &ProtocolLog) {
        if self.looks(log).1 {
            log.sink.leave(self.view.captures(), &self.line, What::Opened, &[]);
        }
    }

    /// An APDU is about to be sent, with the wrapper as one frame, with HDLC as several.
    pub(crate) fn sending(&mut self, log: &ProtocolLog, ports: (u16, u16), apdu: &[u8]) {
        let (Layers { frame, bytes, .. }, is_captured) = self.looks(log);
        if frame {
            self.write_apdu(Direction::Sent, ports, apdu);
        }
        if let Some(frames) = &mut self.frames {
            frames.begin((bytes || is_captured).then(|| secret::hidden(apdu)));
        }
    }

    /// Whether what passes from now on is to be hidden, on a line without APDUs.
    pub(crate) const fn hide(&mut self, is_secret: bool) {
        self.is_hidden = is_secret;
    }

    /// Octets of a language without APDUs passed.
    fn passed(&self, log: &ProtocolLog, layers: Layers, direction: Direction, octets: &[u8]) {
        if layers.frame {
            let (meter, address) = self.whose();
            let (direction, octets) = (direction.as_str(), octets.len());
            info!(target: "protocol", layer = "frame", meter, address, direction, octets);
        }
        let hidden = if self.is_hidden { 0..octets.len() } else { 0..0 };
        self.write_octets(log, layers, direction, octets, hidden);
    }

    /// Frames were sent, each of them whole.
    pub(crate) fn sent(&mut self, log: &ProtocolLog, octets: &[u8]) {
        let (layers, is_captured) = self.looks(log);
        if self.is_plain {
            return self.passed(log, layers, Direction::Sent, octets);
        }
        if !(layers.frame || layers.bytes || is_captured) {
            // From here on it does not know any more which frame holds what.
            self.frames.iter_mut().for_each(|frames| frames.begin(None));
            return;
        }
        match self.frames.take() {
            Some(mut frames) => {
                frames.sent(octets, |seen| self.write_seen(log, layers, Direction::Sent, &seen));
                self.frames = Some(frames);
            }
            None => {
                let hidden = secret::hidden(octets.get(HEADER_LENGTH..).unwrap_or_default());
                let hidden = hidden.start + HEADER_LENGTH..hidden.end + HEADER_LENGTH;
                self.write_octets(log, layers, Direction::Sent, octets, hidden);
            }
        }
    }

    /// Octets arrived, cut anywhere. A meter sends back no secret of ours, but an HDLC line may: it is written frame by frame.
    pub(crate) fn arrived(&mut self, log: &ProtocolLog, octets: &[u8]) {
        let (layers, is_captured) = self.looks(log);
        if !(layers.frame || layers.bytes || is_captured) {
            return;
        }
        if self.is_plain {
            return self.passed(log, layers, Direction::Received, octets);
        }
        match self.frames.take() {
            Some(mut frames) => {
                let noise =
                    frames.arrived(octets, |seen| self.write_seen(log, layers, Direction::Received, &seen));
                self.frames = Some(frames);
                if noise > 0 {
                    let (meter, address) = self.whose();
                    info!(target: "protocol", layer = "frame", meter, address, direction = "received", noise, "octets outside of whole frames");
                }
            }
            None => self.write_octets(log, layers, Direction::Received, octets, 0..0),
        }
    }

    /// Octets of a text in front of all frames went over the line; there is no secret in it.
    pub(super) fn text(&mut self, log: &ProtocolLog, direction: Direction, octets: &[u8]) {
        let layers = self.view.layers(log);
        self.write_octets(log, layers, direction, octets, 0..0);
    }

    /// A whole APDU arrived.
    pub(crate) fn received(&mut self, log: &ProtocolLog, arrival: Arrival, apdu: &[u8]) {
        if self.view.layers(log).frame {
            self.write_apdu(Direction::Received, (arrival.source, arrival.destination), apdu);
        }
    }

    /// An exchange is over.
    pub(crate) fn exchanged(
        &mut self,
        log: &ProtocolLog,
        subject: &Subject,
        (request_octets, answer_octets): (usize, usize),
        failed: Option<Reason>,
    ) {
        if self.view.layers(log).application {
            let (meter, address) = self.whose();
            let result = failed.map_or("ok", Reason::as_str);
            info!(target: "protocol", layer = "application", meter, address, %subject, request_octets, answer_octets, result);
        }
    }

    /// What is to be logged now, and whether anything is to be captured.
    fn looks(&mut self, log: &ProtocolLog) -> (Layers, bool) {
        let layers = self.view.layers(log);
        (layers, !self.view.captures().is_empty())
    }

    fn write_seen(&self, log: &ProtocolLog, layers: Layers, direction: Direction, seen: &Seen<'_>) {
        if layers.frame {
            let (meter, address) = self.whose();
            let (direction, octets, frame) = (direction.as_str(), seen.octets.len(), &seen.frame);
            let (source, destination) = (frame.source, frame.destination);
            info!(target: "protocol", layer = "frame", meter, address, direction, %source, %destination, octets, hdlc = %Kind(frame));
        }
        if layers.bytes {
            self.log_octets(direction, seen.octets, seen.hidden.clone());
        }
        if !self.view.captures().is_empty() {
            log.sink.leave(self.view.captures(), &self.line, direction.what(), &seen.masked());
        }
    }

    fn write_apdu(&self, direction: Direction, (source, destination): (u16, u16), apdu: &[u8]) {
        let (meter, address) = self.whose();
        let (direction, octets, apdu) = (direction.as_str(), apdu.len(), Shape(apdu));
        info!(target: "protocol", layer = "frame", meter, address, direction, source, destination, octets, %apdu);
    }

    fn write_octets(
        &self,
        log: &ProtocolLog,
        layers: Layers,
        direction: Direction,
        octets: &[u8],
        hidden: Range<usize>,
    ) {
        if !self.view.captures().is_empty() {
            let masked = capture::masked(octets, hidden.clone());
            log.sink.leave(self.view.captures(), &self.line, direction.what(), &masked);
        }
        if layers.bytes {
            self.log_octets(direction, octets, hidden);
        }
    }

    fn log_octets(&self, direction: Direction, octets: &[u8], hidden: Range<usize>) {
        let (meter, address) = self.whose();
        let (direction, count, octets) = (direction.as_str(), octets.len(), Octets { octets, hidden });
        info!(target: "protocol", layer = "bytes", meter, address, direction, count, %octets);
    }

    /// A line outlives the spans of the works on it, so each event says itself whose it is.
    fn whose(&self) -> (MeterId, &str) {
        (self.view.meter, &self.view.address)
    }
}

/// An APDU by its outside: the kind; of a ciphered one its protection and counter; of a plain request the object.
struct Shape<'a>(&'a [u8]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.0.first().copied() else { return f.write_str("nothing") };
        if !Envelope::is_tag(first) {
            return plain(self.0, first, f);
        }
        let mut copy = self.0.to_vec();
        let Ok((envelope, _)) = Envelope::read(&mut copy) else {
            return write!(f, "damaged ciphered APDU {first:02X}");
        };
        match envelope.wrapping {
            Wrapping::Global(inside) => write!(f, "glo-{}", name(inside))?,
            Wrapping::Dedicated(inside) => write!(f, "ded-{}", name(inside))?,
            Wrapping::GeneralGlobal(_) => f.write_str("general-glo-ciphering")?,
            Wrapping::GeneralDedicated(_) => f.write_str("general-ded-ciphering")?,
        }
        write!(f, " control {} counter {}", envelope.control, envelope.counter)
    }
}

fn plain(apdu: &[u8], first: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match name(first) {
        "" => write!(f, "APDU {first:02X}")?,
        name => f.write_str(name)?,
    }
    // Tag, choice and invoke-id, then the descriptor, in a normal request.
    if let (tag::GET_REQUEST | tag::SET_REQUEST | tag::ACTION_REQUEST, Some([_, 1, _, rest @ ..])) =
        (first, Some(apdu))
        && let Ok(object) = AttributeDescriptor::read(&mut Reader::new(rest))
    {
        write!(f, " {} {} {}", object.class_id, object.instance, object.attribute)?;
    }
    Ok(())
}

/// The name of a plain APDU in the standard (IEC 62056-5-3, ASN.1 module COSEMpdu); empty for one that is not known here.
const fn name(tag: u8) -> &'static str {
    match tag {
        0x01 => "initiate-request",
        0x08 => "initiate-response",
        0x0E => "confirmed-service-error",
        0x60 => "aarq",
        0x61 => "aare",
        0x62 => "rlrq",
        0x63 => "rlre",
        tag::DATA_NOTIFICATION => "data-notification",
        tag::GET_REQUEST => "get-request",
        tag::SET_REQUEST => "set-request",
        tag::EVENT_NOTIFICATION => "event-notification-request",
        tag::ACTION_REQUEST => "action-request",
        tag::GET_RESPONSE => "get-response",
        tag::SET_RESPONSE => "set-response",
        tag::ACTION_RESPONSE => "action-response",
        tag::EXCEPTION_RESPONSE => "exception-response",
        _ => "",
    }
}

/// Octets as hexadecimal digits, those in `hidden` as `**`.
struct Octets<'a> {
    octets: &'a [u8],
    hidden: Range<usize>,
}

impl fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.octets.len() * 2);
        for (at, octet) in self.octets.iter().enumerate() {
            if self.hidden.contains(&at) {
                text.push_str("**");
            } else {
                write!(text, "{octet:02X}")?;
            }
        }
        f.write_str(&text)
    }
}

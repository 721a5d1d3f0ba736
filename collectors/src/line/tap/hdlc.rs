use std::{fmt, ops::Range};

use dlms::{
    hdlc::{Frame, Function, Splitter},
    llc,
};

use super::super::capture;

/// Octets behind what a frame carries: its check sequence and a flag.
const TAIL: usize = 3;

/// What a tap remembers of an HDLC line: which octets of the frames that it sees belong to a secret.
#[derive(Debug)]
pub(super) struct Frames {
    /// Our address.
    client: u16,
    arriving: Splitter,
    /// Octets that `arriving` has dropped so far.
    noise: u64,
    /// The secret in the APDU that is being sent, counted from its LLC header on; `None` when nobody looked at it.
    hidden: Option<Range<usize>>,
    /// Where in that APDU the next frame begins, and its number, once the first one was seen.
    next: (usize, Option<u8>),
    /// Where each frame of the window began, by its number: it may be sent again.
    starts: [usize; 8],
    octets: Vec<u8>,
}

/// A frame on the line.
pub(super) struct Seen<'a> {
    pub(super) frame: Frame<'a>,
    /// With its flags.
    pub(super) octets: &'a [u8],
    /// Those of its octets that nobody may see.
    pub(super) hidden: Range<usize>,
}

impl Seen<'_> {
    /// The frame with something else in place of what nobody may see, and the check sum that is its then.
    pub(super) fn masked(&self) -> Vec<u8> {
        let start = self.octets.len().saturating_sub(self.frame.information.len() + TAIL);
        let hidden = self.hidden.start.saturating_sub(start)..self.hidden.end.saturating_sub(start);
        let information = capture::masked(self.frame.information, hidden);
        let mut octets = Vec::new();
        // It was put together from a frame of the same length.
        let _ = Frame { information: &information, ..self.frame }.encode(&mut octets);
        octets
    }
}

impl Frames {
    pub(super) fn new(client: u16) -> Self {
        Self {
            client,
            arriving: Splitter::new(),
            noise: 0,
            hidden: None,
            next: (0, None),
            starts: [0; 8],
            octets: Vec::new(),
        }
    }

    /// An APDU is about to be sent, with a secret in this range of it; `None` when nobody looked at it.
    pub(super) fn begin(&mut self, hidden: Option<Range<usize>>) {
        self.hidden = hidden.map(|hidden| match hidden.is_empty() {
            true => 0..0,
            false => hidden.start + llc::LENGTH..hidden.end + llc::LENGTH,
        });
        self.next = (0, None);
    }

    /// Shows the frames that were sent.
    pub(super) fn sent(&mut self, octets: &[u8], mut show: impl FnMut(Seen<'_>)) {
        let mut leaving = Splitter::new();
        leaving.push(octets);
        while let Some(frame) = leaving.next_frame() {
            let secret = self.secret_of(&frame);
            show(seen(frame, secret, &mut self.octets));
        }
    }

    /// Shows the frames that arrived, and returns how many octets more were dropped as noise. What is not for us is our own, brought back
    /// by the line, or for another client: nothing of it is shown.
    pub(super) fn arrived(&mut self, octets: &[u8], mut show: impl FnMut(Seen<'_>)) -> u64 {
        self.arriving.push(octets);
        while let Some(frame) = self.arriving.next_frame() {
            let is_for_us = frame.destination.logical() == self.client;
            let secret = if is_for_us { 0..0 } else { 0..frame.information.len() };
            show(seen(frame, secret, &mut self.octets));
        }
        let before = std::mem::replace(&mut self.noise, self.arriving.bad_frames().noise_octets);
        self.noise - before
    }

    /// The secret in what a frame carries.
    fn secret_of(&mut self, frame: &Frame<'_>) -> Range<usize> {
        let length = frame.information.len();
        let Function::Information { send, .. } = frame.control.function else { return 0..0 };
        let Some(hidden) = self.hidden.clone() else { return 0..length };
        let start = &mut self.starts[usize::from(send & 7)];
        if self.next.1.is_none_or(|next| next == send) {
            *start = self.next.0;
            self.next = (*start + length, Some((send + 1) & 7));
        }
        let within = |at: usize| at.saturating_sub(*start).min(length);
        within(hidden.start)..within(hidden.end)
    }
}

fn seen<'a>(frame: Frame<'a>, secret: Range<usize>, octets: &'a mut Vec<u8>) -> Seen<'a> {
    octets.clear();
    // It was taken apart from octets of the right length, so it can be put together again.
    let _ = frame.encode(octets);
    let start = octets.len().saturating_sub(frame.information.len() + TAIL);
    Seen { frame, octets, hidden: start + secret.start..start + secret.end }
}

/// A frame by its outside: its kind, its numbers, `+` when more segments follow, and `P` when the other side has the turn behind it.
pub(super) struct Kind<'a>(pub(super) &'a Frame<'a>);

impl fmt::Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.control.function {
            Function::Information { send, receive } => write!(f, "I s{send} r{receive}")?,
            Function::ReceiveReady { receive } => write!(f, "RR r{receive}")?,
            Function::ReceiveNotReady { receive } => write!(f, "RNR r{receive}")?,
            Function::Reject { receive } => write!(f, "REJ r{receive}")?,
            Function::SetNormalResponseMode => f.write_str("SNRM")?,
            Function::Disconnect => f.write_str("DISC")?,
            Function::UnnumberedAcknowledge => f.write_str("UA")?,
            Function::DisconnectedMode => f.write_str("DM")?,
            Function::FrameReject => f.write_str("FRMR")?,
            Function::UnnumberedInformation => f.write_str("UI")?,
            Function::Other(octet) => write!(f, "{octet:02X}")?,
        }
        f.write_str(if self.0.segmented { " +" } else { "" })?;
        f.write_str(if self.0.control.poll { " P" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use dlms::hdlc::{Address, Client, Server, Settings};

    use super::*;

    const CANARY: &[u8] = b"canary-canary";

    /// What is shown of the frames: `*` for what is hidden.
    fn shown(frames: &mut Frames, octets: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        frames.sent(octets, |seen| {
            let masked = seen.octets.iter().enumerate();
            let masked = masked.map(|(at, octet)| if seen.hidden.contains(&at) { b'*' } else { *octet });
            all.push(String::from_utf8_lossy(&masked.collect::<Vec<_>>()).into_owned());
        });
        all
    }

    /// A link on which segments have eight octets, three at a time, and the request to set it up is done.
    fn link() -> (Client, Server) {
        let limits =
            Settings { max_info_transmit: 16, max_info_receive: 16, window_transmit: 3, window_receive: 3 };
        let station = Address::server(1, Some(17)).unwrap();
        let mut client = Client::new(Address::client(16).unwrap(), station, limits);
        let mut server = Server::new(vec![station], limits);
        let (mut there, mut back) = (Vec::new(), Vec::new());
        client.connect(&mut there).unwrap();
        server.push(&there);
        server.poll(&mut back).unwrap();
        client.push(&back);
        client.poll(&mut there).unwrap();
        assert!(client.is_connected());
        (client, server)
    }

    #[test]
    fn a_secret_is_hidden_in_every_segment_that_has_a_part_of_it_also_when_it_is_sent_again() {
        let apdu = [&[0x2D; 20], CANARY, &[0x2D; 40]].concat();
        let (mut client, _) = link();
        let mut frames = Frames::new(16);
        frames.begin(Some(20..20 + CANARY.len()));
        let mut out = Vec::new();
        client.send(&apdu, &mut out).unwrap();
        let first = shown(&mut frames, &out);
        assert_eq!(first.len(), 3);
        assert_eq!(first.iter().map(|frame| frame.matches('*').count()).sum::<usize>(), CANARY.len());
        assert!(first.iter().all(|frame| !frame.contains("ca") && !frame.contains("ry")), "{first:?}");
        assert!(first[0].contains("---"), "{first:?}");
        for _ in 0..2 {
            out.clear();
            client.unanswered(&mut out).unwrap();
            let again = shown(&mut frames, &out);
            assert!(again.len() == 1 || again == first, "{again:?}");
        }
    }

    #[test]
    fn what_nobody_looked_at_and_what_is_not_for_us_is_hidden() {
        let (mut client, mut server) = link();
        let mut frames = Frames::new(16);
        let mut out = Vec::new();
        client.send(CANARY, &mut out).unwrap();
        assert!(shown(&mut frames, &out).iter().all(|frame| !frame.contains("can")));
        let seen = |frames: &mut Frames, octets: &[u8]| {
            let mut hidden = Vec::new();
            let noise = frames.arrived(octets, |seen| hidden.push(seen.hidden.len()));
            (hidden, noise)
        };
        assert_eq!(seen(&mut frames, &out), (vec![llc::LENGTH + CANARY.len()], 0), "an echo");
        server.push(&out);
        out.clear();
        let dlms::hdlc::Arrival::Apdu(id, _) = server.poll(&mut out).unwrap() else { panic!("an APDU") };
        server.answer(id, Some(b"answer"), &mut out).unwrap();
        let (noise, rest) = (b"\x13\x37", &out[..out.len() - 4]);
        let (hidden, dropped) = seen(&mut frames, &[&noise[..], rest].concat());
        assert_eq!((hidden, dropped), (vec![], 2), "a frame that is not whole");
        assert_eq!(seen(&mut frames, &out[rest.len()..]).0, [0]);
    }
}

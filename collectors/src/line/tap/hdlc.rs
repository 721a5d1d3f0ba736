use std::{fmt, ops::Range};

use dlms::{
    hdlc::{Frame, Function, Splitter},
    llc,
};

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

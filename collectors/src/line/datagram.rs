//! The wrapper over datagrams, which get lost, come twice and overtake each other (IEC 62056-47: one APDU in each). Pure: no clock, no socket.

use std::{
    collections::{VecDeque, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
    time::Duration,
};

use dlms::{
    ExceptionResponse, ServiceError,
    acse::{
        Aarq, Mechanism,
        tag::{AARE, AARQ},
    },
    apdu::tag,
    security::Envelope,
    wrapper::{HEADER_LENGTH, Header},
};

/// In how many parts the time for an answer is divided: the request, and each time that it is sent again.
const TRIES: u32 = 4;
/// Datagrams that are remembered, so that they are taken once. A client uses an invoke-id again after 16 requests, and then an answer may be the
/// same as before.
const REMEMBERED: usize = 8;
/// The tag of an initiate request without ciphering, by which the user information of a plain request to associate begins.
const PLAIN_INITIATE: u8 = 0x01;

/// What is remembered of the datagrams of a line.
#[derive(Debug)]
pub(super) struct Datagrams {
    /// What came last, by its hash.
    taken: VecDeque<u64>,
    /// The frame that is sent again while no answer comes; empty when there is none, or none that may be.
    request: Vec<u8>,
    /// The tag of the last request, and its invocation counter when it is ciphered.
    asked: (u8, Option<u32>),
    /// How often it was sent again.
    repeats: u32,
    /// Time for one try.
    patience: Duration,
    /// Datagrams that were no frame.
    broken: u64,
}

impl Datagrams {
    /// For answers that take `limit` at most, repetitions included.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            taken: VecDeque::new(),
            request: Vec::new(),
            asked: (0, None),
            repeats: 0,
            patience: limit / TRIES,
            broken: 0,
        }
    }

    /// An APDU is about to be sent in this frame.
    pub(super) fn sending(&mut self, apdu: &[u8], frame: &[u8]) {
        self.repeats = 0;
        let counter = Envelope::read(&mut apdu.to_vec()).ok().map(|(envelope, _)| envelope.counter);
        self.asked = (apdu.first().copied().unwrap_or_default(), counter);
        self.request.clear();
        if may_be_repeated(apdu) {
            self.request.extend_from_slice(frame);
        }
    }

    /// Whether a datagram is to be taken: it is one whole frame, did not come a moment ago, and is no answer to a request that the network doubled.
    pub(super) fn takes(&mut self, octets: &[u8]) -> bool {
        let header = octets.first_chunk::<HEADER_LENGTH>().and_then(|header| Header::decode(header).ok());
        if header.is_none_or(|header| usize::from(header.length) + HEADER_LENGTH != octets.len()) {
            self.broken += 1;
            return false;
        }
        if self.is_late(&octets[HEADER_LENGTH..]) {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        octets.hash(&mut hasher);
        let hash = hasher.finish();
        if self.taken.contains(&hash) {
            return false;
        }
        self.taken.truncate(REMEMBERED - 1);
        self.taken.push_front(hash);
        true
    }

    /// Whether an APDU without an invoke-id answers an earlier request, which the meter got twice: it is taken for the answer to this one else.
    fn is_late(&self, apdu: &[u8]) -> bool {
        let (tag, counter) = self.asked;
        match apdu {
            [AARE, ..] => tag != AARQ,
            [tag::EXCEPTION_RESPONSE, ..] => ExceptionResponse::decode(apdu).is_ok_and(|exception| {
                exception.service == ServiceError::InvocationCounterError
                    && exception
                        .expected_counter
                        .zip(counter)
                        .is_some_and(|(expected, used)| expected <= used)
            }),
            _ => false,
        }
    }

    /// An APDU of the station was taken.
    pub(super) fn answered(&mut self) {
        self.request.clear();
    }

    /// How long to wait before [`repeat`](Self::repeat); `None` when nothing is to be sent again.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!self.request.is_empty() && self.repeats + 1 < TRIES).then_some(self.patience)
    }

    /// Appends the request once more.
    pub(super) fn repeat(&mut self, out: &mut Vec<u8>) {
        self.repeats += 1;
        out.extend_from_slice(&self.request);
    }

    /// Datagrams so far that were no frame.
    pub(super) const fn broken(&self) -> u64 {
        self.broken
    }
}

/// Whether a meter that gets the request twice does nothing twice: it is plain, and asks for something, or for an association without a
/// challenge. A ciphered request has a counter that a meter takes once.
fn may_be_repeated(apdu: &[u8]) -> bool {
    match apdu {
        [tag::GET_REQUEST, ..] => true,
        [AARQ, ..] => Aarq::decode(apdu).is_ok_and(|aarq| {
            matches!(aarq.mechanism, None | Some(Mechanism::Low))
                && aarq.user_information.first() == Some(&PLAIN_INITIATE)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use dlms::{acse::ApplicationContext, wrapper};

    use super::*;

    fn frame(apdu: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        wrapper::frame(1, 16, apdu, &mut frame).unwrap();
        frame
    }

    fn request(mechanism: Option<Mechanism>, user_information: &[u8]) -> Vec<u8> {
        let mut apdu = Vec::new();
        let aarq = Aarq { mechanism, ..Aarq::new(ApplicationContext::LogicalNames, user_information) };
        aarq.encode(&mut apdu);
        apdu
    }

    #[test]
    fn only_what_does_nothing_twice_is_sent_again() {
        let plain = &[1, 0, 0, 0, 6, 0x5F, 0x1F, 4, 0, 0, 0, 0, 2, 0];
        let get = [0xC0, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 255, 2, 0].to_vec();
        for again in [get, request(None, plain), request(Some(Mechanism::Low), plain)] {
            let mut datagrams = Datagrams::new(Duration::from_secs(8));
            datagrams.sending(&again, &frame(&again));
            let mut out = Vec::new();
            while let Some(patience) = datagrams.patience() {
                assert_eq!(patience, Duration::from_secs(2));
                datagrams.repeat(&mut out);
            }
            assert_eq!(out, frame(&again).repeat(3));
            datagrams.sending(&again, &frame(&again));
            datagrams.answered();
            assert_eq!(datagrams.patience(), None, "it was answered");
        }
        let ciphered = &[0x21, 5, 0x30, 0, 0, 0, 1];
        for once in [
            vec![0xC1, 1, 0xC1, 0, 8],
            vec![0xC3, 1, 0xC1, 0, 70],
            vec![0xC8, 5, 0x30, 0, 0, 0, 1],
            vec![0x62, 0],
            request(Some(Mechanism::Gmac), plain),
            request(Some(Mechanism::Low), ciphered),
        ] {
            let mut datagrams = Datagrams::new(Duration::from_secs(8));
            datagrams.sending(&once, &frame(&once));
            assert_eq!(datagrams.patience(), None, "{once:02X?}");
        }
    }

    #[test]
    fn what_came_a_moment_ago_and_what_is_no_frame_is_not_taken() {
        let mut datagrams = Datagrams::new(Duration::from_secs(1));
        let [one, other] = [frame(b"one"), frame(b"other")];
        assert!(datagrams.takes(&one) && datagrams.takes(&other));
        assert!(!datagrams.takes(&one) && !datagrams.takes(&other), "twice, and overtaken");
        for wrong in [&b""[..], &one[..7], &one[..10], &[&one[..], b"!"].concat(), b"\0\x02\0\x01\0\x10\0\0"]
        {
            assert!(!datagrams.takes(wrong), "{wrong:02X?}");
        }
        assert_eq!(datagrams.broken(), 5);
        (0..8_u8).for_each(|number| assert!(datagrams.takes(&frame(&[number]))));
        assert!(datagrams.takes(&one), "an answer may be the same as one long ago");
    }

    #[test]
    fn what_a_doubled_request_brings_is_not_taken_for_an_answer() {
        let mut datagrams = Datagrams::new(Duration::from_secs(1));
        let refusal = |expected: u32| frame(&[&[0xD8, 1, 6][..], &expected.to_be_bytes()].concat());
        let ciphered = [0xC8, 6, 0x30, 0, 0, 0, 9, 1];
        datagrams.sending(&ciphered, &frame(&ciphered));
        assert!(!datagrams.takes(&refusal(9)), "the meter takes 9, so it speaks of an earlier one");
        assert!(datagrams.takes(&refusal(10)));
        assert!(!datagrams.takes(&frame(&[0x61, 0])));
        let opening = self::request(None, &[1, 0, 0, 0, 6, 0x5F, 0x1F, 4, 0, 0, 0, 0, 2, 0]);
        datagrams.sending(&opening, &frame(&opening));
        assert!(datagrams.takes(&frame(&[0x61, 0])));
    }
}

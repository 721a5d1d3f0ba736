//! The primary station against stations that do not behave: each frame that it is sent is written here by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use dlms::Error;
use dlms::hdlc::{Address, Client, Control, Event, Frame, Function, LinkError, Settings, Splitter};

const REQUEST: &[u8] = &[0xC0, 1, 0xC1, 0, 8, 0, 0, 1, 0, 0, 0xFF, 2, 0];

fn wide(max_info: u16, window: u8) -> Settings {
    Settings {
        max_info_transmit: max_info,
        max_info_receive: max_info,
        window_transmit: window,
        window_receive: window,
    }
}

/// A client and what it sent; the test is the station.
struct Bench {
    client: Client,
    own: Address,
    station: Address,
}

fn client_address() -> Address {
    Address::client(16).unwrap()
}

fn station_address() -> Address {
    Address::server(1, Some(17)).unwrap()
}

impl Bench {
    fn new(proposal: Settings) -> Self {
        let (own, station) = (client_address(), station_address());
        Self { client: Client::new(own, station, proposal), own, station }
    }

    /// A link with what `peer` answers to SNRM.
    fn connected(proposal: Settings, peer: Settings) -> Self {
        let mut bench = Self::new(proposal);
        let mut out = Vec::new();
        bench.client.connect(&mut out).unwrap();
        let mut information = Vec::new();
        peer.encode(&mut information);
        bench.push(Function::UnnumberedAcknowledge, true, false, &information);
        assert!(matches!(bench.poll().0, Got::Connected(_)));
        bench
    }

    /// The station sends a frame.
    fn push(&mut self, function: Function, poll: bool, segmented: bool, information: &[u8]) {
        self.push_from(self.station, function, poll, segmented, information);
    }

    fn push_from(
        &mut self,
        source: Address,
        function: Function,
        poll: bool,
        segmented: bool,
        information: &[u8],
    ) {
        let control = Control { function, poll };
        let mut octets = Vec::new();
        Frame { destination: self.own, source, control, segmented, information }.encode(&mut octets).unwrap();
        self.client.push(&octets);
    }

    fn information(&mut self, send: u8, receive: u8, poll: bool, segmented: bool, information: &[u8]) {
        self.push(Function::Information { send, receive }, poll, segmented, information);
    }

    fn ready(&mut self, receive: u8) {
        self.push(Function::ReceiveReady { receive }, true, false, &[]);
    }

    /// What came of it, and what the client sends.
    fn poll(&mut self) -> (Got, Vec<Sent>) {
        let mut out = Vec::new();
        let got = Got::from(self.client.poll(&mut out));
        (got, sent(&out))
    }

    fn send(&mut self, apdu: &[u8]) -> Vec<Sent> {
        let mut out = Vec::new();
        self.client.send(apdu, &mut out).unwrap();
        sent(&out)
    }

    fn unanswered(&mut self) -> Result<Vec<Sent>, Error> {
        let mut out = Vec::new();
        self.client.unanswered(&mut out).map(|()| sent(&out))
    }
}

/// An event without its borrow.
#[derive(Debug, PartialEq)]
enum Got {
    Wait,
    Reply,
    Connected(Settings),
    Apdu(Vec<u8>),
    Unasked(Vec<u8>),
    Ready,
    Disconnected,
    Failed(Error),
}

impl From<Result<Event<'_>, Error>> for Got {
    fn from(event: Result<Event<'_>, Error>) -> Self {
        match event {
            Ok(Event::Wait) => Self::Wait,
            Ok(Event::Reply) => Self::Reply,
            Ok(Event::Connected(settings)) => Self::Connected(settings),
            Ok(Event::Apdu(apdu)) => Self::Apdu(apdu.to_vec()),
            Ok(Event::Unasked(apdu)) => Self::Unasked(apdu.to_vec()),
            Ok(Event::Ready) => Self::Ready,
            Ok(Event::Disconnected) => Self::Disconnected,
            Err(error) => Self::Failed(error),
        }
    }
}

/// A frame of the client.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    function: Function,
    poll: bool,
    segmented: bool,
    information: Vec<u8>,
}

fn sent(octets: &[u8]) -> Vec<Sent> {
    let mut splitter = Splitter::new();
    splitter.push(octets);
    let mut frames = Vec::new();
    while let Some(Frame { destination, source, control, segmented, information }) = splitter.next_frame() {
        assert_eq!((destination, source), (station_address(), client_address()));
        let Control { function, poll } = control;
        frames.push(Sent { function, poll, segmented, information: information.to_vec() });
    }
    frames
}

fn rr(receive: u8) -> Vec<Sent> {
    vec![only(Function::ReceiveReady { receive })]
}

fn only(function: Function) -> Sent {
    Sent { function, poll: true, segmented: false, information: Vec::new() }
}

/// The I frame of [`REQUEST`].
fn request(send: u8, receive: u8) -> Vec<Sent> {
    let information = [&[0xE6, 0xE6, 0], REQUEST].concat();
    vec![Sent {
        function: Function::Information { send, receive },
        poll: true,
        segmented: false,
        information,
    }]
}

fn response(apdu: &[u8]) -> Vec<u8> {
    [&[0xE6, 0xE7, 0], apdu].concat()
}

/// What the client does, in octets that somebody else captured: DV132, DV138 and the answers of a meter without physical address.
#[test]
fn a_whole_link_octet_for_octet() {
    let mut client = Client::new(client_address(), station_address(), Settings::default());
    let mut out = Vec::new();
    client.connect(&mut out).unwrap();
    assert_eq!(
        out, b"\x7E\xA0\x08\x02\x23\x21\x93\xBD\x64\x7E",
        "DV132: no parameters where all are the defaults"
    );
    client.push(b"\x7E\xA0\x07\x21\x03\x73\x01\x40\x7E");
    assert_eq!(client.poll(&mut out), Ok(Event::Connected(Settings::default())), "DV138");
    assert!(client.is_connected());
}

#[test]
fn segments_of_a_request_go_out_as_far_as_the_window_allows() {
    let mut bench = Bench::connected(
        wide(2030, 7),
        Settings { max_info_receive: 16, window_receive: 2, ..wide(2030, 7) },
    );
    let apdu: Vec<u8> = (0..61).collect();
    let frames = bench.send(&apdu);
    let numbers: Vec<_> = frames.iter().map(|frame| (frame.function, frame.poll, frame.segmented)).collect();
    let function = |send| Function::Information { send, receive: 0 };
    assert_eq!(numbers, [(function(0), false, true), (function(1), true, true)]);
    // The second one was lost: it is repeated, and the window moves on by one.
    bench.ready(1);
    let (got, again) = bench.poll();
    assert_eq!(got, Got::Reply);
    assert_eq!(again[0].information, frames[1].information);
    assert_eq!((again[0].function, again[1].function), (function(1), function(2)));
    bench.ready(3);
    let (_, last) = bench.poll();
    assert_eq!((last.len(), last[0].function, last[0].segmented), (1, function(3), false));
    let whole = [&frames[..1], &again, &last]
        .concat()
        .iter()
        .flat_map(|frame| frame.information.clone())
        .collect::<Vec<_>>();
    assert_eq!(whole, [&[0xE6, 0xE6, 0], apdu.as_slice()].concat());
    bench.information(0, 4, true, false, &response(&[1, 2]));
    assert_eq!(bench.poll(), (Got::Apdu(vec![1, 2]), vec![]));
}

#[test]
fn segments_of_an_answer_are_asked_for_one_by_one() {
    let mut bench = Bench::connected(wide(2030, 1), wide(16, 1));
    assert_eq!(bench.send(REQUEST).len(), 1);
    bench.information(0, 1, true, true, &response(&[1, 2]));
    assert_eq!(bench.poll(), (Got::Reply, rr(1)));
    let early = bench.client.send(REQUEST, &mut Vec::new());
    assert!(matches!(early, Err(Error::Misuse(_))), "the answer is not whole yet");
    bench.information(1, 1, true, true, &[3, 4]);
    assert_eq!(bench.poll(), (Got::Reply, rr(2)));
    bench.information(2, 1, true, false, &[5]);
    assert_eq!(
        bench.poll(),
        (Got::Apdu(vec![1, 2, 3, 4, 5]), vec![]),
        "nothing is sent until there is something to say"
    );
    assert_eq!(bench.poll(), (Got::Wait, vec![]));
    assert_eq!(bench.send(REQUEST), request(1, 3));
}

/// The frames behind the lost one are sent again; none is taken twice.
#[test]
fn a_frame_lost_in_the_middle_of_a_window_of_seven() {
    for lost in 0..7 {
        let mut bench = Bench::connected(wide(16, 7), wide(16, 7));
        bench.send(REQUEST);
        let send = |bench: &mut Bench, from: u8, lost: Option<u8>| {
            for number in (from..7).filter(|number| Some(*number) != lost) {
                let octets = if number == 0 { response(&[0]) } else { vec![number] };
                bench.information(number, 1, number == 6, number < 6, &octets);
            }
        };
        send(&mut bench, 0, Some(lost));
        if lost == 6 {
            // The turn was lost with it.
            assert_eq!(bench.poll(), (Got::Wait, vec![]));
            assert_eq!(bench.unanswered(), Ok(rr(6)));
        } else {
            assert_eq!(bench.poll(), (Got::Reply, rr(lost)), "{lost}");
        }
        send(&mut bench, lost, None);
        assert_eq!(bench.poll(), (Got::Apdu((0..7).collect()), vec![]), "{lost}");
        assert_eq!(bench.client.trouble().out_of_turn, u64::from(6 - lost));
    }
}

#[test]
fn c_06_a_duplicated_i_frame_is_taken_once() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    for _ in 0..2 {
        bench.information(0, 1, true, true, &response(&[1]));
    }
    assert_eq!(bench.poll(), (Got::Reply, rr(1)));
    bench.information(1, 1, true, false, &[2]);
    // To the frame that came twice the place is told; the last segment is waited for.
    assert_eq!(bench.poll(), (Got::Reply, rr(1)));
    assert_eq!(bench.poll(), (Got::Apdu(vec![1, 2]), vec![]));
    bench.information(1, 1, false, false, &[2]);
    assert_eq!(bench.poll(), (Got::Wait, vec![]));
    assert_eq!(bench.client.trouble().out_of_turn, 2);
}

#[test]
fn c_06_a_lost_request_is_sent_again_with_the_same_number() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    assert_eq!(bench.send(REQUEST), request(0, 0));
    assert_eq!(bench.unanswered(), Ok(rr(0)));
    bench.ready(0);
    assert_eq!(bench.poll(), (Got::Reply, request(0, 0)));
    bench.information(0, 1, true, false, &response(&[7]));
    assert_eq!(bench.poll(), (Got::Apdu(vec![7]), vec![]));
}

#[test]
fn c_06_a_lost_answer_comes_when_it_is_asked_for() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    assert_eq!(bench.unanswered(), Ok(rr(0)));
    bench.information(0, 1, true, false, &response(&[7]));
    assert_eq!(bench.poll(), (Got::Apdu(vec![7]), vec![]));
    assert_eq!(bench.send(REQUEST), request(1, 1));
}

#[test]
fn c_06_a_lost_rr_is_sent_again() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    bench.information(0, 1, true, true, &response(&[1]));
    assert_eq!(bench.poll(), (Got::Reply, rr(1)));
    assert_eq!(bench.unanswered(), Ok(rr(1)));
    bench.information(1, 1, true, false, &[2]);
    assert_eq!(bench.poll(), (Got::Apdu(vec![1, 2]), vec![]));
}

/// A station that is slower than the client waits answers twice. Whoever reacts to the second answer gets two of everything from then on.
#[test]
fn a_slow_station_is_not_asked_twice_for_ever() {
    for second in [Function::ReceiveReady { receive: 1 }, Function::Information { send: 0, receive: 1 }] {
        let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
        bench.send(REQUEST);
        assert_eq!(bench.unanswered(), Ok(rr(0)));
        bench.information(0, 1, true, false, &response(&[1]));
        assert_eq!(bench.poll().0, Got::Apdu(vec![1]));
        bench.send(REQUEST);
        let information =
            if second == (Function::ReceiveReady { receive: 1 }) { vec![] } else { response(&[1]) };
        bench.push(second, true, false, &information);
        assert_eq!(bench.poll(), (Got::Wait, vec![]), "{second:?}");
        bench.information(1, 2, true, false, &response(&[2]));
        assert_eq!(bench.poll().0, Got::Apdu(vec![2]));
        // From here on, what comes is fresh.
        bench.send(REQUEST);
        bench.ready(2);
        assert_eq!(bench.poll(), (Got::Reply, request(2, 2)));
    }
}

#[test]
fn silence_ends_after_three_repetitions() {
    let unanswered = Error::Link(LinkError::Unanswered { tries: 4 });
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    // In turns the question where the station stands, and the request itself.
    assert_eq!(bench.unanswered(), Ok(rr(0)));
    assert_eq!(bench.unanswered(), Ok(request(0, 0)));
    assert_eq!(bench.unanswered(), Ok(rr(0)));
    assert_eq!(bench.unanswered(), Err(unanswered.clone()));
    assert!(!bench.client.is_connected());
    assert_eq!(bench.unanswered(), Err(Error::Misuse("nothing was asked")));
    assert_eq!(bench.client.trouble().repetitions, 3);

    let mut bench = Bench::new(Settings::default());
    bench.client.connect(&mut Vec::new()).unwrap();
    for _ in 0..3 {
        assert_eq!(bench.unanswered(), Ok(vec![only(Function::SetNormalResponseMode)]));
    }
    assert_eq!(bench.unanswered(), Err(unanswered.clone()));
    bench.client.disconnect(&mut Vec::new()).unwrap();
    for _ in 0..3 {
        assert_eq!(bench.unanswered(), Ok(vec![only(Function::Disconnect)]));
    }
    assert_eq!(bench.unanswered(), Err(unanswered));
}

#[test]
fn a_station_that_only_repeats_itself_is_given_up() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    for _ in 0..30 {
        bench.ready(0);
        assert_eq!(bench.poll(), (Got::Reply, request(0, 0)));
    }
    bench.ready(0);
    assert_eq!(bench.poll().0, Got::Failed(Error::Link(LinkError::Stalled { turns: 30 })));
}

#[test]
fn a_busy_station_is_asked_but_sent_nothing() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    for _ in 0..30 {
        bench.push(Function::ReceiveNotReady { receive: 0 }, true, false, &[]);
        assert_eq!(bench.poll(), (Got::Wait, vec![]));
        assert_eq!(bench.unanswered(), Ok(rr(0)));
    }
    bench.ready(0);
    assert_eq!(
        bench.poll().0,
        Got::Failed(Error::Link(LinkError::Stalled { turns: 30 })),
        "but not for ever"
    );

    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    bench.push(Function::ReceiveNotReady { receive: 0 }, true, false, &[]);
    bench.ready(0);
    assert_eq!(bench.poll(), (Got::Reply, request(0, 0)));
    bench.push(Function::ReceiveNotReady { receive: 1 }, true, false, &[]);
    bench.information(0, 1, true, false, &response(&[7]));
    assert_eq!(bench.poll().0, Got::Apdu(vec![7]));
}

#[test]
fn rejected_frames_are_sent_again_from_there_on() {
    let mut bench = Bench::connected(wide(16, 3), wide(16, 3));
    let frames = bench.send(&[9; 40]);
    assert_eq!(frames.len(), 3);
    bench.push(Function::Reject { receive: 1 }, true, false, &[]);
    let (got, again) = bench.poll();
    assert_eq!((got, again.as_slice()), (Got::Reply, &frames[1..]));
}

#[test]
fn c_06_an_acknowledgement_of_what_was_never_sent_ends_the_link() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    bench.ready(3);
    let error = Error::Link(LinkError::Acknowledgement { first: 0, open: 1, got: 3 });
    assert_eq!(bench.poll().0, Got::Failed(error));
    assert_eq!(bench.client.send(REQUEST, &mut Vec::new()), Err(Error::Misuse("there is no link")));
    // Connecting again begins with numbers of zero.
    bench.client.connect(&mut Vec::new()).unwrap();
    bench.push(Function::UnnumberedAcknowledge, true, false, &[]);
    assert!(matches!(bench.poll().0, Got::Connected(_)));
    assert_eq!(bench.send(REQUEST), request(0, 0));
}

#[test]
fn c_06_unexpected_dm_disc_and_frmr_end_the_link() {
    for (function, error) in [
        (Function::DisconnectedMode, LinkError::Lost),
        (Function::Disconnect, LinkError::Lost),
        (Function::FrameReject, LinkError::FrameRejected),
    ] {
        let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
        bench.send(REQUEST);
        bench.push(function, true, false, &[]);
        assert_eq!(bench.poll().0, Got::Failed(Error::Link(error)));
        assert!(!bench.client.is_connected());
    }
}

#[test]
fn c_06_a_station_that_holds_an_old_link_is_freed_of_it() {
    for refusal in [Function::DisconnectedMode, Function::FrameReject] {
        let mut bench = Bench::new(Settings::default());
        bench.client.connect(&mut Vec::new()).unwrap();
        bench.push(refusal, true, false, &[]);
        assert_eq!(bench.poll(), (Got::Reply, vec![only(Function::Disconnect)]));
        bench.push(Function::DisconnectedMode, true, false, &[]);
        assert_eq!(bench.poll(), (Got::Reply, vec![only(Function::SetNormalResponseMode)]));
        bench.push(refusal, true, false, &[]);
        assert_eq!(bench.poll().0, Got::Failed(Error::Link(LinkError::Refused)), "but only once");
    }
}

#[test]
fn c_06_absurd_sizes_are_clamped() {
    let absurd = |octets, frames| Settings {
        max_info_transmit: octets,
        max_info_receive: octets,
        window_transmit: frames,
        window_receive: frames,
    };
    for (peer, agreed) in [
        (absurd(0, 0), wide(16, 1)),
        (absurd(u16::MAX, u8::MAX), wide(2030, 7)),
        (absurd(500, 3), wide(500, 3)),
    ] {
        let mut bench = Bench::new(absurd(u16::MAX, u8::MAX));
        bench.client.connect(&mut Vec::new()).unwrap();
        let mut information = Vec::new();
        peer.encode(&mut information);
        bench.push(Function::UnnumberedAcknowledge, true, false, &information);
        assert_eq!(bench.poll().0, Got::Connected(agreed));
    }
}

/// Parameters of every length; what is missing or cannot be read has its default.
#[test]
fn parameters_that_are_written_otherwise() {
    for (information, agreed) in [
        (&[][..], Settings::default()),
        (&[0x81, 0x80, 0x00], Settings::default()),
        (
            &[0x81, 0x80, 0x0A, 5, 3, 0, 1, 0, 6, 3, 0, 2, 0],
            Settings { max_info_transmit: 512, max_info_receive: 256, ..wide(0, 1) },
        ),
        (&[0x81, 0x80, 0x03, 8, 1, 7], Settings { window_transmit: 7, ..Settings::default() }),
        (&[0x81, 0x80, 0x07, 0x55, 2, 1, 2, 7, 1, 4], Settings { window_receive: 4, ..Settings::default() }),
        (
            &[0x81, 0x80, 0x08, 5, 6, 1, 0, 0, 0, 0, 0],
            Settings { max_info_receive: 2030, ..Settings::default() },
        ),
        (&[0x81, 0x80, 0x14, 5], Settings::default()),
        (&[0x80], Settings::default()),
    ] {
        let mut bench = Bench::new(wide(2030, 7));
        bench.client.connect(&mut Vec::new()).unwrap();
        bench.push(Function::UnnumberedAcknowledge, true, false, information);
        assert_eq!(bench.poll().0, Got::Connected(agreed), "{information:02X?}");
    }
}

#[test]
fn a_station_may_answer_with_another_size_of_address() {
    let server = |logical, physical| Address::server(logical, physical).unwrap();
    let four = Address::sized(1, Some(17), dlms::hdlc::AddressSize::Four).unwrap();
    for source in [server(1, Some(17)), four, server(1, None)] {
        let mut bench = Bench::new(Settings::default());
        bench.client.connect(&mut Vec::new()).unwrap();
        bench.push_from(source, Function::UnnumberedAcknowledge, true, false, &[]);
        assert!(matches!(bench.poll().0, Got::Connected(_)), "{source:?}");
    }
    for stranger in [server(1, Some(18)), server(2, Some(17)), server(16, None)] {
        let mut bench = Bench::new(Settings::default());
        bench.client.connect(&mut Vec::new()).unwrap();
        bench.push_from(stranger, Function::UnnumberedAcknowledge, true, false, &[]);
        assert_eq!(bench.poll().0, Got::Wait, "{stranger:?}");
        assert_eq!(bench.client.trouble().foreign, 1);
    }
    assert!(server(1, Some(0x3FFE)).is_answered_by(server(1, Some(17))), "whoever is calling");
    assert!(server(0x7F, None).is_answered_by(server(1, Some(17))), "any logical device");
}

/// What an adapter brings back is no answer.
#[test]
fn c_04_an_echo_is_dropped() {
    let mut bench = Bench::new(Settings::default());
    let mut out = Vec::new();
    bench.client.connect(&mut out).unwrap();
    bench.client.push(&out);
    assert_eq!(bench.poll().0, Got::Wait);
    bench.push(Function::UnnumberedAcknowledge, true, false, &[]);
    assert!(matches!(bench.poll().0, Got::Connected(_)));
    let mut out = Vec::new();
    bench.client.send(REQUEST, &mut out).unwrap();
    bench.client.push(&out);
    bench.information(0, 1, true, false, &response(&[7]));
    assert_eq!(bench.poll().0, Got::Apdu(vec![7]));
    assert_eq!(bench.client.trouble().foreign, 2);
}

/// Client 1 and logical device 1: the frames of both look alike.
#[test]
fn c_04_an_echo_is_told_where_both_ends_have_the_same_address() {
    let both = Address::client(1).unwrap();
    let answer = |function, information: &[u8]| {
        let control = Control { function, poll: true };
        let mut octets = Vec::new();
        Frame { destination: both, source: both, control, segmented: false, information }
            .encode(&mut octets)
            .unwrap();
        octets
    };
    for echoes in [true, false] {
        let mut client = Client::new(both, both, Settings::default());
        let (mut out, mut sent) = (Vec::new(), Vec::new());
        let mut exchange = |client: &mut Client, out: &mut Vec<u8>, octets: &[u8]| {
            sent.clear();
            std::mem::swap(&mut sent, out);
            client.push(if echoes { &sent } else { &[] });
            client.push(octets);
        };
        client.connect(&mut out).unwrap();
        exchange(&mut client, &mut out, &answer(Function::UnnumberedAcknowledge, &[]));
        assert_eq!(client.poll(&mut out), Ok(Event::Connected(Settings::default())), "{echoes}");
        for number in 0..20_u8 {
            client.send(REQUEST, &mut out).unwrap();
            let function = Function::Information { send: number % 8, receive: (number + 1) % 8 };
            exchange(&mut client, &mut out, &answer(function, &response(&[number])));
            assert_eq!(client.poll(&mut out), Ok(Event::Apdu(&mut [number])), "{echoes}");
            client.keep_alive(&mut out).unwrap();
            exchange(
                &mut client,
                &mut out,
                &answer(Function::ReceiveReady { receive: (number + 1) % 8 }, &[]),
            );
            assert_eq!(client.poll(&mut out), Ok(Event::Ready), "{echoes}");
            assert_eq!(client.poll(&mut out), Ok(Event::Wait), "{echoes}");
        }
        assert_eq!(client.trouble().foreign, if echoes { 41 } else { 0 });
    }
}

#[test]
fn what_comes_unasked_does_not_disturb_the_link() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    bench.information(0, 1, true, true, &response(&[1]));
    assert_eq!(bench.poll(), (Got::Reply, rr(1)));
    bench.push(Function::UnnumberedInformation, false, true, &response(&[0x0F, 1]));
    bench.push(Function::UnnumberedInformation, false, false, &[2]);
    // A block of its own, without header.
    bench.push(Function::UnnumberedInformation, true, false, &[0xE0, 3]);
    assert_eq!(bench.poll(), (Got::Unasked(vec![0x0F, 1, 2]), vec![]));
    assert_eq!(bench.poll(), (Got::Unasked(vec![0xE0, 3]), vec![]));
    bench.information(1, 1, true, false, &[2]);
    assert_eq!(bench.poll(), (Got::Apdu(vec![1, 2]), vec![]));
}

/// The end of the first APDU was lost: it does not become the beginning of the second.
#[test]
fn an_unasked_apdu_begins_with_its_header() {
    let mut bench = Bench::new(Settings::default());
    bench.push(Function::UnnumberedInformation, false, true, &response(&[0x0F, 1]));
    bench.push(Function::UnnumberedInformation, false, true, &response(&[0x0F, 2]));
    bench.push(Function::UnnumberedInformation, false, false, &[3]);
    assert_eq!(bench.poll().0, Got::Unasked(vec![0x0F, 2, 3]));
}

#[test]
fn a_link_is_kept_alive_and_taken_down() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    for _ in 0..100 {
        let mut out = Vec::new();
        bench.client.keep_alive(&mut out).unwrap();
        assert_eq!(sent(&out), rr(0));
        bench.ready(0);
        assert_eq!(bench.poll(), (Got::Ready, vec![]));
    }
    let mut out = Vec::new();
    bench.client.disconnect(&mut out).unwrap();
    assert_eq!(sent(&out), [only(Function::Disconnect)]);
    bench.push(Function::UnnumberedAcknowledge, true, false, &[]);
    assert_eq!(bench.poll(), (Got::Disconnected, vec![]));
    assert_eq!(bench.client.keep_alive(&mut out), Err(Error::Misuse("there is no link")));
}

/// The station has taken the request, says so, and answers when it is asked again.
#[test]
fn a_station_that_needs_time_is_asked_again() {
    let mut bench = Bench::connected(wide(128, 1), wide(128, 1));
    bench.send(REQUEST);
    bench.ready(1);
    assert_eq!(bench.poll(), (Got::Ready, vec![]));
    assert_eq!(bench.unanswered(), Ok(rr(0)));
    bench.information(0, 1, true, false, &response(&[7]));
    assert_eq!(bench.poll().0, Got::Apdu(vec![7]));
}

#[test]
fn an_apdu_without_end_is_refused() {
    let mut bench = Bench::connected(wide(2030, 1), wide(2030, 1));
    bench.send(REQUEST);
    for number in 0..32_u8 {
        bench.information(number % 8, 1, true, true, &[0; 2030]);
        assert_eq!(bench.poll().0, Got::Reply);
    }
    bench.information(0, 1, true, true, &[0; 2030]);
    assert_eq!(bench.poll().0, Got::Failed(Error::TooLong { what: "APDU", limit: 65_535 }));
    assert!(!bench.client.is_connected());
}

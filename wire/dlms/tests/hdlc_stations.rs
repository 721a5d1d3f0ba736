//! Client against server over a line that loses, damages and repeats: what arrives is what was sent, once and in turn, or the link is
//! said to be lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use dlms::hdlc::{
    Address, AddressSize, Arrival, Client, Event, Frame, LinkError, LinkId, Server, Settings, Splitter,
    write_unasked,
};
use dlms::{Error, llc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// What happens to a frame on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Arrives,
    Lost,
    /// One bit of the octet at this place, counted from the start and around, is the wrong way.
    Damaged(usize),
    Twice,
}

/// A line between a client and a meter that answers every request with `answer`.
struct Line {
    client: Client,
    server: Server,
    fates: Box<dyn Iterator<Item = Fate>>,
    /// Requests as the meter got them, since the link began.
    asked: Vec<Vec<u8>>,
    answer: fn(&[u8]) -> Vec<u8>,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
}

fn client() -> Address {
    Address::client(16).unwrap()
}

fn meter() -> Address {
    Address::server(1, Some(17)).unwrap()
}

/// The request, turned round, several times.
fn much(request: &[u8]) -> Vec<u8> {
    request.iter().rev().copied().cycle().take(request.len() * 7).collect()
}

impl Line {
    fn new(proposal: Settings, limits: Settings, fates: impl Iterator<Item = Fate> + 'static) -> Self {
        Self {
            client: Client::new(client(), meter(), proposal),
            server: Server::new(vec![meter()], limits),
            fates: Box::new(fates.chain(std::iter::repeat(Fate::Arrives))),
            asked: Vec::new(),
            answer: much,
            to_server: Vec::new(),
            to_client: Vec::new(),
        }
    }

    /// Frames as they arrive after what the line does to them.
    fn carry(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut arriving = Vec::new();
        for frame in frames(octets) {
            match self.fates.next().unwrap() {
                Fate::Arrives => arriving.extend(frame),
                Fate::Lost => {}
                Fate::Twice => arriving.extend([frame.clone(), frame].concat()),
                Fate::Damaged(at) => {
                    let mut damaged = frame;
                    let place = at % damaged.len();
                    damaged[place] ^= 1 << (at % 8);
                    arriving.extend(damaged);
                }
            }
        }
        arriving
    }

    fn flow(&mut self) {
        let octets = std::mem::take(&mut self.to_server);
        let arriving = self.carry(&octets);
        self.server.push(&arriving);
        loop {
            match self.server.poll(&mut self.to_client).unwrap() {
                Arrival::Nothing => break,
                Arrival::Opened(_) => self.asked.clear(),
                Arrival::Closed(_) => {}
                Arrival::Apdu(id, apdu) => {
                    assert_eq!(id, LinkId { station: meter(), client: 16 });
                    self.asked.push(apdu.to_vec());
                    let answer = (self.answer)(apdu);
                    self.server.answer(id, Some(&answer), &mut self.to_client).unwrap();
                }
                Arrival::Unasked { .. } => panic!("nobody sends UI frames"),
            }
        }
        let octets = std::mem::take(&mut self.to_client);
        let arriving = self.carry(&octets);
        self.client.push(&arriving);
    }

    /// Until something comes of what was sent; silence lets the client repeat.
    fn until(&mut self) -> Result<Outcome, Error> {
        loop {
            self.flow();
            loop {
                match self.client.poll(&mut self.to_server)? {
                    Event::Connected(settings) => return Ok(Outcome::Connected(settings)),
                    Event::Apdu(apdu) => return Ok(Outcome::Apdu(apdu.to_vec())),
                    Event::Disconnected => return Ok(Outcome::Disconnected),
                    Event::Unasked(_) => panic!("nobody sends UI frames"),
                    Event::Reply => {}
                    Event::Ready | Event::Wait => break,
                }
            }
            if self.to_server.is_empty() {
                self.client.unanswered(&mut self.to_server)?;
            }
        }
    }

    fn connect(&mut self) -> Result<Outcome, Error> {
        self.client.connect(&mut self.to_server).unwrap();
        self.until()
    }

    fn ask(&mut self, request: &[u8]) -> Result<Outcome, Error> {
        self.client.send(request, &mut self.to_server)?;
        self.until()
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Connected(Settings),
    Apdu(Vec<u8>),
    Disconnected,
}

/// The frames in undamaged octets, each with its flags.
fn frames(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new();
    splitter.push(octets);
    let mut frames = Vec::new();
    while let Some(frame) = splitter.next_frame() {
        let mut octets = Vec::new();
        frame.encode(&mut octets).unwrap();
        frames.push(octets);
    }
    frames
}

fn settings() -> impl Strategy<Value = Settings> {
    (16_u16..300, 16_u16..300, 1_u8..=7, 1_u8..=7).prop_map(|(transmit, receive, out, back)| Settings {
        max_info_transmit: transmit,
        max_info_receive: receive,
        window_transmit: out,
        window_receive: back,
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => any::<u16>().prop_map(|at| Fate::Damaged(usize::from(at))),
        1 => Just(Fate::Twice),
    ]
}

/// A chance that is the same in every run.
fn chance(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    })
}

proptest! {
    /// Whatever happens to frames: an answer is the one to the request, and the meter is never asked the same thing twice.
    #[test]
    fn c_06_what_arrives_is_right_and_came_once(
        proposal in settings(),
        limits in settings(),
        requests in vec(vec(any::<u8>(), 1..200), 1..6),
        fates in vec(fate(), 0..120),
    ) {
        let mut line = Line::new(proposal, limits, fates.into_iter());
        let mut left = requests.clone();
        left.reverse();
        let mut done = 0;
        // A link may be lost, but not for ever: the line gets better.
        for _ in 0..200 {
            if !line.client.is_connected() {
                line.to_client.clear();
                match line.connect() {
                    Ok(Outcome::Connected(agreed)) => prop_assert_eq!(agreed, proposal.agreed(limits)),
                    Ok(other) => prop_assert!(false, "{other:?}"),
                    Err(Error::Link(_)) => continue,
                    Err(other) => prop_assert!(false, "{other}"),
                }
                done = requests.len() - left.len();
            }
            let Some(request) = left.last() else { break };
            match line.ask(request) {
                Ok(Outcome::Apdu(answer)) => {
                    prop_assert_eq!(answer, much(request));
                    left.pop();
                    let asked = &requests[done..requests.len() - left.len()];
                    prop_assert_eq!(&line.asked, asked);
                }
                Ok(other) => prop_assert!(false, "{other:?}"),
                Err(Error::Link(_)) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
        prop_assert!(left.is_empty(), "{} requests were never answered", left.len());
        line.client.disconnect(&mut line.to_server).unwrap();
        if let Ok(outcome) = line.until() {
            prop_assert_eq!(outcome, Outcome::Disconnected);
        }
    }

    /// C-03: flags inside frames, frames that share a flag, garbage in front and between, cut anywhere.
    #[test]
    fn c_03_frames_are_found_wherever_the_stream_is_cut(
        carried in vec(vec(prop_oneof![Just(0x7E_u8), Just(0xA0), any::<u8>()], 0..60), 1..6),
        garbage in vec(prop_oneof![Just(0x7E_u8), Just(0xA0), any::<u8>()], 0..40),
        is_shared in any::<bool>(),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let mut stream = garbage.clone();
        let mut sent = Vec::new();
        for (number, information) in carried.iter().enumerate() {
            let mut octets = Vec::new();
            let octet = (number as u8 % 8) << 1;
            let control = dlms::hdlc::Control::new(octet);
            let segmented = number % 2 == 1;
            Frame { destination: client(), source: meter(), control, segmented, information }.encode(&mut octets).unwrap();
            let start = usize::from(is_shared && number > 0);
            stream.extend_from_slice(&octets[start..]);
            sent.push(octets);
            if !is_shared {
                stream.extend_from_slice(&garbage);
            }
        }
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort_unstable();
        let (mut splitter, mut received, mut start) = (Splitter::new(), Vec::new(), 0);
        for end in ends {
            splitter.push(&stream[start..end]);
            start = end;
            while let Some(frame) = splitter.next_frame() {
                let mut octets = Vec::new();
                frame.encode(&mut octets).unwrap();
                received.push(octets);
            }
        }
        // Garbage may look like the beginning of a frame whose rest is still to come; the longest frame has 2049 octets.
        splitter.push(&[0x55; 2050]);
        while let Some(frame) = splitter.next_frame() {
            let mut octets = Vec::new();
            frame.encode(&mut octets).unwrap();
            received.push(octets);
        }
        prop_assert_eq!(received, sent);
    }

    /// C-03: every single place of a stream, not only those that chance finds.
    #[test]
    fn c_03_a_stream_is_cut_at_every_octet(information in vec(any::<u8>(), 1..40)) {
        let control = dlms::hdlc::Control::new(0x10);
        let mut stream = vec![0x7E, 0xA0];
        let frame = Frame { destination: client(), source: meter(), control, segmented: false, information: &information };
        frame.encode(&mut stream).unwrap();
        stream.pop();
        frame.encode(&mut stream).unwrap();
        for cut in 0..=stream.len() {
            let (mut splitter, mut found) = (Splitter::new(), 0);
            for piece in [&stream[..cut], &stream[cut..]] {
                splitter.push(piece);
                while let Some(got) = splitter.next_frame() {
                    prop_assert_eq!(got, frame);
                    found += 1;
                }
            }
            prop_assert_eq!(found, 2, "cut at {}", cut);
        }
    }

    #[test]
    fn no_octets_break_a_station(octets in vec(vec(any::<u8>(), 0..300), 0..8)) {
        let mut client = Client::new(client(), meter(), Settings::default());
        let mut server = Server::new(vec![meter()], Settings::default());
        let mut out = Vec::new();
        client.connect(&mut out).unwrap();
        for piece in octets {
            client.push(&piece);
            while !matches!(client.poll(&mut out), Ok(Event::Wait) | Err(_)) {}
            server.push(&piece);
            while !matches!(server.poll(&mut out), Ok(Arrival::Nothing) | Err(_)) {}
        }
    }
}

/// C-02: at 1 and 10 % damaged frames everything is read, at 50 % the line is called bad soon; no octet is ever wrong.
#[test]
fn c_02_damaged_frames_are_counted_and_never_taken() {
    for (percent, may_fail) in [(1, false), (10, false), (50, true)] {
        let mut failed = 0;
        for seed in 0..20 {
            let fates = chance(seed).map(move |chance| match chance % 100 < percent {
                true => Fate::Damaged((chance >> 7) as usize),
                false => Fate::Arrives,
            });
            let wide = Settings { window_transmit: 3, window_receive: 3, ..Settings::default() };
            let mut line = Line::new(wide, wide, fates);
            let mut links = 0;
            let mut answered = 0;
            while answered < 20 && links < 40 {
                if !line.client.is_connected() {
                    links += 1;
                    line.to_client.clear();
                    if line.connect().is_err() {
                        continue;
                    }
                }
                match line.ask(&[answered; 90]) {
                    Ok(outcome) => {
                        assert_eq!(outcome, Outcome::Apdu(much(&[answered; 90])));
                        answered += 1;
                    }
                    Err(Error::Link(LinkError::Unanswered { .. } | LinkError::Stalled { .. })) => failed += 1,
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(answered == 20 || may_fail, "{percent} %, seed {seed}: {answered} answers");
            let bad = line.client.trouble().bad;
            assert!(bad.frame + bad.header + bad.noise_octets > 0 || percent == 1, "{bad:?}");
        }
        assert_eq!(failed > 0, may_fail, "{percent} %: {failed} links were lost");
    }
}

/// C-04: what comes when two stations speak at once is damaged, is counted as that, and is asked for again.
#[test]
fn c_04_a_collision_is_a_damaged_frame_and_asked_for_again() {
    let mut line = Line::new(Settings::default(), Settings::default(), std::iter::empty());
    line.connect().unwrap();
    let other: Vec<u8> = chance(4).take(400).map(|chance| chance as u8).collect();
    for request in 0..20_u8 {
        line.client.send(&[request; 40], &mut line.to_server).unwrap();
        line.server.push(&std::mem::take(&mut line.to_server));
        let Ok(Arrival::Apdu(id, asked)) = line.server.poll(&mut Vec::new()) else { panic!("no request") };
        assert_eq!(asked, [request; 40]);
        let answer = much(asked);
        let mut octets = Vec::new();
        line.server.answer(id, Some(&answer), &mut octets).unwrap();
        // Another station begins a little later; on the line a zero wins.
        let begin = usize::from(request);
        octets.iter_mut().skip(begin).zip(&other).for_each(|(octet, other)| *octet &= other);
        line.client.push(&octets);
        let bad = line.client.trouble().bad;
        assert_eq!(line.client.poll(&mut Vec::new()), Ok(Event::Wait));
        let now = line.client.trouble().bad;
        assert!(
            now.header + now.frame + now.flag + now.noise_octets
                > bad.header + bad.frame + bad.flag + bad.noise_octets
        );
        line.client.unanswered(&mut line.to_server).unwrap();
        assert_eq!(line.until(), Ok(Outcome::Apdu(answer)), "request {request}");
    }
    assert_eq!(line.asked, [[0_u8; 0]; 0], "nothing was asked twice");
}

/// C-05: garbage without end is not kept, and the first frame behind it is found.
#[test]
fn c_05_endless_garbage_is_not_kept() {
    let mut frame = Vec::new();
    let control = dlms::hdlc::Control::new(0x73);
    Frame { destination: client(), source: meter(), control, segmented: false, information: &[] }
        .encode(&mut frame)
        .unwrap();
    let garbage: [fn(u64) -> u8; 4] = [
        |_| 0x55,
        |chance| chance as u8,
        |_| 0x7E,
        // The beginning of a long frame, again and again.
        |chance| [0x7E, 0xA7, 0xFF, 0x03][(chance % 4) as usize],
    ];
    for (kind, octet) in garbage.into_iter().enumerate() {
        let mut splitter = Splitter::new();
        let mut chances = chance(kind as u64);
        for _ in 0..400 {
            let piece: Vec<u8> = chances.by_ref().take(4096).map(octet).collect();
            splitter.push(&piece);
            assert_eq!(splitter.next_frame(), None);
            assert!(splitter.pending() <= 2050, "kind {kind}: {} octets are kept", splitter.pending());
        }
        splitter.silence();
        splitter.push(&frame);
        assert!(splitter.next_frame().is_some(), "kind {kind}");
    }
    // Also when nobody asks for frames meanwhile.
    let mut splitter = Splitter::new();
    for _ in 0..100 {
        splitter.push(&[0x7E; 4096]);
        assert!(splitter.pending() <= 65_536);
    }
    splitter.push(&frame);
    assert!(splitter.next_frame().is_some());
    assert!(splitter.bad_frames().noise_octets > 300_000);
}

/// Several stations on a line hear everything; each answers what is for it.
#[test]
fn stations_of_a_bus_are_told_apart() {
    let stations: Vec<Address> =
        (17..20).map(|physical| Address::server(1, Some(physical)).unwrap()).collect();
    let mut server = Server::new(stations.clone(), Settings::default());
    for station in &stations {
        for size in [AddressSize::Two, AddressSize::Four] {
            let asked = Address::sized(1, station.physical(), size).unwrap();
            let mut client = Client::new(client(), asked, Settings::default());
            let (mut out, mut back) = (Vec::new(), Vec::new());
            client.connect(&mut out).unwrap();
            server.push(&out);
            let id = LinkId { station: *station, client: 16 };
            assert_eq!(server.poll(&mut back), Ok(Arrival::Opened(id)));
            client.push(&back);
            assert!(matches!(client.poll(&mut out), Ok(Event::Connected(_))));
            // Whoever begins anew may do so with another size, and is answered in that one.
            let mut splitter = Splitter::new();
            splitter.push(&back);
            assert_eq!(splitter.next_frame().unwrap().source, asked);
        }
    }
    // Nobody feels addressed by these.
    let all = Address::sized(1, Some(0x7F), AddressSize::Two).unwrap();
    let calling = Address::sized(1, Some(0x7E), AddressSize::Two).unwrap();
    let other = Address::server(1, Some(99)).unwrap();
    for nobody in
        [all, calling, other, Address::server(1, None).unwrap(), Address::server(2, Some(17)).unwrap()]
    {
        let (mut out, mut back) = (Vec::new(), Vec::new());
        Client::new(client(), nobody, Settings::default()).connect(&mut out).unwrap();
        server.push(&out);
        assert_eq!(server.poll(&mut back), Ok(Arrival::Nothing));
        assert!(back.is_empty(), "{nobody:?}");
    }
}

/// On a line of its own a station needs no physical address, and is the one that is calling.
#[test]
fn a_station_alone_answers_as_the_one_that_is_calling() {
    for asked in [
        Address::server(1, None),
        Address::sized(1, Some(0x7E), AddressSize::Two),
        Address::server(1, Some(0x3FFE)),
    ] {
        let mut server = Server::new(vec![meter()], Settings::default());
        let mut client = Client::new(client(), asked.unwrap(), Settings::default());
        let (mut out, mut back) = (Vec::new(), Vec::new());
        client.connect(&mut out).unwrap();
        server.push(&out);
        assert!(matches!(server.poll(&mut back), Ok(Arrival::Opened(_))));
        client.push(&back);
        assert!(matches!(client.poll(&mut out), Ok(Event::Connected(_))), "{asked:?}");
    }
}

#[test]
fn without_a_link_a_station_says_so() {
    let mut line = Line::new(Settings::default(), Settings::default(), std::iter::empty());
    line.connect().unwrap();
    line.server.forget(LinkId { station: meter(), client: 16 });
    assert_eq!(line.ask(&[1]), Err(Error::Link(LinkError::Lost)));
    // DM answers DISC, too: the link is down all the same.
    line.client.disconnect(&mut line.to_server).unwrap();
    assert_eq!(line.until(), Ok(Outcome::Disconnected));
    assert_eq!(
        line.server.answer(LinkId { station: meter(), client: 16 }, None, &mut Vec::new()),
        Err(Error::Misuse("there is no link"))
    );
}

#[test]
fn what_is_sent_to_everybody_is_heard_and_not_answered() {
    let mut server = Server::new(vec![meter()], Settings::default());
    let everybody = Address::sized(0x7F, Some(0x7F), AddressSize::Two).unwrap();
    let (mut octets, mut out) = (Vec::new(), Vec::new());
    write_unasked(client(), everybody, 16, &[9; 40], &mut octets).unwrap();
    assert_eq!(frames(&octets).len(), 3);
    server.push(&octets);
    assert_eq!(
        server.poll(&mut out),
        Ok(Arrival::Unasked { destination: everybody, client: 16, apdu: &mut [9; 40] })
    );
    assert!(out.is_empty());
    assert_eq!(llc::LENGTH, 3);
}

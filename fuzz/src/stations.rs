//! The stations of an HDLC link, when frames arrive undamaged and make no sense, and when nothing arrives.

use dlms::hdlc::{Address, Arrival, Client, Control, Event, Frame, Server, Settings, Splitter};

/// Frames in a row that one frame may call forth: a window.
const WINDOW_MAX: usize = 7;

/// Whatever is said to it, a station says at most a window of frames, which others can read, and one whose link failed has none.
pub fn run(octets: &[u8]) {
    let Some((first, script)) = octets.split_first() else { return };
    let own = Settings {
        max_info_transmit: 16 + u16::from(first >> 4),
        max_info_receive: 128,
        window_transmit: 1 + first % 7,
        window_receive: 7,
    };
    let (Ok(client), Ok(meter)) = (Address::client(16), Address::server(1, Some(17))) else { return };
    asking(script, Client::new(client, meter, own), (client, meter));
    answering(script, Server::new(vec![meter], own), (meter, client));
}

/// The client, at work with a station that the script is.
fn asking(script: &[u8], mut client: Client, ends: (Address, Address)) {
    let mut script = script.iter().copied();
    while let Some(step) = script.next() {
        let mut out = Vec::new();
        let done = match step % 8 {
            0 => client.connect(&mut out),
            1 => client.send(&[step; 100], &mut out),
            2 => client.keep_alive(&mut out),
            3 => client.unanswered(&mut out),
            4 if step > 200 => client.disconnect(&mut out),
            _ => {
                client.push(&frame(step, &mut script, ends));
                Ok(())
            }
        };
        assert!(done.is_ok() || out.is_empty(), "what fails says nothing");
        told(&out);
        loop {
            let mut out = Vec::new();
            match client.poll(&mut out) {
                Ok(Event::Wait) => break,
                Ok(Event::Reply) => assert!(told(&out) > 0),
                Ok(_) => assert!(out.is_empty()),
                Err(_) => assert!(!client.is_connected(), "a link that failed is down"),
            }
        }
    }
}

/// The station, asked by a client that the script is.
fn answering(script: &[u8], mut server: Server, ends: (Address, Address)) {
    let mut script = script.iter().copied();
    while let Some(step) = script.next() {
        server.push(&frame(step, &mut script, ends));
        let mut out = Vec::new();
        let asked = match server.poll(&mut out) {
            Ok(Arrival::Apdu(id, apdu)) => Some((id, apdu.repeat(1 + usize::from(step % 3)))),
            Ok(_) => None,
            Err(error) => panic!("{error}"),
        };
        if let Some((id, answer)) = asked {
            let answer = (step > 20).then_some(answer.as_slice());
            server.answer(id, answer, &mut out).expect("the link is up");
        }
        told(&out);
        assert_eq!(server.poll(&mut out), Ok(Arrival::Nothing));
    }
}

/// A frame of the other end: its control octet and what it carries are the script's.
fn frame(step: u8, script: &mut impl Iterator<Item = u8>, ends: (Address, Address)) -> Vec<u8> {
    let control = Control::new(script.next().unwrap_or(step));
    let length = usize::from(script.next().unwrap_or(0));
    let information: Vec<u8> = script.take(length % 40).collect();
    let (destination, source) = ends;
    let mut octets = Vec::new();
    Frame { destination, source, control, segmented: step & 0x40 != 0, information: &information }
        .encode(&mut octets)
        .expect("it is short");
    octets
}

/// The frames of one turn; only the last gives the turn away.
fn told(octets: &[u8]) -> usize {
    let mut splitter = Splitter::new();
    splitter.push(octets);
    let mut polls = Vec::new();
    while let Some(frame) = splitter.next_frame() {
        polls.push(frame.control.poll);
    }
    assert!(polls.len() <= WINDOW_MAX && splitter.bad_frames() == Default::default());
    assert!(polls.iter().rev().skip(1).all(|poll| !poll), "a turn is given away once");
    polls.len()
}

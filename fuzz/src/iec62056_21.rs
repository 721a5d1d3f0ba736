//! IEC 62056-21: messages, read-outs, and the client's end of both openings.

use iec62056_21::mode_e::{Opening, Progress};
use iec62056_21::{DataSets, Event, Identification, Mode, Receiver, Selection, Session, Speed};

/// Octets that a session may send for each that it hears, a few messages besides: nothing makes it speak without end.
const SAID_PER_OCTET: usize = 16;
const SAID: usize = 256;

/// Everything comes to an end, and an identification that was understood is said again as it is.
pub fn run(octets: &[u8]) {
    let Some((piece, stream)) = octets.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    let mut receiver = Receiver::new();
    for piece in stream.chunks(piece) {
        receiver.push(piece);
        let ended = (0..=stream.len()).any(|_| matches!(receiver.next_message(), Ok(None)));
        assert!(ended, "a message uses up an octet at least");
    }
    assert!(DataSets::of(stream).count() <= stream.len() + 1);
    // Without a speed, what stands behind the maker may begin with what would be one.
    if let Ok(meter) = Identification::decode(stream)
        && meter.mode != Mode::A
    {
        let mut again = Vec::new();
        meter.encode(&mut again);
        assert_eq!(Identification::decode(&again[..again.len() - 2]), Ok(meter));
    }
    session(stream, piece);
    opening(stream, piece);
}

/// A session that opens programming mode with whatever identifies itself: it says no more than it is asked.
fn session(stream: &[u8], piece: usize) {
    let mut out = Vec::new();
    let mut session = Session::open("", &mut out).expect("no address is one");
    for piece in stream.chunks(piece) {
        session.push(piece);
        for _ in 0..=piece.len() {
            match session.poll(&mut out) {
                Ok(Event::Wait) => break,
                Ok(Event::Identified(_)) => {
                    let chosen = session.select(Selection::Programming, Speed::INITIAL, &mut out);
                    chosen.expect("nothing else is under way");
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
    assert!(out.len() <= SAID + SAID_PER_OCTET * stream.len(), "{} octets were said", out.len());
}

/// The opening is the same wherever the stream is cut.
fn opening(stream: &[u8], piece: usize) {
    let told = |piece: usize| {
        let mut opening = Opening::new();
        let mut told = Vec::new();
        for piece in stream.chunks(piece) {
            match opening.push(piece) {
                Ok(Progress::Wait) => {}
                Ok(progress) => told.push(Ok(progress)),
                Err(error) => {
                    told.push(Err(error));
                    break;
                }
            }
        }
        told
    };
    // What comes behind an event in one piece is not looked at: whoever sends waits for the answer.
    let (whole, cut) = (told(1), told(piece));
    assert_eq!(whole.first().is_some(), cut.first().is_some());
    assert_eq!(whole.first(), cut.first());
}

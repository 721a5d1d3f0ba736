//! What callers say first: streams of several languages, logins and heartbeats.

use heartbeat::{Beat, ID_MAX, Splitter, Unit};

/// Longest APDU that is taken.
const LIMIT: u16 = 1024;

/// A stream gives the same frames however it is cut, and whoever said a name is answered in one frame of the same kind.
pub fn run(octets: &[u8]) {
    let Some((piece, stream)) = octets.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    assert_eq!(frames(stream, stream.len().max(1), false), frames(stream, piece, false));
    let told: Vec<u8> = frames(stream, piece, true).concat();
    assert!(told.len() <= stream.len() * 2, "noise is passed on, not made");
}

/// The frames of a stream that arrives in pieces of this length, up to where it is out of step.
fn frames(stream: &[u8], piece: usize, is_noisy: bool) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new(LIMIT);
    if is_noisy {
        splitter.tolerate_noise();
    }
    let mut frames = Vec::new();
    for piece in stream.chunks(piece) {
        splitter.push(piece);
        loop {
            match splitter.next_unit() {
                Ok(Some(unit)) => {
                    look(&unit);
                    frames.push(unit.octets());
                }
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
    }
    frames
}

/// A name is one, and what answers it is a whole frame.
fn look(unit: &Unit<'_>) {
    let beat = match unit {
        Unit::Wrapper { header, apdu, flagged } => Beat::read(*header, apdu, *flagged),
        Unit::Gdw376(octets) => Beat::read_terminal(octets),
        _ => return,
    };
    if let Ok(Some(beat)) = beat {
        assert!((1..=ID_MAX).contains(&beat.id.len()), "{:?} is no name", beat.id);
        let mut answer = Splitter::new(LIMIT);
        answer.push(beat.answer());
        assert!(matches!(answer.next_unit(), Ok(Some(_))) && answer.pending() == 0);
    }
}

//! Streams of frames: HDLC, the wrapper and M-Bus.

use dlms::{hdlc, mbus, wrapper};

/// Most octets that a splitter of frames may keep of any stream.
const KEPT_MAX: usize = 65_536;

/// A stream gives the same frames however it is cut, and a frame that was decoded encodes to what it was.
pub fn run(octets: &[u8]) {
    let Some((piece, stream)) = octets.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    assert_eq!(hdlc_frames(stream, stream.len().max(1)), hdlc_frames(stream, piece));
    wrapped(stream, piece);
    let mut segments = mbus::Receiver::new();
    for piece in stream.chunks(piece) {
        segments.push(piece);
        while segments.next_apdu().is_some() {}
    }
    if let Ok(frame) = hdlc::Frame::decode(stream) {
        let mut again = Vec::new();
        frame.encode(&mut again).expect("what was decoded can be encoded");
        assert_eq!(&again[1..again.len() - 1], stream);
    }
}

/// The frames that come out of a stream that arrives in pieces of this length.
fn hdlc_frames(stream: &[u8], piece: usize) -> Vec<String> {
    let mut splitter = hdlc::Splitter::new();
    let mut frames = Vec::new();
    for piece in stream.chunks(piece) {
        splitter.push(piece);
        while let Some(frame) = splitter.next_frame() {
            frames.push(format!("{frame:?}"));
        }
        assert!(splitter.pending() <= KEPT_MAX);
    }
    frames
}

/// A stream of wrapper PDUs, up to the place where it is out of step.
fn wrapped(stream: &[u8], piece: usize) {
    let mut splitter = wrapper::Splitter::new(1024);
    for piece in stream.chunks(piece) {
        splitter.push(piece);
        loop {
            match splitter.next_frame() {
                Ok(Some((header, apdu))) => assert_eq!(usize::from(header.length), apdu.len()),
                Ok(None) => break,
                // The stream is out of step: it has to be closed.
                Err(_) => return,
            }
        }
    }
}

//! Q/GDW 376.1: streams of frames, tests of the link, and what is carried through a terminal.

use gdw376::{
    Frame, Splitter, USER_DATA_MAX, Unit,
    forward::{Forwarded, Order},
    link::{Confirmation, Test},
};

/// What is found in a stream is a frame of it, octet by octet, whatever its edition; whatever it holds is understood or refused.
pub fn run(octets: &[u8]) {
    let Some((piece, stream)) = octets.split_first() else { return };
    let mut splitter = Splitter::new(USER_DATA_MAX);
    for piece in stream.chunks(usize::from(*piece).max(1)) {
        splitter.push(piece);
        while let Some(frame) = splitter.next_frame() {
            let mut again = Vec::new();
            frame.encode(&mut again).expect("what was found can be sent");
            // But for its edition, which the length tells.
            let said = |window: &[u8]| window[5..] == again[5..];
            assert!(stream.windows(again.len()).any(said), "nobody sent this frame");
            look(&frame);
        }
    }
    assert!(splitter.rejected().octets <= stream.len() as u64);
}

/// A test of the link can be confirmed, and what is to be carried is read again as it was.
fn look(frame: &Frame<'_>) {
    let _ = Unit::read(frame.body);
    if Test::read(frame).is_ok() {
        for confirmation in [Confirmation::Itemised, Confirmation::All] {
            let mut out = Vec::new();
            confirmation.encode(frame, &mut out).expect("a test can be confirmed");
            assert!(matches!(Frame::read(&out, USER_DATA_MAX), Ok(Some(_))));
        }
    }
    let _ = Forwarded::read(frame);
    if let Ok(order) = Order::read(frame) {
        let mut out = Vec::new();
        order.encode(frame.address, 0, &mut out).expect("what was read can be sent");
        let again = Frame::read(&out, USER_DATA_MAX).expect("a frame").expect("the whole of it").0;
        assert_eq!(Order::read(&again).map(|order| order.frame), Ok(order.frame));
    }
}

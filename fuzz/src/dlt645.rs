//! DL/T 645: streams of frames, answers, load records and numbers.

use dlt645::{Answer, Edition, Format, Identifier, Request, Splitter, frame, records};

/// What is found in a stream is a frame of it, octet by octet, and whatever it holds is an answer or is refused.
pub fn run(octets: &[u8]) {
    let Some((piece, stream)) = octets.split_first() else { return };
    let mut splitter = Splitter::new();
    let mut found = 0;
    for piece in stream.chunks(usize::from(*piece).max(1)) {
        splitter.push(piece);
        while let Some(one) = splitter.next_frame() {
            let mut again = Vec::new();
            frame(one.address, one.control, one.data, &mut again).expect("what was found can be sent");
            assert!(stream.windows(again.len()).any(|window| window == again), "nobody sent this frame");
            found += again.len();
            for edition in [Edition::Of1997, Edition::Of2007] {
                for request in [
                    Request::Read(Identifier(0x0001_0000)),
                    Request::ReadNext(Identifier(0x0001_FF00), 1),
                    Request::ReadAddress,
                ] {
                    let _ = Answer::read(edition, &request, &one);
                }
            }
        }
    }
    assert!(found as u64 + splitter.rejected().noise <= stream.len() as u64, "an octet counts once");
    (1..=8).for_each(|octets| number(octets, stream));
    load_records(stream);
}

/// Load records that were read are written so that they are read again.
fn load_records(octets: &[u8]) {
    if let Ok(found) = records(octets, None) {
        let mut again = Vec::new();
        found.iter().for_each(|record| record.write(None, &mut again).expect("what was read can be written"));
        assert_eq!(records(&again, None), Ok(found));
    }
}

/// A number that was read is written as it was, but for the sign of zero.
fn number(octets: u8, data: &[u8]) {
    let format = Format { octets, decimals: 2, signed: data.len().is_multiple_of(2) };
    if let Ok(Some(number)) = format.read(data, 0) {
        let mut again = Vec::new();
        format.write(number.mantissa, &mut again).expect("what was read can be written");
        assert!(number.mantissa == 0 || data.starts_with(&again));
    }
}

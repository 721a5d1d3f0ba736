//! What a concentrator says: result documents, messages of its web service, and what stands around them.

use p2lpc::{Document, Request, Response, Span, http};

const SPAN: Span = Span { from: 1_772_323_200, to: 1_772_409_600 };

/// What was understood is understood again when it is written, and a stream of answers is the same however it is cut.
pub fn run(octets: &[u8]) {
    let Some((piece, text)) = octets.split_first() else { return };
    let document = Document::read(text);
    let again = Document::read(&document.encode());
    assert_eq!((&again.devices, &again.damage), (&document.devices, &None));
    if let Ok(request) = Request::read(text) {
        assert_eq!(Request::read(&request.encode()).as_ref(), Ok(&request));
        let _ = Response::read(&request, text);
    }
    for request in [Request::MetersList, Request::ConcentratorStatus, Request::ConcentratorEvents(SPAN)] {
        let _ = Response::read(&request, text);
    }
    assert_eq!(answers(text, text.len().max(1)), answers(text, usize::from(*piece).max(1)));
}

/// The answers in a stream that arrives in pieces of this length, up to where it is no stream of answers any more.
fn answers(stream: &[u8], piece: usize) -> Vec<(u16, Vec<u8>)> {
    let (mut answers, mut found) = (http::Answers::default(), Vec::new());
    for piece in stream.chunks(piece) {
        answers.push(piece);
        loop {
            match answers.next_answer() {
                Ok(Some(answer)) => found.push((answer.status, answer.body)),
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}

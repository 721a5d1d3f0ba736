//! The messages of HTTP/1.1 in which those of the web service come.

use httparse::{EMPTY_HEADER, Header, Status};

use crate::{Error, OCTETS_LIMIT, Request};

/// Longest head of an answer, in octets.
const HEAD_MAX: usize = 16 * 1024;
/// Most lines of a head.
const HEADERS_MAX: usize = 64;

/// Appends the message that asks the web service at `host` for something.
pub fn post(host: &str, request: &Request, out: &mut Vec<u8>) {
    let body = request.encode();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: {}\r\nContent-Length: {}\r\n\r\n",
        request.action(),
        body.len()
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(&body);
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code: 200, or 500 with a [`Fault`](crate::Fault), or one that says that the service is not what was expected.
    pub status: u16,
    /// Whether the connection stays open for a further request.
    pub stays_open: bool,
    /// The message.
    pub body: Vec<u8>,
}

/// How the end of a body is told. One that ends with the connection is not understood: nobody could tell it from one that is cut off.
#[derive(Clone, Copy)]
enum Length {
    Octets(usize),
    Chunks,
}

/// Puts answers together from octets as they arrive.
///
/// Order: [`push`](Self::push) what arrived, then [`next_answer`](Self::next_answer). After an error the connection is of no more use.
#[derive(Debug, Default)]
pub struct Answers {
    received: Vec<u8>,
}

impl Answers {
    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.extend_from_slice(octets);
    }

    /// The next whole answer.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no HTTP, [`Error::Missing`] or [`Error::Value`] when the length is not told, [`Error::TooLong`].
    pub fn next_answer(&mut self) -> Result<Option<Answer>, Error> {
        let Some((head, length)) = head(&self.received)? else {
            return if self.received.len() > HEAD_MAX { Err(too_long(HEAD_MAX)) } else { Ok(None) };
        };
        let rest = &self.received[head.octets..];
        let (body, octets) = match length {
            Length::Octets(octets) if octets > OCTETS_LIMIT => return Err(too_long(OCTETS_LIMIT)),
            Length::Octets(octets) => match rest.get(..octets) {
                Some(body) => (body.to_vec(), octets),
                None => return Ok(None),
            },
            Length::Chunks => match chunks(rest, head.octets)? {
                Some(whole) => whole,
                None => return Ok(None),
            },
        };
        self.received.drain(..head.octets + octets);
        Ok(Some(Answer { status: head.status, stays_open: head.stays_open, body }))
    }
}

/// What a head says.
struct Head {
    octets: usize,
    status: u16,
    stays_open: bool,
}

fn head(received: &[u8]) -> Result<Option<(Head, Length)>, Error> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let octets = match response.parse(received).map_err(|_| Error::Malformed { octet: 0 })? {
        Status::Complete(octets) if octets <= HEAD_MAX => octets,
        Status::Complete(_) => return Err(too_long(HEAD_MAX)),
        Status::Partial => return Ok(None),
    };
    let (Some(status), Some(version)) = (response.code, response.version) else { return Ok(None) };
    let says = |name: &str, what: &str| {
        let mut values = values(response.headers, name);
        values.any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(what)))
    };
    let length = match values(response.headers, "content-length").next() {
        _ if says("transfer-encoding", "chunked") => Length::Chunks,
        Some(text) => {
            Length::Octets(text.trim().parse().map_err(|_| Error::Value { what: "Content-Length" })?)
        }
        None => return Err(Error::Missing { what: "Content-Length" }),
    };
    let stays_open =
        if version == 0 { says("connection", "keep-alive") } else { !says("connection", "close") };
    Ok(Some((Head { octets, status, stays_open }, length)))
}

fn values<'a>(headers: &'a [Header<'a>], name: &str) -> impl Iterator<Item = &'a str> {
    let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.filter_map(|header| str::from_utf8(header.value).ok())
}

/// A body in chunks and the octets that it took, when it is whole.
fn chunks(octets: &[u8], before: usize) -> Result<Option<(Vec<u8>, usize)>, Error> {
    let (mut pieces, mut total, mut at): (Vec<&[u8]>, usize, usize) = (Vec::new(), 0, 0);
    loop {
        let malformed = |_| Error::Malformed { octet: before + at };
        let rest = &octets[at..];
        let Status::Complete((start, size)) = httparse::parse_chunk_size(rest).map_err(malformed)? else {
            return Ok(None);
        };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > OCTETS_LIMIT - total {
            return Err(too_long(OCTETS_LIMIT));
        }
        if size == 0 {
            return trailer(&rest[start..]).map(|end| end.map(|end| (pieces.concat(), at + start + end)));
        }
        let end = start + size;
        let (Some(chunk), Some(line_end)) = (rest.get(start..end), rest.get(end..end + 2)) else {
            return Ok(None);
        };
        if line_end != b"\r\n" {
            return Err(Error::Malformed { octet: before + at + end });
        }
        pieces.push(chunk);
        total += size;
        at += end + 2;
    }
}

/// Octets of what stands behind the last chunk, the empty line included.
fn trailer(octets: &[u8]) -> Result<Option<usize>, Error> {
    if let Some(end) = octets.windows(2).position(|end| end == b"\r\n").filter(|end| *end == 0) {
        return Ok(Some(end + 2));
    }
    match octets.windows(4).position(|end| end == b"\r\n\r\n") {
        Some(end) => Ok(Some(end + 4)),
        None if octets.len() > HEAD_MAX => Err(too_long(HEAD_MAX)),
        None => Ok(None),
    }
}

fn too_long(limit: usize) -> Error {
    Error::TooLong { what: "octets of HTTP", limit }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<a/>\n";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 500 Fault\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\n<a>\r\n4\r\n</a>\r\n0\r\nX: y\r\n\r\n";
    const OLD: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n<a/>";

    fn answer(status: u16, stays_open: bool, body: &[u8]) -> Answer {
        Answer { status, stays_open, body: body.to_vec() }
    }

    #[test]
    fn a_request_says_what_it_is() {
        let mut out = Vec::new();
        post("dc:80", &Request::MetersList, &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nSOAPAction: \"urn:P2LPC#getMetersList\"\r\n"), "{head}");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
    }

    #[test]
    fn answers_follow_one_another() {
        let mut answers = Answers::default();
        answers.push(&[PLAIN, CHUNKED, OLD].concat());
        assert_eq!(answers.next_answer(), Ok(Some(answer(200, true, b"<a/>\n"))));
        assert_eq!(answers.next_answer(), Ok(Some(answer(500, false, b"<a></a>"))));
        assert_eq!(answers.next_answer(), Ok(Some(answer(200, false, b"<a/>"))));
        assert_eq!(answers.next_answer(), Ok(None));
    }

    #[test]
    fn what_is_cut_off_is_no_answer() {
        for whole in [PLAIN, CHUNKED] {
            for end in 1..whole.len() {
                let mut answers = Answers::default();
                answers.push(&whole[..end]);
                assert_eq!(answers.next_answer(), Ok(None), "{end}");
            }
        }
    }

    #[test]
    fn c_07_what_is_too_long_is_refused_at_once() {
        let refusal = |octets: &[u8]| {
            let mut answers = Answers::default();
            answers.push(octets);
            answers.next_answer()
        };
        let long = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
        assert_eq!(refusal(long), Err(too_long(OCTETS_LIMIT)));
        let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n";
        assert_eq!(refusal(chunk), Err(too_long(OCTETS_LIMIT)));
        let head = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'a'; HEAD_MAX]].concat();
        assert_eq!(refusal(&head), Err(too_long(HEAD_MAX)));
        assert_eq!(refusal(b"\x7E\xA0"), Err(Error::Malformed { octet: 0 }));
        assert_eq!(refusal(b"HTTP/1.1 200 OK\r\n\r\n<a/>"), Err(Error::Missing { what: "Content-Length" }));
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n";
        assert_eq!(refusal(length), Err(Error::Value { what: "Content-Length" }));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_octets_arrive(cuts in prop::collection::vec(1_usize..40, 1..20)) {
            let whole = [PLAIN, CHUNKED, PLAIN].concat();
            let (mut answers, mut came, mut at) = (Answers::default(), Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(whole.len());
                answers.push(&whole[at..end]);
                at = end;
                while let Some(answer) = answers.next_answer().unwrap() {
                    came.push(answer.body);
                }
                if at == whole.len() {
                    break;
                }
            }
            prop_assert_eq!(came, [b"<a/>\n".to_vec(), b"<a></a>".to_vec(), b"<a/>\n".to_vec()]);
        }

        #[test]
        fn anything_is_survived(octets: Vec<u8>) {
            let mut answers = Answers::default();
            answers.push(&octets);
            let _ = answers.next_answer();
        }
    }
}

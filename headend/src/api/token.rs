//! Opaque tokens: where a page or a watch goes on. Hexadecimal digits of a version, a fingerprint of the question and the place.

use std::fmt::Write as _;

use super::status::Refusal;

/// Changes when the meaning of tokens changes, so that an old token is refused instead of misread.
const VERSION: u8 = 1;

/// The longest token that is looked at.
const MAX_DIGITS: usize = 512;

/// The token of `place` in the answer to the question with this `fingerprint`.
pub(crate) fn encode(fingerprint: u64, place: &[u8]) -> String {
    let octets = [VERSION].into_iter().chain(fingerprint.to_be_bytes()).chain(place.iter().copied());
    octets.fold(String::new(), |mut text, octet| {
        // Writing into a String does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The place of a token of the same question; `None` when it is damaged or of another one.
pub(crate) fn decode(fingerprint: u64, token: &str) -> Option<Vec<u8>> {
    if token.len() > MAX_DIGITS
        || !token.len().is_multiple_of(2)
        || !token.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return None;
    }
    let octets = (0..token.len()).step_by(2).map(|at| u8::from_str_radix(&token[at..at + 2], 16));
    let octets: Vec<u8> = octets.collect::<Result<_, _>>().ok()?;
    let (head, place) = octets.split_at_checked(9)?;
    let expected: Vec<u8> = [VERSION].into_iter().chain(fingerprint.to_be_bytes()).collect();
    (head == expected).then(|| place.to_vec())
}

/// Resume tokens fit every filter, so they have no question.
pub(crate) const NO_QUESTION: u64 = 0;

/// The resume token of a number in a log.
pub(crate) fn resume(number: i64) -> String {
    encode(NO_QUESTION, &number.to_be_bytes())
}

/// The number of a resume token; `None` when it is damaged.
pub(crate) fn resumed(text: &str) -> Option<i64> {
    let octets = decode(NO_QUESTION, text)?;
    Some(i64::from_be_bytes(octets.try_into().ok()?)).filter(|number| *number >= 0)
}

/// The place in a log from which somebody goes on who follows it: behind its present `end`, or where a resume token says.
pub(crate) fn place(text: &str, end: i64) -> Result<i64, Refusal> {
    match text {
        "" => Ok(end),
        text => resumed(text).filter(|place| *place <= end).ok_or(Refusal::ResumeToken),
    }
}

/// Where the page token of a question says that the page begins, as `read` has it of its octets; `None` for the first page.
pub(crate) fn begin<T>(
    fingerprint: u64,
    text: &str,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let place = decode(fingerprint, text).and_then(|octets| read(&octets));
    place.map(Some).ok_or(Refusal::PageToken)
}

/// The number in the page token of a question; `None` for the first page.
pub(crate) fn number(fingerprint: u64, text: &str) -> Result<Option<i64>, Refusal> {
    begin(fingerprint, text, |octets| Some(i64::from_be_bytes(octets.try_into().ok()?)))
}

/// Cuts a page, of which one row too many was read, and returns the token of the next one; empty on the last.
pub(crate) fn next_page<T>(
    fingerprint: u64,
    rows: &mut Vec<T>,
    limit: u32,
    id: impl Fn(&T) -> i64,
) -> String {
    let more = rows.len() as u64 > u64::from(limit);
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    last.map(|last| encode(fingerprint, &id(last).to_be_bytes())).unwrap_or_default()
}

/// A fingerprint of a question (FNV-1a, 64 bits): the same on every server of the same version, no secret.
pub(crate) fn fingerprint(question: &impl prost::Message) -> u64 {
    let octets = question.encode_to_vec();
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_tokens() {
        assert_eq!(resumed(&resume(4711)), Some(4711));
        assert_eq!(resumed(&resume(-1)), None);
        assert_eq!(resumed(""), None);
        assert_eq!(resumed(&resume(4711)[2..]), None);
    }

    #[test]
    fn a_token_fits_its_question_only() {
        let token = encode(7, b"SN 17");
        assert_eq!(decode(7, &token).as_deref(), Some(&b"SN 17"[..]));
        assert_eq!(decode(8, &token), None);
        for damaged in
            [&token[1..], &token[..16], "", "zz", "é1", &"00".repeat(600), &format!("02{}", &token[2..])]
        {
            assert_eq!(decode(7, damaged), None, "{damaged}");
        }
    }

    #[test]
    fn fingerprints_differ_with_the_question() {
        let question =
            |model: &str| ami_proto::v1::ListMetersRequest { model: model.into(), ..Default::default() };
        assert_eq!(fingerprint(&question("a")), fingerprint(&question("a")));
        assert_ne!(fingerprint(&question("a")), fingerprint(&question("b")));
    }
}

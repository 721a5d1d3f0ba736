//! Octets in text, as `xsd:hexBinary` has them.

use crate::Error;

/// Most octets of one value.
const OCTETS_MAX: usize = 1 << 20;

/// Two digits for each octet.
pub(crate) fn encode(octets: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    octets.iter().flat_map(|octet| [octet >> 4, octet & 15].map(|digit| DIGITS[usize::from(digit)])).collect()
}

/// The octets of a text.
pub(crate) fn decode(text: &str, what: &'static str) -> Result<Vec<u8>, Error> {
    if text.len() > OCTETS_MAX * 2 {
        return Err(Error::TooLong { what: "octets in a value", limit: OCTETS_MAX });
    }
    let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(Error::Value { what })?;
    let octet = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).map_err(|_| Error::Value { what });
    digits.chunks_exact(2).map(octet).collect()
}

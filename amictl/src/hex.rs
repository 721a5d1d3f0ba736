//! Octets in hexadecimal digits.

/// Digits as octets; `None` when they are odd in number, or no digits.
pub(crate) fn decode(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| {
        let pair = str::from_utf8(pair).ok().filter(|pair| pair.len() == 2 && !pair.starts_with('+'));
        u8::from_str_radix(pair?, 16).ok()
    });
    pairs.collect()
}

/// Octets as small digits.
pub(crate) fn encode(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_pairs() {
        assert_eq!(decode("4D4D4D0000bc614e").unwrap(), b"MMM\0\0\xBC\x61\x4E");
        assert_eq!(decode(""), Some(vec![]));
        assert_eq!(encode(&[0x00, 0xAB]), "00ab");
        for wrong in ["4D4", "4D4G", "+1+1", "é"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}

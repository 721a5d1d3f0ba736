mod names;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A logical name: the OBIS code A-B:C.D.E*F of an object (IEC 62056-61).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Obis([u8; 6]);

/// A text that is no OBIS code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no OBIS code such as 1.0.1.8.0.255 or 1-0:1.8.0*255")]
pub struct ObisError(String);

impl Obis {
    /// The code of these six value groups, A to F.
    pub const fn new(groups: [u8; 6]) -> Self {
        Self(groups)
    }

    /// The six value groups, A to F, as on the wire.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Obis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        write!(f, "{a}.{b}.{c}.{d}.{e}.{last}")
    }
}

impl FromStr for Obis {
    type Err = ObisError;

    fn from_str(text: &str) -> Result<Self, ObisError> {
        parse(text).map(Self).ok_or_else(|| ObisError(text.chars().take(40).collect()))
    }
}

/// Six numbers, separated by dots, or by `-`, `:`, `.`, `.` and `*` in this order; without the last one it is 255.
fn parse(text: &str) -> Option<[u8; 6]> {
    let separators: &[char] = if text.contains('-') { &['-', ':', '.', '.', '*'] } else { &['.'; 5] };
    let mut groups = [255; 6];
    let mut rest = text;
    for (position, group) in groups.iter_mut().enumerate() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        *group = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        match separators.get(position) {
            Some(separator) if !(position == 4 && rest.is_empty()) => rest = rest.strip_prefix(*separator)?,
            Some(_) => break,
            None => {}
        }
    }
    rest.is_empty().then_some(groups)
}

impl Serialize for Obis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Obis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Obis;

    #[test]
    fn both_spellings_are_read() {
        let code = Obis::new([1, 0, 99, 1, 0, 255]);
        assert_eq!("1.0.99.1.0.255".parse(), Ok(code));
        assert_eq!("1-0:99.1.0*255".parse(), Ok(code));
        assert_eq!("1-0:99.1.0".parse(), Ok(code));
        assert_eq!(code.to_string(), "1.0.99.1.0.255");
        for wrong in
            ["", "1.0.99.1", "1.0.99.1.0.256", "1-0.99.1.0*255", "1.0.99.1.0.255.", "1.0.99.1.0.", "a.b"]
        {
            assert!(wrong.parse::<Obis>().is_err(), "{wrong}");
        }
    }
}

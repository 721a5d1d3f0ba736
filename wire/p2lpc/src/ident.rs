use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Medium and channel of a name that leaves them out: electricity, no channel.
const USUAL: [u8; 2] = [1, 0];
/// Value group F of a name that leaves it out.
const NO_HISTORY: u8 = 255;

/// Name of a register or profile: the six groups of OBIS, of which the text may leave some out: `1.8.0` is 1-0:1.8.0.255, `0.1.128.50.0` is
/// 0-1:128.50.0.255.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(pub [u8; 6]);

impl FromStr for Ident {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::Value { what: "the name of a register" };
        let group = |text: &str| text.parse::<u8>().map_err(|_| unknown());
        let groups: Vec<u8> = text.split(['.', '-', ':', '*', '&']).map(group).collect::<Result<_, _>>()?;
        let [medium, channel] = USUAL;
        match groups[..] {
            [c, d, e] => Ok(Self([medium, channel, c, d, e, NO_HISTORY])),
            [a, b, c, d, e] => Ok(Self([a, b, c, d, e, NO_HISTORY])),
            [a, b, c, d, e, f] => Ok(Self([a, b, c, d, e, f])),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, last] = self.0;
        match last {
            NO_HISTORY if [a, b] == USUAL => write!(f, "{c}.{d}.{e}"),
            NO_HISTORY => write!(f, "{a}.{b}.{c}.{d}.{e}"),
            _ => write!(f, "{a}.{b}.{c}.{d}.{e}.{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        assert_eq!("1.8.0".parse(), Ok(Ident([1, 0, 1, 8, 0, 255])));
        assert_eq!("0.1.128.50.0".parse(), Ok(Ident([0, 1, 128, 50, 0, 255])));
        assert_eq!("1-0:1.8.0*101".parse(), Ok(Ident([1, 0, 1, 8, 0, 101])));
        for text in ["", "1.8", "1.8.0.255", "1.8.256", "1.8.x", "1.8.0.0.0.0.0"] {
            assert!(text.parse::<Ident>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(groups: [u8; 6]) {
            prop_assert_eq!(Ident(groups).to_string().parse(), Ok(Ident(groups)));
        }
    }
}

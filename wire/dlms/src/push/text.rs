//! The short text that a meter sends by SMS or UDP (Dutch Smart Meter Requirements 4): its equipment identifier, a comma, and
//! an alarm register or a logical name.

use crate::Obis;

/// Characters of an equipment identifier.
const IDENTIFIER: usize = 17;
const COMMA: u8 = b',';

/// A text push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPush<'a> {
    /// Equipment identifier: 17 visible ASCII characters.
    pub identifier: &'a str,
    /// What the meter says.
    pub content: TextContent,
}

/// What a text push says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextContent {
    /// Bits of the alarm register.
    Alarm(u32),
    /// Name of the object that it is about.
    Object(Obis),
}

impl<'a> TextPush<'a> {
    /// Appends the text, its content as octets.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.identifier.as_bytes());
        out.push(COMMA);
        match self.content {
            TextContent::Alarm(bits) => out.extend_from_slice(&bits.to_be_bytes()),
            TextContent::Object(obis) => out.extend_from_slice(&obis.octets()),
        }
    }

    /// Reads the text, whose content may be octets or, as an SMS has them, hexadecimal digits. `None` when it has another shape.
    pub fn decode(octets: &'a [u8]) -> Option<Self> {
        let (identifier, rest) = octets.split_at_checked(IDENTIFIER)?;
        let content = rest.strip_prefix(&[COMMA])?;
        let identifier = identifier.iter().all(u8::is_ascii_graphic).then_some(identifier)?;
        let content = match content.len() {
            4 | 6 => content.to_vec(),
            8 | 12 => digits(content)?,
            _ => return None,
        };
        let content = match <[u8; 4]>::try_from(content.as_slice()) {
            Ok(bits) => TextContent::Alarm(u32::from_be_bytes(bits)),
            Err(_) => TextContent::Object(Obis::new(content.as_slice().try_into().ok()?)),
        };
        Some(Self { identifier: std::str::from_utf8(identifier).ok()?, content })
    }
}

/// The octets of pairs of hexadecimal digits.
fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

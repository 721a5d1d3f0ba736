/// Plain tag, tag ciphered with the global key, tag ciphered with the dedicated key
/// (IEC 62056-5-3, ASN.1 module COSEMpdu). ACCESS, exception-response and data-notification have
/// none: they travel in a general-ciphering APDU.
const TAGS: [(u8, u8, u8); 16] = [
    (0x01, 0x21, 0x41),
    (0x05, 0x25, 0x45),
    (0x06, 0x26, 0x46),
    (0x08, 0x28, 0x48),
    (0x0C, 0x2C, 0x4C),
    (0x0D, 0x2D, 0x4D),
    (0x0E, 0x2E, 0x4E),
    (0x16, 0x36, 0x56),
    (0x18, 0x38, 0x58),
    (0xC0, 0xC8, 0xD0),
    (0xC1, 0xC9, 0xD1),
    (0xC2, 0xCA, 0xD2),
    (0xC3, 0xCB, 0xD3),
    (0xC4, 0xCC, 0xD4),
    (0xC5, 0xCD, 0xD5),
    (0xC7, 0xCF, 0xD7),
];

/// The `glo-` tag of the APDU that starts with `plain`.
pub fn global_tag(plain: u8) -> Option<u8> {
    TAGS.iter().find(|row| row.0 == plain).map(|row| row.1)
}

/// The `ded-` tag of the APDU that starts with `plain`.
pub fn dedicated_tag(plain: u8) -> Option<u8> {
    TAGS.iter().find(|row| row.0 == plain).map(|row| row.2)
}

/// The tag that the APDU behind a `glo-` or `ded-` tag starts with.
pub fn plain_tag(ciphered: u8) -> Option<u8> {
    TAGS.iter().find(|row| row.1 == ciphered || row.2 == ciphered).map(|row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_leads_back() {
        for plain in 0..=u8::MAX {
            for ciphered in [global_tag(plain), dedicated_tag(plain)].into_iter().flatten() {
                assert_eq!(plain_tag(ciphered), Some(plain), "{ciphered:02X}");
                assert_eq!(global_tag(ciphered), None, "{ciphered:02X} is ciphered already");
            }
        }
    }

    #[test]
    fn services_differ_by_8_and_16_and_the_rest_by_32_and_64() {
        for (plain, global, dedicated) in TAGS {
            let step = if plain < 0x80 { (0x20, 0x40) } else { (0x08, 0x10) };
            assert_eq!((global - plain, dedicated - plain), step, "{plain:02X}");
        }
    }
}

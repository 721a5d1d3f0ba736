//! Ciphered APDUs, opened with keys that are right and altered on the way.

use dlms::security::{Cipher, Envelope, Key, SystemTitle};

const KEY: [u8; 16] = [0xE1; 16];
const AUTHENTICATION_KEY: [u8; 16] = [0xA1; 16];
const SENDER: SystemTitle = SystemTitle::new(*b"MMM\0\0\xBC\x61\x4E");

/// Whatever comes is refused or opened; what opens was sealed with these keys, and with one bit altered it does not open.
pub fn run(octets: &[u8]) {
    let [at, bit, apdu @ ..] = octets else { return };
    let cipher = Cipher::new(&Key::new(KEY), &Key::new(AUTHENTICATION_KEY));
    let mut came = apdu.to_vec();
    if let Ok((envelope, body)) = Envelope::read(&mut came) {
        // The octets as they are: nobody made them with these keys.
        let opened = envelope.open(&cipher, &SENDER, body).is_ok();
        assert!(!opened || !envelope.control.is_authenticated(), "a tag was made without the keys");
    }
    sealed(&cipher, apdu, usize::from(*at), bit % 8);
}

/// The body of an APDU sealed, opened, and opened after one bit was altered.
fn sealed(cipher: &Cipher, apdu: &[u8], at: usize, bit: u8) {
    let mut header = apdu.to_vec();
    let Ok((envelope, body)) = Envelope::read(&mut header) else { return };
    let plain = body.to_vec();
    let mut apdu = Vec::new();
    if plain.is_empty()
        || !envelope.control.is_authenticated()
        || envelope.seal(cipher, &SENDER, &plain, &mut apdu).is_err()
    {
        return;
    }
    let open = |mut apdu: Vec<u8>| {
        let (envelope, body) = Envelope::read(&mut apdu)?;
        envelope.open(cipher, &SENDER, body).map(|plain| plain.to_vec())
    };
    if let Ok(opened) = open(apdu.clone()) {
        assert_eq!(opened, plain);
    }
    let mut altered = apdu.clone();
    let from = apdu.len() - plain.len() - 12;
    let place = from + at % (apdu.len() - from);
    altered[place] ^= 1 << bit;
    assert!(open(altered).is_err(), "an altered APDU was opened");
}

//! What meters send unasked over lines that were opened to ask them something.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use dlms::gateway::Prefix;
use tokio::sync::mpsc;

/// Tags of what only ever comes unasked: data-notification, information-report, event-notification plain and ciphered.
const UNASKED: [u8; 5] = [0x0F, 0x18, 0xC2, 0xCA, 0xD2];
/// Tags of envelopes, which hold pushes where nobody can have been asked.
const ENVELOPES: [u8; 3] = [0xDB, 0xDC, 0xDD];

/// An APDU that came unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unasked {
    /// The name of the line over which it came; several meters may share it.
    pub line: String,
    /// The APDU, as it came.
    pub apdu: Vec<u8>,
}

/// Where such APDUs go. No line waits for whoever takes them.
#[derive(Debug, Default)]
pub(crate) struct Ears(OnceLock<Ear>);

#[derive(Debug)]
struct Ear {
    to: mpsc::Sender<Unasked>,
    turned_away: Arc<AtomicU64>,
}

impl Ears {
    /// Lets them go there, from the first call on; what finds no room is counted.
    pub(crate) fn open(&self, to: mpsc::Sender<Unasked>, turned_away: Arc<AtomicU64>) {
        // Whoever came first stays.
        let _ = self.0.set(Ear { to, turned_away });
    }

    /// Passes one on, if somebody wants it.
    pub(crate) fn hear(&self, line: &str, apdu: &[u8]) {
        let Some(Ear { to, turned_away }) = self.0.get() else { return };
        if to.try_send(Unasked { line: line.to_owned(), apdu: apdu.to_vec() }).is_err() {
            turned_away.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether an APDU was sent unasked. What comes from others than the station that was asked, such as devices behind a gateway, may be so inside an envelope,
/// too.
pub(crate) fn is_unasked(apdu: &[u8], is_stranger: bool) -> bool {
    let (apdu, is_stranger) = Prefix::split(apdu).map_or((apdu, is_stranger), |(_, behind)| (behind, true));
    apdu.first().is_some_and(|tag| UNASKED.contains(tag) || (is_stranger && ENVELOPES.contains(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_devices_push_through_a_gateway_is_unasked_and_what_they_answer_is_not() {
        let through = |apdu: &[u8]| [&[0xE7, 0, 2, b'4', b'2'][..], apdu].concat();
        for (apdu, is_push) in
            [(&[0x0F, 0, 0][..], true), (&[0xC2, 0], true), (&[0xDB, 8], true), (&[0xC4, 1], false)]
        {
            assert_eq!(is_unasked(&through(apdu), false), is_push, "{apdu:02X?}");
        }
        assert!(
            is_unasked(&[0x0F, 0], false) && !is_unasked(&[0xDB, 8], false) && is_unasked(&[0xDB, 8], true)
        );
        assert!(!is_unasked(&[0xE7, 0, 9, 0x0F], false), "the name is longer than what came");
    }
}

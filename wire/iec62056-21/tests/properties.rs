//! What holds for every stream: cut anywhere, of any octets.

use iec62056_21::{DataSets, Identification, Message, Receiver, Session, check_character};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_message_comes_out_as_it_went_in_wherever_it_is_cut(
        body in "[0-9A-Z.()*\r\n]{0,200}", size in 1..40_usize,
    ) {
        let checked = [body.as_bytes(), &[3]].concat();
        let message = [&[2][..], &checked, &[check_character(&checked)]].concat();
        let mut receiver = Receiver::new();
        let mut found = 0;
        for chunk in message.chunks(size) {
            receiver.push(chunk);
            if let Some(whole) = receiver.next_message().unwrap() {
                prop_assert_eq!(whole, Message::Data { body: body.as_bytes(), more: false });
                found += 1;
            }
        }
        prop_assert_eq!(found, 1);
    }

    #[test]
    fn no_octets_break_a_decoder(octets in vec(any::<u8>(), 0..300)) {
        let mut receiver = Receiver::new();
        receiver.push(&octets);
        // Each call uses up at least one octet or says that it waits.
        for _ in 0..=octets.len() {
            if matches!(receiver.next_message(), Ok(None)) {
                break;
            }
        }
        prop_assert_eq!(receiver.next_message(), Ok(None));
        prop_assert!(DataSets::of(&octets).count() <= octets.len() + 1);
        let _ = Identification::decode(&octets);
        let mut out = Vec::new();
        let mut session = Session::open("1", &mut out).unwrap();
        session.push(&octets);
        for _ in 0..=octets.len() {
            let _ = session.poll(&mut out);
        }
    }
}

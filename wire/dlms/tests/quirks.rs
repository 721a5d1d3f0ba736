//! Habits in which meters differ from the standard, each taken from a meter.

use dlms::DateTime;
use dlms::apdu::{DataNotification, DataNotificationConfirm, LongInvokeId};
use dlms::axdr::Data;

/// 2017-09-15 05:33:40, and a structure without elements.
const TIME: [u8; 12] = [0x07, 0xE1, 9, 15, 5, 5, 33, 40, 255, 0x80, 0, 0];
const BODY: [u8; 2] = [2, 0];

#[test]
fn the_time_of_a_notification_may_have_its_type_in_front() {
    let invoke = [0x0F, 0x40, 0, 0, 0];
    let expected = DataNotification {
        invoke: LongInvokeId::new(0x4000_0000),
        time: Some(DateTime::new(TIME)),
        body: &BODY,
    };
    for in_front in [&[12][..], &[9, 12], &[25], &[0x81, 12]] {
        let apdu = [&invoke[..], in_front, &TIME, &BODY].concat();
        assert_eq!(DataNotification::decode(&apdu).as_ref(), Ok(&expected), "{in_front:02X?}");
        let confirm = [&[0x10, 0x40, 0, 0, 0][..], in_front, &TIME].concat();
        assert_eq!(DataNotificationConfirm::decode(&confirm).unwrap().time, expected.time);
    }
    // What is sent is the standard's own form.
    let mut sent = Vec::new();
    expected.encode(&mut sent);
    assert_eq!(sent, [&invoke[..], &[12], &TIME, &BODY].concat());
}

#[test]
fn a_date_and_time_is_an_octet_string_or_a_value_of_its_own() {
    let time = DateTime::new(TIME);
    assert_eq!(DateTime::of(&Data::DateTime(time), "clock"), Ok(time));
    assert_eq!(DateTime::of(&Data::OctetString(TIME.to_vec()), "clock"), Ok(time));
    assert!(DateTime::of(&Data::OctetString(TIME[..11].to_vec()), "clock").is_err());
    assert!(DateTime::of(&Data::Unsigned(1), "clock").is_err());
}

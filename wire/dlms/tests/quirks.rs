//! Habits in which meters differ from the standard, each taken from a meter.

use dlms::apdu::{
    ActionResponse, ActionReturn, DataNotification, DataNotificationConfirm, LongInvokeId, action,
};
use dlms::axdr::Data;
use dlms::decode::{Secrets, decode};
use dlms::{ActionResult, DataAccessResult, DateTime, Error, ExceptionResponse, ServiceError, StateError};

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

#[test]
fn a_method_that_returns_nothing_need_not_say_so() {
    for (code, result) in [(0, ActionResult::Success), (3, ActionResult::ReadWriteDenied)] {
        let expected = ActionReturn { result, returned: None };
        for answer in [&[0xC7, 1, 0xC1, code][..], &[0xC7, 1, 0xC1, code, 0]] {
            let response = ActionResponse::decode(answer).unwrap();
            assert!(
                matches!(response, ActionResponse::Normal { returned, .. } if returned == expected),
                "{answer:02X?}"
            );
            assert_eq!(decode(answer, &Secrets::default()).stop, None);
        }
        let several = [2, 0, 0, code];
        assert_eq!(action::read_returns(&several).unwrap()[1], expected);
    }
    assert_eq!(ActionResponse::decode(&[0xC7, 1, 0xC1, 0, 1]), Err(Error::Truncated));
}

#[test]
fn what_a_method_returns_need_not_say_that_it_is_a_value() {
    let proof = [&[9, 16][..], &[0xAB; 16]].concat();
    let returned = |answer: &[u8]| match ActionResponse::decode(answer) {
        Ok(ActionResponse::Normal { returned, .. }) => {
            returned.returned.map(|value| value.map(<[u8]>::to_vec))
        }
        other => panic!("{other:?}"),
    };
    for in_front in [&[1][..], &[1, 0]] {
        let answer = [&[0xC7, 1, 0xC1, 0][..], in_front, &proof].concat();
        assert_eq!(returned(&answer), Some(Ok(proof.clone())));
        assert_eq!(decode(&answer, &Secrets::default()).stop, None);
    }
    // What can be a choice is one.
    assert_eq!(returned(&[0xC7, 1, 0xC1, 0, 1, 1, 3]), Some(Err(DataAccessResult::ReadWriteDenied)));
}

#[test]
fn a_refused_counter_need_not_come_with_the_one_expected() {
    let refused = |expected_counter| ExceptionResponse {
        state: StateError::ServiceNotAllowed,
        service: ServiceError::InvocationCounterError,
        expected_counter,
    };
    assert_eq!(ExceptionResponse::decode(&[0xD8, 1, 6]), Ok(refused(None)));
    assert_eq!(ExceptionResponse::decode(&[0xD8, 1, 6, 0, 0, 1, 4]), Ok(refused(Some(260))));
    assert_eq!(ExceptionResponse::decode(&[0xD8, 1, 6, 0, 0, 1]), Err(Error::Truncated));
    assert_eq!(decode(&[0xD8, 1, 6], &Secrets::default()).stop, None);
}

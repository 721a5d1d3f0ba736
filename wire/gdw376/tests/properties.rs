//! What holds for any octets.

use gdw376::{
    Address, Afn, Control, Frame, Sequence, Splitter, USER_DATA_MAX,
    forward::{Forwarded, Order},
    link::Test,
    meters::Configured,
    terminal::{Answer, Question},
};
use proptest::{collection::vec, prelude::*};

proptest! {
    #[test]
    fn a_frame_reads_back(
        region: u16,
        terminal: u16,
        station in 0_u8..128,
        is_group: bool,
        (control, afn, sequence) in any::<(u8, u8, u8)>(),
        body in vec(any::<u8>(), 0..300),
        noise in vec(any::<u8>().prop_filter("no start", |octet| *octet != 0x68), 0..20),
    ) {
        let address = Address { region, terminal, station, is_group };
        let (control, afn, sequence) = (Control(control), Afn(afn), Sequence(sequence));
        let frame = Frame { control, address, afn, sequence, body: &body };
        let mut octets = noise.clone();
        frame.encode(&mut octets).unwrap();
        let whole = Frame::read(&octets[noise.len()..], USER_DATA_MAX);
        prop_assert_eq!(whole, Ok(Some((frame, octets.len() - noise.len()))));
        let mut splitter = Splitter::new(USER_DATA_MAX);
        splitter.push(&octets);
        prop_assert_eq!(splitter.next_frame(), Some(frame));
        prop_assert_eq!(splitter.rejected().octets, noise.len() as u64);
        if !is_group {
            prop_assert_eq!(Address::parse(&address.to_string()), Some(address.by(0)));
        }
    }

    #[test]
    fn any_octets_are_survived(octets in vec(prop_oneof![any::<u8>(), Just(0x68), Just(0x16)], 0..200)) {
        let mut splitter = Splitter::new(USER_DATA_MAX);
        splitter.push(&octets);
        while let Some(frame) = splitter.next_frame() {
            let _ = (Test::read(&frame), Order::read(&frame), Forwarded::read(&frame));
            let _ = (Question::read(&frame), Answer::read(&frame));
        }
    }

    #[test]
    fn any_forwarding_is_survived(data in vec(any::<u8>(), 0..40), up: bool) {
        let control = if up { Control::ANSWER } else { Control::REQUEST };
        let mut body = vec![0, 0, 1, 0];
        body.extend(data);
        let address = Address { region: 0, terminal: 0, station: 0, is_group: false };
        let frame = Frame { control, address, afn: Afn::FORWARD, sequence: Sequence::single(0), body: &body };
        if let Ok(order) = Order::read(&frame) {
            let mut out = Vec::new();
            order.encode(address, 0, &mut out).unwrap();
            let (again, _) = Frame::read(&out, USER_DATA_MAX).unwrap().unwrap();
            let again = Order::read(&again).unwrap();
            prop_assert_eq!((again.frame, again.answer_within), (order.frame, order.answer_within));
        }
        let _ = Forwarded::read(&frame);
    }

    #[test]
    fn configured_meters_read_back(
        (first, count) in (1_u16..2000, 1_u16..40),
        meters in vec((1_u16..2041, 0_u16..2041, any::<[u8; 6]>()), 0..60),
        cut in 0_usize..1700,
    ) {
        let address = Address { region: 0x755, terminal: 7, station: 1, is_group: false };
        let question = Question::Meters { first, count };
        let mut asked = Vec::new();
        question.encode(address, 3, &mut asked).unwrap();
        let (asked, _) = Frame::read(&asked, USER_DATA_MAX).unwrap().unwrap();
        prop_assert_eq!(Question::read(&asked), Ok(question));
        let meters = meters.into_iter().map(|(number, point, address)| Configured { number, point, address });
        let answer = Answer::Meters(meters.collect());
        let mut said = Vec::new();
        answer.encode(question, (address, 3), &mut said).unwrap();
        let (said, _) = Frame::read(&said, USER_DATA_MAX).unwrap().unwrap();
        prop_assert_eq!(Answer::read(&said), Ok(answer));
        if cut < said.body.len() {
            let cut = Frame { body: &said.body[..cut], ..said };
            prop_assert!(Answer::read(&cut).is_err());
        }
    }

    #[test]
    fn the_address_of_a_configured_meter_is_its_name(address: [u8; 6]) {
        let meter = Configured { number: 1, point: 1, address };
        let again = meter.name().map(|name| Configured::address_of(&name));
        prop_assert_eq!(again, (address != [0; 6]).then_some(Some(address)));
    }
}

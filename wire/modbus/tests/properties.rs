//! What holds for every stream: cut anywhere, between noise, damaged anywhere.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use modbus::{Answer, Answers, Format, Kind, Number, Order, Request, Requests, Table, write_answer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const SERVER: u8 = 17;

fn read(count: u16) -> Request<'static> {
    Request::Read { table: Table::InputRegisters, first: 0, count }
}

fn answered(registers: &[u16]) -> (Request<'static>, Vec<u8>, Vec<u8>) {
    let request = read(u16::try_from(registers.len()).unwrap());
    let octets: Vec<u8> = registers.iter().flat_map(|register| register.to_be_bytes()).collect();
    let mut frame = Vec::new();
    write_answer(SERVER, &request, &octets, &mut frame).unwrap();
    (request, octets, frame)
}

proptest! {
    #[test]
    fn an_answer_is_found_between_noise_wherever_the_stream_is_cut(
        registers in vec(any::<u16>(), 1..=125),
        noise in vec(any::<u8>().prop_filter("no start", |octet| *octet != SERVER), 0..300),
        size in 1..60_usize,
    ) {
        let (request, octets, frame) = answered(&registers);
        let mut answers = Answers::new();
        let mut found = Vec::new();
        for chunk in [&noise[..], &frame[..], &noise[..]].concat().chunks(size) {
            answers.push(chunk);
            if let Some(Answer::Read(read)) = answers.answer(SERVER, &request).unwrap() {
                found.push(read.to_vec());
            }
        }
        prop_assert_eq!(found, vec![octets]);
    }

    #[test]
    fn a_damaged_octet_never_passes(registers in vec(any::<u16>(), 1..=125), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (request, _, mut frame) = answered(&registers);
        let at = at.index(frame.len());
        frame[at] ^= 1 << bit;
        let mut answers = Answers::new();
        answers.push(&frame);
        prop_assert_eq!(answers.answer(SERVER, &request), Ok(None));
    }

    #[test]
    fn no_octets_break_a_decoder(octets in vec(any::<u8>(), 0..600), count in 1..125_u16) {
        let (mut answers, mut requests) = (Answers::new(), Requests::of(1));
        answers.push(&octets);
        let _ = answers.answer(octets.first().copied().unwrap_or_default(), &read(count));
        requests.push(&octets);
        while requests.next_request().is_some() {}
        for kind in [Kind::Unsigned, Kind::Signed, Kind::Bcd, Kind::Float] {
            let _ = Format { registers: 2, kind, order: Order::Badc }.read(&octets);
        }
    }

    #[test]
    fn a_number_is_read_as_it_was_written(
        mantissa in any::<i64>(),
        registers in select(vec![1_u8, 2, 4]),
        kind in select(vec![Kind::Unsigned, Kind::Signed, Kind::Bcd]),
        order in select(vec![Order::Abcd, Order::Cdab, Order::Badc, Order::Dcba]),
    ) {
        let format = Format { registers, kind, order };
        let number = Number { mantissa, exponent: 0 };
        let mut out = Vec::new();
        if format.write(number, &mut out).is_some() {
            prop_assert_eq!(format.read(&out), Ok(number));
            prop_assert_eq!(out.len(), format.octets());
        } else {
            prop_assert!(out.is_empty());
        }
    }

    #[test]
    fn every_float_has_one_decimal_that_leads_back(bits in any::<u32>()) {
        let format = Format { registers: 2, kind: Kind::Float, order: Order::Abcd };
        if let Ok(number) = format.read(&bits.to_be_bytes()) {
            let mut out = Vec::new();
            prop_assert_eq!(format.write(number, &mut out), Some(()));
            // Zero has two signs and one meaning.
            prop_assert!(out == bits.to_be_bytes() || number.mantissa == 0);
        }
    }
}

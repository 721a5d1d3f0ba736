//! What holds for every stream: cut anywhere, between noise, damaged anywhere.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use dlt645::{
    Address, Answer, Authority, CLASS_OCTETS, CLASSES, Control, DaySlot, Edition, Format, Function,
    Identifier, Moment, Record, Request, Splitter, frame, read_day_slots, records, write_day_slots,
};
use proptest::collection::vec;
use proptest::prelude::*;

type Parts = ([u8; 6], u8, Vec<u8>);

fn parts() -> impl Strategy<Value = Parts> {
    (any::<[u8; 6]>(), any::<u8>(), vec(any::<u8>(), 0..=200))
}

fn framed((address, control, data): &Parts) -> Vec<u8> {
    let mut out = Vec::new();
    frame(Address::from_wire(*address), Control::new(*control), data, &mut out).unwrap();
    out
}

fn split(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<Parts> {
    let (mut splitter, mut found) = (Splitter::new(), Vec::new());
    for chunk in chunks {
        splitter.push(&chunk);
        while let Some(frame) = splitter.next_frame() {
            found.push((frame.address.wire(), frame.control.octet(), frame.data.to_vec()));
        }
    }
    found
}

fn slot() -> impl Strategy<Value = DaySlot> {
    (0..24_u8, 0..60_u8, 1..100_u8).prop_map(|(hour, minute, number)| DaySlot { hour, minute, number })
}

#[test]
fn hb_12_a_day_table_of_twelve_places_holds_twelve_slots_and_not_thirteen() {
    let slots: Vec<_> = (0..13).map(|hour| DaySlot { hour, minute: 30, number: 1 + hour % 2 }).collect();
    let mut octets = Vec::new();
    write_day_slots(&slots[..12], 12, &mut octets).unwrap();
    assert_eq!((octets.len(), &octets[..6]), (36, &[0x01, 0x30, 0x00, 0x02, 0x30, 0x01][..]));
    assert_eq!(read_day_slots(&octets).unwrap(), slots[..12]);
    assert_eq!(write_day_slots(&slots, 12, &mut Vec::new()), None);
    let none = DaySlot { hour: 24, minute: 0, number: 1 };
    assert_eq!(write_day_slots(&[none], 12, &mut Vec::new()), None);
    assert!(read_day_slots(&[0x01, 0x60, 0x00]).is_err() && read_day_slots(&octets[..35]).is_err());
}

proptest! {
    #[test]
    fn a_day_table_comes_out_as_it_went_in(mut slots in vec(slot(), 0..=14), more in 0..3_usize) {
        slots.dedup();
        let (places, mut octets) = ((slots.len() + more).min(14), Vec::new());
        write_day_slots(&slots, places, &mut octets).unwrap();
        prop_assert_eq!(read_day_slots(&octets).unwrap(), slots);
    }

    #[test]
    fn no_octets_are_too_much_for_a_day_table(octets in vec(any::<u8>(), 0..60)) {
        let _ = read_day_slots(&octets);
    }

    #[test]
    fn frames_come_out_as_they_went_in_wherever_the_stream_is_cut(
        frames in vec(parts(), 1..5), wake in 0..5_usize, size in 1..60_usize,
    ) {
        let stream: Vec<u8> =
            frames.iter().flat_map(|parts| [vec![0xFE; wake], framed(parts)].concat()).collect();
        prop_assert_eq!(split(stream.chunks(size).map(<[u8]>::to_vec)), frames);
    }

    #[test]
    fn noise_in_front_costs_no_frame(noise in vec(any::<u8>().prop_filter("no start", |octet| *octet != 0x68), 0..80), parts in parts()) {
        let stream = [noise, framed(&parts)].concat();
        prop_assert_eq!(split(std::iter::once(stream)), vec![parts]);
    }

    #[test]
    fn a_start_without_an_end_costs_no_frame_behind_it(parts in parts(), cut in 1..12_usize, other in parts()) {
        let false_start = &framed(&other)[..cut];
        prop_assert_eq!(split(std::iter::once([false_start, &framed(&parts)].concat())), vec![parts]);
    }

    #[test]
    fn a_damaged_octet_never_passes(parts in parts(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut octets = framed(&parts);
        let at = at.index(octets.len());
        octets[at] ^= 1 << bit;
        prop_assert!(!split(std::iter::once(octets)).contains(&parts));
    }

    #[test]
    fn no_octets_break_a_decoder(octets in vec(any::<u8>(), 0..300), item in any::<u32>(), part in any::<u8>()) {
        let mut splitter = Splitter::new();
        splitter.push(&octets);
        while let Some(frame) = splitter.next_frame() {
            for edition in [Edition::Of1997, Edition::Of2007] {
                for request in
                    [Request::Read(Identifier(item)), Request::ReadNext(Identifier(item), part), Request::ReadAddress]
                {
                    let _ = Answer::read(edition, &request, &frame);
                }
            }
        }
        for width in 1..=8 {
            let _ = Format { octets: width, decimals: 2, signed: part % 2 == 0 }.read(&octets, 0);
        }
    }

    #[test]
    fn an_order_to_clear_says_who_orders_it_and_whom_and_nothing_else(
        digits in 0..1_000_000_000_000_u64, level in 0..10_u8, password in any::<[u8; 3]>(), operator in any::<[u8; 4]>(),
    ) {
        let (address, mut out): (Address, _) = (digits.to_string().parse().unwrap(), Vec::new());
        Request::ClearMeter(Authority { level, password, operator }).encode(Edition::Of2007, address, &mut out).unwrap();
        let code = Function::ClearMeter.code(Edition::Of2007).unwrap();
        let data = [&[level][..], &password, &operator].concat();
        prop_assert_eq!(split(out.chunks(7).map(<[u8]>::to_vec)), vec![(address.wire(), code, data)]);
    }

    #[test]
    fn a_number_is_read_as_it_was_written(mantissa in -99_999_999_i64..=99_999_999, width in 4..=8_u8) {
        let format = Format { octets: width, decimals: 3, signed: true };
        let mut out = Vec::new();
        if format.write(mantissa, &mut out).is_some() {
            let number = format.read(&out, 0).unwrap().unwrap();
            prop_assert_eq!((number.mantissa, number.exponent), (mantissa, -3));
        }
    }

    #[test]
    fn load_records_are_read_as_they_were_written(
        minutes in vec((0..60_u8, 0..24_u8, 1..29_u8, 1..13_u8, 0..100_u8), 0..9),
        digits in vec(0..10_u8, 48), recorded in vec(any::<bool>(), CLASSES), class in prop::option::of(1..=6_u8), damaged in any::<bool>(),
    ) {
        let mut classes: [&[u8]; CLASSES] = [&[]; CLASSES];
        for (number, octets) in CLASS_OCTETS.into_iter().enumerate() {
            if recorded[number] && class.is_none_or(|class| usize::from(class) == number + 1) {
                classes[number] = &digits[..usize::from(octets)];
            }
        }
        let written: Vec<_> = minutes
            .into_iter()
            .map(|(minute, hour, day, month, year)| Record {
                at: Moment { year, month, day, hour, minute, second: 0 },
                classes,
                damaged,
            })
            .collect();
        let mut out = Vec::new();
        for record in &written {
            record.write(class, &mut out).unwrap();
        }
        prop_assert_eq!(records(&out, class), Ok(written));
    }

    #[test]
    fn no_octets_break_the_reader_of_load_records(octets in vec(any::<u8>(), 0..300), class in prop::option::of(any::<u8>())) {
        let _ = records(&octets, class);
        let _ = records(&[&[0xA0, 0xA0][..], &octets].concat(), class);
    }
}

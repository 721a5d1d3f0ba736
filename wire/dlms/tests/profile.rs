//! Rows of a profile, straight into columns, however the buffer is cut.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use dlms::profile::{
    CaptureObject, Column, NullRule, ROW_MAX, RowDecoder, Rows, Unread, Unreadable, decode_list, encode_list,
};
use dlms::{DateTime, Error, Obis};
use proptest::prelude::*;

use Column::{Clock, Float, Ignored, Status, Text, Time, Value};

/// 2024-03-31 01:15:00, UTC+1.
const CLOCK: [u8; 12] = [0x07, 0xE8, 3, 31, 7, 1, 15, 0, 0, 0xFF, 0xC4, 0];

fn decode(columns: &[Column], rule: NullRule, pieces: &[&[u8]]) -> Result<(Rows, u64), Error> {
    let mut rows = Rows::default();
    let mut decoder = RowDecoder::new(columns.to_vec(), rule);
    for piece in pieces {
        decoder.push(piece, &mut rows)?;
    }
    Ok((rows, decoder.finish()?))
}

fn clock_cell() -> Vec<u8> {
    [&[9, 12], &CLOCK[..]].concat()
}

/// An array of structures out of encoded cells.
fn buffer(rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = vec![1, u8::try_from(rows.len()).unwrap()];
    for row in rows {
        bytes.extend([2, u8::try_from(row.len()).unwrap()]);
        bytes.extend(row.concat());
    }
    bytes
}

#[test]
fn a_row_becomes_columns() {
    let bytes = buffer(&[vec![
        clock_cell(),
        vec![4, 16, 0x80, 0x01],         // bit-string of 16
        vec![6, 0x00, 0x00, 0x05, 0xED], // double-long-unsigned
        vec![10, 3, b'a', b'b', b'c'],   // visible-string
        vec![16, 0xFF, 0xFE],            // long
    ]]);
    let (rows, count) = decode(&[Clock, Status, Value, Ignored, Value], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!(count, 1);
    assert_eq!(rows.width, 2);
    assert_eq!(rows.clocks, [Some(DateTime::new(CLOCK))]);
    assert_eq!(rows.statuses, [Some(0x8001)]);
    assert_eq!(rows.values, [Some(1517), Some(-2)]);
}

#[test]
fn a_string_is_text_and_nothing_else_is() {
    let rows = [
        vec![vec![17, 3], vec![9, 2, b'n', b'1']],
        vec![vec![17, 1], vec![0]],
        vec![vec![17, 2], vec![10, 0]],
    ];
    let bytes = buffer(&rows);
    for cut in 0..bytes.len() {
        let (rows, count) =
            decode(&[Value, Text], NullRule::Repeat, &[&bytes[..cut], &bytes[cut..]]).unwrap();
        assert_eq!((count, rows.values), (3, vec![Some(3), Some(1), Some(2)]), "cut at {cut}");
        assert_eq!(rows.texts, [Some(b"n1".to_vec()), None, Some(Vec::new())]);
    }
    assert_eq!(unread(Text, &[17, 3]), (true, vec![17, 3]));
}

#[test]
fn every_integer_type_is_a_value() {
    let cells: [(&[u8], i64); 13] = [
        (&[3, 1], 1),
        (&[5, 0x80, 0, 0, 0], i64::from(i32::MIN)),
        (&[6, 0xFF, 0xFF, 0xFF, 0xFF], i64::from(u32::MAX)),
        (&[13, 0x42], 42),
        (&[15, 0x80], -128),
        (&[16, 0x80, 0x00], -32768),
        (&[17, 0xFF], 255),
        (&[18, 0xFF, 0xFF], 65535),
        (&[20, 0x80, 0, 0, 0, 0, 0, 0, 0], i64::MIN),
        (&[21, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], i64::MAX),
        (&[22, 7], 7),
        (&[5, 0, 0, 0, 9], 9),
        (&[3, 0], 0),
    ];
    for (cell, value) in cells {
        let bytes = buffer(&[vec![cell.to_vec()]]);
        let (rows, _) = decode(&[Value], NullRule::Absent, &[&bytes]).unwrap();
        assert_eq!(rows.values, [Some(value)], "{cell:02X?}");
    }
}

#[test]
fn a_delta_adds_to_the_row_before() {
    let bytes = buffer(&[
        vec![vec![6, 0, 0, 1, 0]],  // 256
        vec![vec![28, 0xFF]],       // delta-integer -1
        vec![vec![0]],              // null-data
        vec![vec![32, 0x01, 0x00]], // delta-long-unsigned 256
    ]);
    let (rows, _) = decode(&[Value], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!(rows.values, [Some(256), Some(255), Some(255), Some(511)]);
    assert_eq!(unread(Value, &[28, 1]), (false, vec![28, 1]), "there is nothing to add to");
}

#[test]
fn null_data_repeats_or_is_absent() {
    let bytes = buffer(&[
        vec![vec![0], vec![0], vec![0]],
        vec![clock_cell(), vec![17, 8], vec![17, 1]],
        vec![vec![0], vec![0], vec![0]],
    ]);
    let (rows, _) = decode(&[Clock, Status, Value], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!(rows.clocks.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(rows.statuses, [None, Some(8), Some(8)]);
    assert_eq!(rows.values, [None, Some(1), Some(1)]);
    let (rows, _) = decode(&[Clock, Status, Value], NullRule::Absent, &[&bytes]).unwrap();
    assert_eq!(rows.statuses, [None, Some(8), None]);
    assert_eq!(rows.values, [None, Some(1), None]);
}

#[test]
fn null_data_repeats_across_drained_rows() {
    let bytes = buffer(&[vec![vec![17, 5]], vec![vec![0]]]);
    let mut decoder = RowDecoder::new(vec![Value], NullRule::Repeat);
    let mut rows = Rows::default();
    decoder.push(&bytes[..6], &mut rows).unwrap();
    assert_eq!(rows.values, [Some(5)]);
    rows.clear();
    decoder.push(&bytes[6..], &mut rows).unwrap();
    assert_eq!(rows.values, [Some(5)]);
}

#[test]
fn typed_clocks_are_clocks() {
    let bytes = buffer(&[vec![[&[25], &CLOCK[..]].concat()]]);
    let (rows, _) = decode(&[Clock], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!(rows.clocks, [Some(DateTime::new(CLOCK))]);
}

/// Cells of both sizes, null-data, and a whole number among them: 230.4, the same, 0.1, 49.98 and 5.
#[test]
fn floats_are_the_decimals_that_the_meter_shows_in_billionths() {
    let cells: [&[u8]; 5] = [
        &[23, 0x43, 0x66, 0x66, 0x66],
        &[0],
        &[24, 0x3F, 0xB9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9A],
        &[23, 0x42, 0x47, 0xEB, 0x85],
        &[17, 5],
    ];
    let bytes = buffer(&cells.map(|cell| vec![vec![17, 7], cell.to_vec(), vec![9, 0]]));
    let billionths = [230_400_000_000, 230_400_000_000, 100_000_000, 49_980_000_000, 5_000_000_000];
    for cut in 0..bytes.len() {
        let mut decoder = RowDecoder::new(vec![Value, Value, Ignored], NullRule::Repeat);
        let (mut rows, mut shown) = (Rows::default(), Vec::new());
        for piece in [&bytes[..cut], &bytes[cut..]] {
            decoder.push(piece, &mut rows).unwrap();
            shown.extend(rows.values.chunks(2).map(|row| row[1]));
            rows.clear();
        }
        assert_eq!(shown, billionths.map(Some), "cut at {cut}");
        assert_eq!(decoder.columns(), [Value, Float, Ignored]);
    }
    let bytes = compact(&[17, 23], &[vec![7, 0x43, 0x66, 0x66, 0x66]]);
    let (rows, _) = decode(&[Value, Value], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!(rows.values, [Some(7), Some(230_400_000_000)]);
    // A column of floats stays one where an answer holds nothing but whole numbers.
    let (rows, _) = decode(&[Float], NullRule::Repeat, &[&buffer(&[vec![vec![17, 5]]])]).unwrap();
    assert_eq!(rows.values, [Some(5_000_000_000)]);
}

#[test]
fn a_float_among_whole_numbers_is_no_value() {
    let float = vec![23, 0x43, 0x66, 0x66, 0x66];
    let bytes = buffer(&[vec![vec![17, 5]], vec![vec![9, 0]], vec![float.clone()], vec![vec![17, 6]]]);
    for cut in 0..bytes.len() {
        let (rows, _) = decode(&[Value], NullRule::Repeat, &[&bytes[..cut], &bytes[cut..]]).unwrap();
        assert_eq!(rows.values, [Some(5), None, None, Some(6)], "cut at {cut}");
        assert_eq!(rows.unread[1].octets, float);
    }
}

/// The only thing that cannot be read of a row of one cell: whether it is of another type, and its octets.
fn unread(column: Column, cell: &[u8]) -> (bool, Vec<u8>) {
    let (rows, _) = decode(&[column], NullRule::Repeat, &[&buffer(&[vec![cell.to_vec()]])]).unwrap();
    assert_eq!((rows.len(), rows.values.iter().flatten().count()), (1, 0));
    match &rows.unread[..] {
        [Unread { row: 0, what: Unreadable::Cell { column: 0, is_type }, octets }] => {
            (*is_type, octets.clone())
        }
        other => panic!("{other:?}"),
    }
}

/// C-10: what a column cannot hold is no value, and its octets are kept.
#[test]
fn what_does_not_fit_is_no_value_and_its_octets_are_kept() {
    let types: [(Column, &[u8]); 8] = [
        (Value, &[23, 0x7F, 0xC0, 0, 0]),
        (Value, &[24, 0xFF, 0xF0, 0, 0, 0, 0, 0, 0]),
        (Float, &[9, 1, 7]),
        (Value, &[9, 1, 7]),
        (Value, &[4, 8, 0]),
        (Value, &[2, 2, 17, 1, 17, 2]),
        (Status, &[9, 1, 0]),
        (Status, &[4, 40, 0, 0, 0, 0, 0]),
    ];
    for (column, cell) in types {
        assert_eq!(unread(column, cell), (true, cell.to_vec()));
    }
    let numbers: [(Column, &[u8]); 6] = [
        // 1e10, 0.3 and three parts in ten to the seventeenth, and a delta that there is nothing to add to.
        (Value, &[23, 0x50, 0x15, 0x02, 0xF9]),
        (Value, &[24, 0x3F, 0xD3, 0x33, 0x33, 0x33, 0x33, 0x33, 0x34]),
        (Float, &[28, 1]),
        (Value, &[21, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        (Status, &[15, 0xFF]),
        (Value, &[13, 0x0A]),
    ];
    for (column, cell) in numbers {
        assert_eq!(unread(column, cell), (false, cell.to_vec()));
    }
}

/// C-29: a row whose time is none is there, with the octets of all of it.
#[test]
fn a_row_without_a_usable_time_keeps_its_octets_and_costs_no_other() {
    let never = [&[9, 12], &[0xFF; 12][..]].concat();
    // 2024-03-31 24:00:65: a second that no clock shows is none of the next day's.
    let mut behind = [&[9, 12], &CLOCK[..]].concat();
    behind.splice(7..10, [24, 0, 65]);
    assert_eq!(decode(&[Clock], NullRule::Repeat, &[&buffer(&[vec![behind]])]).unwrap().0.unread.len(), 1);
    let clocks = [never, vec![9, 0], vec![17, 0], vec![0], clock_cell(), vec![0]];
    let rows = clocks.map(|clock| vec![clock, vec![17, 3]]);
    let bytes = buffer(&rows);
    let (decoded, count) = decode(&[Clock, Value], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!((count, decoded.values), (6, vec![Some(3); 6]));
    let never = Some(DateTime::UNSPECIFIED);
    assert_eq!(decoded.clocks, [never, never, never, None, Some(DateTime::new(CLOCK)), None]);
    let of_rows = decoded.unread.iter().filter(|unread| unread.what == Unreadable::Time);
    let kept: Vec<_> = of_rows.map(|unread| (unread.row, unread.octets.clone())).collect();
    let whole = |row: usize| (row, [&[2, 2][..], &rows[row].concat()].concat());
    assert_eq!(kept, [whole(0), whole(1), whole(2), whole(3)], "what is counted from none is none");
}

#[test]
fn what_could_not_be_read_is_not_repeated() {
    let bytes = buffer(
        &[[17, 5].to_vec(), [9, 1, 1].to_vec(), [0].to_vec(), [28, 1].to_vec()].map(|cell| vec![cell]),
    );
    let (rows, _) = decode(&[Value], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!(rows.values, [Some(5), None, None, None]);
    assert_eq!(
        rows.unread.iter().map(|unread| unread.row).collect::<Vec<_>>(),
        [1, 3],
        "a delta of nothing is none"
    );
}

#[test]
fn a_row_of_another_shape_is_put_aside_where_that_is_wanted() {
    let bytes =
        buffer(&[vec![vec![17, 1]], vec![vec![17, 1], vec![9, 1, 2]], vec![vec![0]], vec![vec![17, 3]]]);
    for cut in 0..bytes.len() {
        let mut rows = Rows::default();
        let mut decoder = RowDecoder::new(vec![Value], NullRule::Repeat).lenient();
        decoder.push(&bytes[..cut], &mut rows).unwrap();
        decoder.push(&bytes[cut..], &mut rows).unwrap();
        assert_eq!(decoder.finish(), Ok(4));
        assert_eq!(rows.values, [Some(1), None, Some(3)], "cut at {cut}");
        let aside =
            Unread { row: 1, what: Unreadable::Row { elements: 2 }, octets: vec![2, 2, 17, 1, 9, 1, 2] };
        let behind = [(1, vec![2, 1, 0]), (2, vec![2, 1, 17, 3])];
        let behind = behind.map(|(row, octets)| Unread { row, what: Unreadable::Time, octets });
        assert_eq!(rows.unread[0], aside, "cut at {cut}");
        assert_eq!(rows.unread[1..], behind, "their times follow from it");
    }
}

#[test]
fn a_row_of_the_wrong_shape_is_named_and_the_rows_before_stay() {
    let bytes = buffer(&[vec![vec![17, 1]], vec![vec![17, 1], vec![17, 2]]]);
    let mut rows = Rows::default();
    let mut decoder = RowDecoder::new(vec![Value], NullRule::Repeat);
    let pushed = decoder.push(&bytes, &mut rows);
    assert_eq!(pushed, Err(Error::RowShape { expected: 1, got: 2 }));
    assert_eq!(rows.values, [Some(1)]);
}

#[test]
fn fewer_or_more_rows_than_announced_are_refused() {
    let bytes = buffer(&[vec![vec![17, 1]], vec![vec![17, 2]]]);
    for end in 2..bytes.len() {
        let got = u64::from(end >= 6);
        let cut = decode(&[Value], NullRule::Repeat, &[&bytes[..end]]);
        assert_eq!(cut, Err(Error::RowCount { expected: 2, got }), "cut at {end}");
    }
    for end in 0..2 {
        assert_eq!(decode(&[Value], NullRule::Repeat, &[&bytes[..end]]), Err(Error::Truncated));
    }
    let trailing = decode(&[Value], NullRule::Repeat, &[&bytes, &[0]]);
    assert_eq!(trailing, Err(Error::Trailing { left: 1 }));
    assert_eq!(decode(&[Value], NullRule::Repeat, &[&[1, 0]]).unwrap().1, 0);
    assert_eq!(decode(&[Value], NullRule::Repeat, &[&[0]]).unwrap().1, 0, "null-data");
    assert!(matches!(decode(&[Value], NullRule::Repeat, &[&[2, 0]]), Err(Error::DataType { .. })));
}

#[test]
fn a_row_without_end_is_refused() {
    let mut decoder = RowDecoder::new(vec![Ignored], NullRule::Repeat);
    let mut rows = Rows::default();
    // An octet-string of 1 MiB, 100 octets at a time.
    decoder.push(&[1, 1, 2, 1, 9, 0x83, 0x10, 0, 0], &mut rows).unwrap();
    let refused = (0..100).find_map(|piece| Some((piece, decoder.push(&[0; 100], &mut rows).err()?)));
    assert_eq!(refused, Some((40, Error::TooLong { what: "row", limit: ROW_MAX })));
    let whole = [&[1, 1, 2, 1, 9, 0x82, 0x20, 0][..], &[0; 0x2000]].concat();
    let at_once = decode(&[Ignored], NullRule::Repeat, &[&whole]);
    assert_eq!(at_once, Err(Error::TooLong { what: "row", limit: ROW_MAX }));
}

/// A compact array of structures out of the types of their cells and the contents of the rows.
fn compact(types: &[u8], rows: &[Vec<u8>]) -> Vec<u8> {
    let contents = rows.concat();
    let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
    [&[19, 2, u8::try_from(types.len()).unwrap()], types, &[0x82], &length, &contents[..]].concat()
}

#[test]
fn a_compact_array_gives_the_rows_of_an_array() {
    // Clock as octet-string, bit-string of status, null-data, an ignored string, a delta.
    let columns = [Clock, Status, Value, Ignored, Value];
    let types = [9, 4, 0, 10, 31];
    let row = |delta: u8| [&[12][..], &CLOCK, &[8, 0x20], &[2, b'a', b'b'], &[delta]].concat();
    let first = [&[12][..], &CLOCK, &[8, 0x20], &[2, b'a', b'b'], &[17]].concat();
    let wide = compact(&[9, 4, 0, 10, 17], &[first, row(3)]);
    let (rows, count) = decode(&columns, NullRule::Absent, &[&wide]).unwrap();
    assert_eq!(count, 2);
    assert_eq!(rows.clocks, [Some(DateTime::new(CLOCK)); 2]);
    assert_eq!(rows.statuses, [Some(0x20); 2]);
    assert_eq!(rows.values, [None, Some(17), None, Some(3)]);
    for cut in 0..=wide.len() {
        let (before, after) = wide.split_at(cut);
        let pieces = decode(&columns, NullRule::Absent, &[before, after]);
        assert_eq!(pieces, Ok((rows.clone(), 2)), "cut at {cut}");
        if cut < wide.len() {
            assert_eq!(decode(&columns, NullRule::Absent, &[before]), Err(Error::Truncated), "cut at {cut}");
        }
    }
    let trailing = decode(&columns, NullRule::Absent, &[&wide, &[0]]);
    assert_eq!(trailing, Err(Error::Trailing { left: 1 }));
    // A delta needs a row to add to.
    let (rows, _) = decode(&columns, NullRule::Absent, &[&compact(&types, &[row(3)])]).unwrap();
    let what = Unreadable::Cell { column: 4, is_type: false };
    assert_eq!(rows.unread, [Unread { row: 0, what, octets: vec![3] }]);
}

#[test]
fn c_10_compact_rows_of_wrong_types_are_named() {
    let one = |columns: &[Column], types: &[u8], row: &[u8]| {
        decode(columns, NullRule::Repeat, &[&compact(types, &[row.to_vec()])])
    };
    assert_eq!(one(&[Value, Value], &[17], &[1]), Err(Error::RowShape { expected: 2, got: 1 }));
    let unread = |columns: &[Column], types: &[u8], row: &[u8]| {
        let (rows, _) = one(columns, types, row).unwrap();
        rows.unread.into_iter().map(|unread| unread.octets).collect::<Vec<_>>()
    };
    assert_eq!(unread(&[Value, Value], &[9, 17], &[1, 1, 5]), [[1, 1]]);
    assert_eq!(unread(&[Value], &[23], &[0x7F, 0xC0, 0, 0]), [[0x7F, 0xC0, 0, 0]]);
    // Rows that are no structures, a row that ends behind the contents, and columns that cost nothing.
    let values = decode(&[Value], NullRule::Repeat, &[&[19, 17, 2, 1, 2]]);
    assert_eq!(values, Err(Error::DataType { expected: "row (structure)", got: 19 }));
    assert_eq!(one(&[Value], &[18], &[1]), Err(Error::Truncated));
    assert!(matches!(one(&[Value], &[0], &[]), Err(Error::Value { .. })));
    assert!(matches!(one(&[Value; 5], &[17, 0, 0, 0, 0], &[1]), Err(Error::Value { .. })));
    // An ignored column may be anything; here an array of two unsigned.
    let nested = [19, 2, 2, 1, 0, 2, 17, 17, 3, 7, 8, 9];
    let (rows, _) = decode(&[Ignored, Value], NullRule::Repeat, &[&nested]).unwrap();
    assert_eq!(rows.values, [Some(9)]);
    let (rows, _) = decode(&[Value, Ignored], NullRule::Repeat, &[&nested]).unwrap();
    assert_eq!((rows.values, &rows.unread[0].octets[..]), (vec![None], &[7, 8][..]));
}

#[test]
fn rows_of_another_width_are_not_mixed() {
    let mut rows = Rows::default();
    let mut wide = RowDecoder::new(vec![Value, Value], NullRule::Repeat);
    wide.push(&buffer(&[vec![vec![17, 1], vec![17, 2]]]), &mut rows).unwrap();
    let mut narrow = RowDecoder::new(vec![Value], NullRule::Repeat);
    assert_eq!(narrow.push(&[1, 0], &mut rows), Err(Error::RowsWidth { expected: 1, got: 2 }));
}

#[test]
fn of_several_clocks_the_first_counts() {
    let second = [&[9, 12], &[0xFF; 12][..]].concat();
    let bytes = buffer(&[vec![clock_cell(), second, vec![17, 3]]]);
    let (rows, _) = decode(&[Clock, Clock, Value], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!(rows.clocks, [Some(DateTime::new(CLOCK))]);
    assert_eq!(rows.values, [Some(3)]);
}

#[test]
fn times_of_maxima_stand_beside_the_values() {
    let later = [0x07, 0xEA, 10, 9, 5, 17, 15, 0, 0, 0xFF, 0x88, 0x80];
    let time = |octets: [u8; 12]| [&[9, 12], &octets[..]].concat();
    let rows_of = |rule| {
        let mut decoder = RowDecoder::new(vec![Clock, Value, Time, Value, Time], rule);
        let buffer = [
            &[1, 2, 2, 5][..],
            &time(CLOCK),
            &[17, 7],
            &time(later),
            &[17, 8],
            &time(CLOCK),
            &[2, 5],
            &time(later),
            &[17, 9, 0, 17, 10, 25],
            &later,
        ]
        .concat();
        let mut rows = Rows::default();
        buffer.chunks(5).for_each(|part| decoder.push(part, &mut rows).unwrap());
        decoder.finish().unwrap();
        rows
    };
    let (clock, later) = (Some(DateTime::new(CLOCK)), Some(DateTime::new(later)));
    for (rule, second) in [(NullRule::Repeat, later), (NullRule::Absent, None)] {
        let rows = rows_of(rule);
        assert_eq!(rows.values, [7, 8, 9, 10].map(Some));
        assert_eq!(rows.times, [later, clock, second, later], "{rule:?}");
    }
}

#[test]
fn capture_objects_survive_and_name_their_columns() {
    let object = |class_id, name: &str, attribute| CaptureObject {
        class_id,
        instance: name.parse::<Obis>().unwrap(),
        attribute,
        data_index: 0,
    };
    let objects = [
        (object(8, "0.0.1.0.0.255", 2), Clock),
        (object(1, "0.0.96.10.1.255", 2), Status),
        (object(3, "1.0.1.8.0.255", 2), Value),
        (object(4, "1.0.1.6.0.255", 5), Time),
        (object(5, "1.0.1.4.0.255", 6), Ignored),
        (object(3, "1.0.1.8.0.255", 3), Ignored),
    ];
    let list = objects.map(|(object, _)| object);
    let mut bytes = Vec::new();
    encode_list(&list, &mut bytes);
    assert_eq!(decode_list(&bytes).unwrap(), list);
    for (object, column) in objects {
        assert_eq!(Column::of(&object), column, "{object:?}");
    }
    for end in 0..bytes.len() {
        assert_eq!(decode_list(&bytes[..end]), Err(Error::Truncated), "cut at {end}");
    }
    assert_eq!(decode_list(&[&bytes[..], &[0]].concat()), Err(Error::Trailing { left: 1 }));
}

/// A profile that captures no clock has the time of its billing period; with a clock that is one of the times.
#[test]
fn the_end_of_a_billing_period_is_a_time() {
    let object = |class_id, name: &str| CaptureObject {
        class_id,
        instance: name.parse::<Obis>().unwrap(),
        attribute: 2,
        data_index: 0,
    };
    let [clock, end, energy] =
        [object(8, "0.0.1.0.0.255"), object(3, "0.0.0.1.2.255"), object(3, "1.0.1.8.0.255")];
    assert_eq!(Column::of_all(&[end, energy]), [Clock, Value]);
    assert_eq!(Column::of_all(&[clock, energy, end]), [Clock, Value, Time]);
    // Its time stamps of earlier periods are other objects.
    assert_eq!(Column::of_all(&[object(3, "0.0.0.1.2.101"), energy]), [Value, Value]);
    // A maximum that never occurred has no time.
    let bytes = buffer(&[vec![clock_cell(), vec![17, 0], vec![9, 0]]]);
    let (rows, _) = decode(&[Clock, Value, Time], NullRule::Repeat, &[&bytes]).unwrap();
    assert_eq!((rows.times, rows.unread), (vec![Some(DateTime::UNSPECIFIED)], Vec::new()));
}

fn cell() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![0]),
        Just(vec![9, 2, 1, 2]),
        Just(vec![21, 0xFF, 0, 0, 0, 0, 0, 0, 0]),
        any::<u32>().prop_map(|value| [&[6], &value.to_be_bytes()[..]].concat()),
        any::<i16>().prop_map(|value| [&[16], &value.to_be_bytes()[..]].concat()),
    ]
}

fn row() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let clock = prop_oneof![Just(vec![0]), Just(clock_cell())];
    let status = prop_oneof![Just(vec![0]), Just(vec![17, 4]), Just(vec![4, 8, 0x20])];
    let text = prop::collection::vec(any::<u8>(), 0..40)
        .prop_map(|text| [&[9, u8::try_from(text.len()).unwrap()], &text[..]].concat());
    (clock, status, cell(), text, cell()).prop_map(|(a, b, c, d, e)| vec![a, b, c, d, e])
}

const COLUMNS: [Column; 5] = [Clock, Status, Value, Ignored, Value];

proptest! {
    #[test]
    fn every_cut_gives_the_same_rows(rows in prop::collection::vec(row(), 0..12), size in 1usize..40) {
        let bytes = buffer(&rows);
        let whole = decode(&COLUMNS, NullRule::Repeat, &[&bytes]).unwrap();
        prop_assert_eq!(whole.1, rows.len() as u64);
        for cut in 0..=bytes.len() {
            let (before, after) = bytes.split_at(cut);
            prop_assert_eq!(&decode(&COLUMNS, NullRule::Repeat, &[before, after]).unwrap(), &whole);
        }
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(decode(&COLUMNS, NullRule::Repeat, &pieces).unwrap(), whole);
    }

    #[test]
    fn random_octets_never_panic_and_end_alike_however_cut(
        tail in prop::collection::vec(any::<u8>(), 0..300),
        size in 1usize..50,
    ) {
        // How much is left over depends on the piece.
        let decode = |pieces: &[&[u8]]| decode(&COLUMNS, NullRule::Absent, pieces).map_err(|error| match error {
            Error::Trailing { .. } => Error::Trailing { left: 0 },
            other => other,
        });
        let bytes = [&[1, 0x82, 0xFF, 0xFF, 2, 5][..], &tail].concat();
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(decode(&pieces), decode(&[&bytes]));

        let bytes = [&[19, 2, 5, 9, 4, 17, 10, 18, 0x81, 0xC8][..], &tail].concat();
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(decode(&pieces), decode(&[&bytes]));
    }
}

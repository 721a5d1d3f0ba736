//! Values, names and selections come back as they were sent.

use dlms::axdr::{BitString, CompactArray, Data, Reader, TypeDescription, skip};
use dlms::cosem::Form;
use dlms::profile::CaptureObject;
use dlms::selection::{EntrySelection, ObjectId, ObjectSelection, RangeSelection, Selection};
use dlms::{DateTime, Error, Obis, ScalerUnit, Unit};
use proptest::collection::vec;
use proptest::prelude::*;

/// Types without other values inside that items of a compact array may have.
const ITEM_TYPES: [u8; 27] =
    [3, 4, 5, 6, 9, 10, 12, 13, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 9];

/// Any value, at most five levels deep.
pub(crate) fn data() -> impl Strategy<Value = Data> {
    let leaf = prop_oneof![
        8 => (0_u8..=33).prop_filter_map("a type that holds values", |tag| {
            (ITEM_TYPES.contains(&tag)).then_some(tag)
        }).prop_flat_map(simple),
        1 => Just(Data::NullData),
        1 => Just(Data::DontCare),
        1 => compact_array().prop_map(Data::CompactArray),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Data::Array),
            vec(inner, 0..6).prop_map(Data::Structure),
        ]
    })
}

/// Any value, encoded.
pub(crate) fn encoded() -> impl Strategy<Value = Vec<u8>> {
    data().prop_map(|value| {
        let mut octets = Vec::new();
        value.encode(&mut octets);
        octets
    })
}

/// Selector and parameters, encoded.
pub(crate) fn encoded_selection() -> impl Strategy<Value = Vec<u8>> {
    selection().prop_map(|selection| {
        let mut octets = Vec::new();
        selection.encode(&mut octets);
        octets
    })
}

/// Any logical name.
pub(crate) fn obis() -> impl Strategy<Value = Obis> {
    any::<[u8; 6]>().prop_map(Obis::new)
}

fn simple(tag: u8) -> BoxedStrategy<Data> {
    let octets = || vec(any::<u8>(), 0..140);
    match tag {
        3 => any::<bool>().prop_map(Data::Boolean).boxed(),
        4 => bits().prop_map(Data::BitString).boxed(),
        5 => any::<i32>().prop_map(Data::DoubleLong).boxed(),
        6 => any::<u32>().prop_map(Data::DoubleLongUnsigned).boxed(),
        9 => octets().prop_map(Data::OctetString).boxed(),
        10 => octets().prop_map(Data::VisibleString).boxed(),
        12 => octets().prop_map(Data::Utf8String).boxed(),
        13 => any::<u8>().prop_map(Data::Bcd).boxed(),
        15 => any::<i8>().prop_map(Data::Integer).boxed(),
        16 => any::<i16>().prop_map(Data::Long).boxed(),
        17 => any::<u8>().prop_map(Data::Unsigned).boxed(),
        18 => any::<u16>().prop_map(Data::LongUnsigned).boxed(),
        20 => any::<i64>().prop_map(Data::Long64).boxed(),
        21 => any::<u64>().prop_map(Data::Long64Unsigned).boxed(),
        22 => any::<u8>().prop_map(Data::Enum).boxed(),
        23 => any::<[u8; 4]>().prop_map(Data::Float32).boxed(),
        24 => any::<[u8; 8]>().prop_map(Data::Float64).boxed(),
        25 => any::<[u8; 12]>().prop_map(|octets| Data::DateTime(DateTime::new(octets))).boxed(),
        26 => any::<[u8; 5]>().prop_map(Data::Date).boxed(),
        27 => any::<[u8; 4]>().prop_map(Data::Time).boxed(),
        28 => any::<i8>().prop_map(Data::DeltaInteger).boxed(),
        29 => any::<i16>().prop_map(Data::DeltaLong).boxed(),
        30 => any::<i32>().prop_map(Data::DeltaDoubleLong).boxed(),
        31 => any::<u8>().prop_map(Data::DeltaUnsigned).boxed(),
        32 => any::<u16>().prop_map(Data::DeltaLongUnsigned).boxed(),
        _ => any::<u32>().prop_map(Data::DeltaDoubleLongUnsigned).boxed(),
    }
}

fn bits() -> impl Strategy<Value = BitString> {
    vec(any::<u8>(), 0..30).prop_flat_map(|octets| {
        let most = octets.len() * 8;
        let least = most.saturating_sub(7);
        (least..=most, Just(octets)).prop_map(|(bits, octets)| BitString::new(bits, octets).unwrap())
    })
}

fn compact_array() -> impl Strategy<Value = CompactArray> {
    item_type().prop_flat_map(|item| {
        vec(items(&item), 0..5).prop_map(move |items| CompactArray { item: item.clone(), items })
    })
}

fn item_type() -> impl Strategy<Value = TypeDescription> {
    let leaf = proptest::sample::select(&ITEM_TYPES[..]).prop_map(TypeDescription::Simple);
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            (1_u16..4, inner.clone()).prop_map(|(count, item)| TypeDescription::Array(count, Box::new(item))),
            vec(inner, 1..4).prop_map(TypeDescription::Structure),
        ]
    })
}

fn items(item: &TypeDescription) -> BoxedStrategy<Data> {
    match item {
        TypeDescription::Simple(tag) => simple(*tag),
        TypeDescription::Array(count, element) => {
            vec(items(element), usize::from(*count)).prop_map(Data::Array).boxed()
        }
        TypeDescription::Structure(elements) => {
            elements.iter().map(items).collect::<Vec<_>>().prop_map(Data::Structure).boxed()
        }
    }
}

fn capture_object() -> impl Strategy<Value = CaptureObject> {
    (any::<u16>(), obis(), any::<i8>(), any::<u16>()).prop_map(
        |(class_id, instance, attribute, data_index)| CaptureObject {
            class_id,
            instance,
            attribute,
            data_index,
        },
    )
}

fn selection() -> impl Strategy<Value = Selection> {
    let time = || any::<[u8; 12]>().prop_map(DateTime::new);
    let form = prop_oneof![Just(Form::Octets), Just(Form::Typed)];
    let range = (capture_object(), time(), time(), form, vec(capture_object(), 0..4)).prop_map(
        |(restricting, from, to, form, columns)| {
            Selection::Range(RangeSelection { restricting, from, to, form, columns })
        },
    );
    let entries = any::<(u32, u32, u16, u16)>().prop_map(|(from, to, first_column, last_column)| {
        Selection::Entries(EntrySelection { from, to, first_column, last_column })
    });
    let object = || (any::<u16>(), obis()).prop_map(|(class_id, instance)| ObjectId { class_id, instance });
    let objects = prop_oneof![
        Just(ObjectSelection::WithoutRights),
        vec(any::<u16>(), 0..5).prop_map(ObjectSelection::Classes),
        vec(object(), 0..5).prop_map(ObjectSelection::Objects),
        object().prop_map(ObjectSelection::Object),
    ];
    prop_oneof![range, entries, objects.prop_map(Selection::Objects)]
}

/// A value of `depth` arrays inside each other.
fn nested(depth: usize) -> Vec<u8> {
    let mut octets = [1, 1].repeat(depth);
    octets.push(0);
    octets
}

#[test]
fn sixteen_levels_are_read_and_seventeen_are_not() {
    assert!(Data::decode(&nested(16)).is_ok());
    assert_eq!(skip(&mut Reader::new(&nested(16))), Ok(()));
    assert_eq!(Data::decode(&nested(17)), Err(Error::TooDeep { limit: 16 }));
    assert_eq!(skip(&mut Reader::new(&nested(17))), Err(Error::TooDeep { limit: 16 }));
}

#[test]
fn types_of_compact_arrays_are_bounded() {
    // Structures of one element in each other, then an unsigned; one item.
    let compact = |levels: usize| [&[19][..], &[2, 1].repeat(levels), &[17, 1, 42]].concat();
    assert!(Data::decode(&compact(3)).is_ok());
    for refused in [compact(4), compact(15), compact(1000)] {
        assert_eq!(Data::decode(&refused), Err(Error::TooDeep { limit: 4 }));
        assert_eq!(skip(&mut Reader::new(&refused)), Err(Error::TooDeep { limit: 4 }));
    }
    // As the seventeenth level of a value.
    let deep = [&[1, 1].repeat(13)[..], &compact(3)].concat();
    assert_eq!(Data::decode(&deep), Err(Error::TooDeep { limit: 16 }));
    assert_eq!(skip(&mut Reader::new(&deep)), Err(Error::TooDeep { limit: 16 }));
    // Items of no octets: nobody could say how many there are. Items that are more than their octets pay for.
    let bomb = [19, 2, 2, 17, 1, 0xFF, 0xFF, 0, 4, 1, 2, 3, 4];
    for refused in
        [&[19, 0, 0][..], &[19, 2, 0, 0], &[19, 1, 0, 0, 17, 0], &[19, 2, 4, 17, 0, 0, 0, 1, 9], &bomb]
    {
        let expected = "number of octets of a compact-array item";
        for result in [Data::decode(refused).map(drop), skip(&mut Reader::new(refused))] {
            assert!(
                matches!(result, Err(Error::Value { what, .. }) if what == expected),
                "{refused:?}: {result:?}"
            );
        }
    }
    // A type that no standard defines.
    assert!(matches!(Data::decode(&[19, 7, 0]), Err(Error::DataType { got: 7, .. })));
    assert!(matches!(skip(&mut Reader::new(&[19, 7, 0])), Err(Error::DataType { got: 7, .. })));
}

#[test]
fn columns_without_values_of_a_compact_array_come_back() {
    // Structures of an unsigned, null-data, an octet-string, dont-care and an empty array; two items.
    let octets = [19, 2, 5, 17, 0, 9, 255, 1, 0, 0, 18, 5, 42, 1, 0xAB, 43, 0];
    let item = |number, string: &[u8]| {
        Data::Structure(vec![
            Data::Unsigned(number),
            Data::NullData,
            Data::OctetString(string.to_vec()),
            Data::DontCare,
            Data::Array(Vec::new()),
        ])
    };
    let Ok(Data::CompactArray(array)) = Data::decode(&octets) else { panic!("no compact array") };
    assert_eq!(array.items, [item(42, &[0xAB]), item(43, &[])]);
    let mut again = Vec::new();
    Data::CompactArray(array).encode(&mut again);
    assert_eq!(again, octets);
}

#[test]
fn a_tree_has_a_largest_size() {
    let array = |count: u16| {
        let [high, low] = count.to_be_bytes();
        [&[1, 0x82, high, low][..], &vec![0; usize::from(count)]].concat()
    };
    assert!(Data::decode(&array(65_534)).is_ok());
    let limit = Error::TooLong { what: "number of values", limit: 65_535 };
    assert_eq!(Data::decode(&array(65_535)), Err(limit));
    assert_eq!(skip(&mut Reader::new(&array(65_535))), Ok(()));
}

proptest! {
    #[test]
    fn a_value_comes_back(value in data(), behind in vec(any::<u8>(), 1..4)) {
        let mut octets = Vec::new();
        value.encode(&mut octets);
        prop_assert_eq!(Data::decode(&octets), Ok(value.clone()));
        for end in 0..octets.len() {
            prop_assert_eq!(skip(&mut Reader::new(&octets[..end])), Err(Error::Truncated));
        }
        prop_assert_eq!(Data::decode(&octets[..octets.len() - 1]), Err(Error::Truncated));

        let length = octets.len();
        octets.extend(&behind);
        prop_assert_eq!(Data::decode(&octets), Err(Error::Trailing { left: behind.len() }));
        let mut reader = Reader::new(&octets);
        prop_assert_eq!(Data::read(&mut reader), Ok(value));
        prop_assert_eq!(reader.rest(), &behind);
        let mut reader = Reader::new(&octets);
        skip(&mut reader).unwrap();
        prop_assert_eq!(octets.len() - reader.remaining(), length);
    }

    #[test]
    fn a_compact_array_comes_back(array in compact_array()) {
        let mut octets = Vec::new();
        Data::CompactArray(array.clone()).encode(&mut octets);
        prop_assert_eq!(Data::decode(&octets), Ok(Data::CompactArray(array)));
    }

    #[test]
    fn a_length_comes_back_in_its_shortest_form(length in any::<u32>(), bits in 0_u32..32) {
        let length = (length >> bits) as usize;
        let mut octets = Vec::new();
        dlms::axdr::write_length(length, &mut octets);
        let needed = match length { 0..0x80 => 1, 0x80..0x100 => 2, 0x100..0x1_0000 => 3, 0x1_0000..0x100_0000 => 4, _ => 5 };
        prop_assert_eq!(octets.len(), needed);
        let mut reader = Reader::new(&octets);
        prop_assert_eq!(reader.length(), Ok(length));
        prop_assert_eq!(reader.remaining(), 0);
    }

    #[test]
    fn a_selection_comes_back(selection in selection()) {
        let mut octets = Vec::new();
        selection.encode(&mut octets);
        let mut reader = Reader::new(&octets);
        let class_id = if matches!(selection, Selection::Objects(_)) { 15 } else { 7 };
        prop_assert_eq!(Selection::read(class_id, &mut reader), Ok(selection));
        prop_assert_eq!(reader.remaining(), 0);
    }

    #[test]
    fn a_scaler_and_unit_come_back(scaler in any::<i8>(), unit in any::<u8>()) {
        let sent = ScalerUnit { scaler, unit: Unit(unit) };
        let mut octets = Vec::new();
        sent.encode(&mut octets);
        prop_assert_eq!(ScalerUnit::decode(&octets), Ok(sent));
    }

    #[test]
    fn a_logical_name_comes_back_from_both_spellings(name in obis()) {
        let [a, b, c, d, e, f] = name.octets();
        prop_assert_eq!(name.to_string().parse(), Ok(name));
        let spelled = format!("{a}-{b}:{c}.{d}.{e}*{f}");
        prop_assert_eq!(spelled.parse(), Ok(name));
        prop_assert_eq!(serde_json::from_str::<Obis>(&serde_json::to_string(&name).unwrap()).unwrap(), name);
    }

    #[test]
    fn no_text_breaks_a_logical_name(text in "[0-9.:*\\- é]{0,24}|.{0,12}") {
        if let Ok(name) = text.parse::<Obis>() {
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }
}

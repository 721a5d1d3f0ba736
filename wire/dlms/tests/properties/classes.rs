//! Attributes and parameters of single classes come back as they were sent, and no value of another shape breaks their reading.

use dlms::axdr::{BitString, Data};
use dlms::cosem::image_transfer::{Block, ImageStatus, Initiation, ToActivate, block_count, missing_blocks};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::values::data;

/// A value that went over the wire.
fn sent(data: &Data) -> Data {
    let mut octets = Vec::new();
    data.encode(&mut octets);
    Data::decode(&octets).unwrap()
}

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

proptest! {
    #[test]
    fn an_image_transfer_comes_back(identifier in octets(64), size in any::<u32>(), number in any::<u32>(), block in octets(300)) {
        let initiation = Initiation { identifier, size };
        prop_assert_eq!(Initiation::from_data(&sent(&initiation.to_data())), Ok(initiation));
        let block = Block { number, octets: block };
        prop_assert_eq!(Block::from_data(&sent(&block.clone().into_data())), Ok(block));
    }

    #[test]
    fn images_to_activate_come_back(images in vec((any::<u32>(), octets(40), octets(140)), 0..4)) {
        let images: Vec<_> = images
            .into_iter()
            .map(|(size, identification, signature)| ToActivate { size, identification, signature })
            .collect();
        let list = Data::Array(images.iter().map(ToActivate::to_data).collect());
        prop_assert_eq!(ToActivate::list_from_data(&sent(&list)), Ok(images));
    }

    #[test]
    fn exactly_the_blocks_without_a_bit_are_missing(count in 0_u32..500, there in btree_set(0_u32..500, 0..300)) {
        let mut bits = vec![0_u8; (count as usize).div_ceil(8)];
        for block in there.iter().filter(|block| **block < count) {
            bits[*block as usize / 8] |= 0x80 >> (block % 8);
        }
        let status = Data::BitString(BitString::new(count as usize, bits).unwrap());
        let missing: Vec<_> = missing_blocks(&sent(&status), count).unwrap().collect();
        let expected: Vec<_> = (0..count).filter(|block| !there.contains(block)).collect();
        prop_assert_eq!(missing, expected);
    }

    #[test]
    fn blocks_hold_the_whole_image_and_no_more(size in 0_u32..1_000_000, block_size in 1_u32..5_000) {
        let count = u64::from(block_count(size, block_size));
        prop_assert!(count * u64::from(block_size) >= u64::from(size));
        prop_assert!(count.saturating_sub(1) * u64::from(block_size) < u64::from(size).max(1));
    }

    #[test]
    fn no_value_breaks_the_reading(value in data()) {
        let _ = Initiation::from_data(&value);
        let _ = Block::from_data(&value);
        let _ = ToActivate::list_from_data(&value);
        let _ = ImageStatus::from_data(&value);
        if let Ok(missing) = missing_blocks(&value, 100) {
            prop_assert!(missing.count() <= 100);
        }
    }
}

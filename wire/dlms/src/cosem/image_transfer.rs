//! Image transfer, class 18 version 0 (Blue Book, 4.4.6): new firmware, in blocks of the meter's size and in any order.
//!
//! The life of an image: [`Initiation`], every [`Block`], verify, compare [`ToActivate`] with what was meant, activate. The meter
//! knows which blocks it has ([`missing_blocks`]) and how far it is ([`ImageStatus`]), also for another client and later.

use std::fmt;

use super::{array, double_long_unsigned, octets, structure, unexpected};
use crate::axdr::Data;
use crate::error::codes;
use crate::{AttributeDescriptor, Error, MethodDescriptor, Obis};

/// The class.
pub const CLASS: u16 = 18;

/// What verify and activate take as parameter: integer 0 (Blue Book, 4.4.6.3).
pub const NO_PARAMETER: Data = Data::Integer(0);

/// An image transfer object, normally 0.0.44.0.0.255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageTransfer(pub Obis);

impl ImageTransfer {
    /// Attribute 2 `image_block_size`, double-long-unsigned: octets of every block but the last.
    pub const fn block_size(self) -> AttributeDescriptor {
        self.attribute(2)
    }

    /// Attribute 3 `image_transferred_blocks_status`, see [`missing_blocks`].
    pub const fn blocks_status(self) -> AttributeDescriptor {
        self.attribute(3)
    }

    /// Attribute 4 `image_first_not_transferred_block_number`, double-long-unsigned; the number of blocks when none is missing.
    pub const fn first_not_transferred(self) -> AttributeDescriptor {
        self.attribute(4)
    }

    /// Attribute 5 `image_transfer_enabled`, boolean: while it is false, no method has an effect.
    pub const fn enabled(self) -> AttributeDescriptor {
        self.attribute(5)
    }

    /// Attribute 6 `image_transfer_status`, see [`ImageStatus`].
    pub const fn status(self) -> AttributeDescriptor {
        self.attribute(6)
    }

    /// Attribute 7 `image_to_activate_info`, see [`ToActivate`].
    pub const fn to_activate(self) -> AttributeDescriptor {
        self.attribute(7)
    }

    /// Method 1 `image_transfer_initiate` with an [`Initiation`].
    pub const fn initiate(self) -> MethodDescriptor {
        self.method(1)
    }

    /// Method 2 `image_block_transfer` with a [`Block`].
    pub const fn transfer_block(self) -> MethodDescriptor {
        self.method(2)
    }

    /// Method 3 `image_verify`; temporary-failure means that the meter is still at it, and [`status`](Self::status) tells when it is not.
    pub const fn verify(self) -> MethodDescriptor {
        self.method(3)
    }

    /// Method 4 `image_activate`; temporary-failure as with [`verify`](Self::verify).
    pub const fn activate(self) -> MethodDescriptor {
        self.method(4)
    }

    const fn attribute(self, attribute: i8) -> AttributeDescriptor {
        AttributeDescriptor { class_id: CLASS, instance: self.0, attribute }
    }

    const fn method(self, method: i8) -> MethodDescriptor {
        MethodDescriptor { class_id: CLASS, instance: self.0, method }
    }
}

codes! {
    /// `image_transfer_status` (Blue Book, 4.4.6.2.6): how far the meter is with an image.
    ImageStatus {
        /// Nothing began.
        NotInitiated = 0, "transfer not initiated";
        /// Blocks are taken.
        Initiated = 1, "transfer initiated";
        /// The meter examines the image.
        Verifying = 2, "verification initiated";
        /// The image is whole and the meter's own.
        Verified = 3, "verification successful";
        /// The image is not whole, or not for this meter.
        VerificationFailed = 4, "verification failed";
        /// The meter changes its firmware.
        Activating = 5, "activation initiated";
        /// The new firmware runs.
        Activated = 6, "activation successful";
        /// The meter stays with its old firmware.
        ActivationFailed = 7, "activation failed";
    }
}

impl ImageStatus {
    /// Reads attribute 6.
    ///
    /// # Errors
    /// [`Error::DataType`] for anything but an enum.
    pub fn from_data(data: &Data) -> Result<Self, Error> {
        match data {
            Data::Enum(code) => Ok(Self::from(*code)),
            other => Err(unexpected(other, "image transfer status (enum)")),
        }
    }
}

/// Parameters of `image_transfer_initiate`: `structure{octet-string, double-long-unsigned}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initiation {
    /// Name of the image, as the maker gives it.
    pub identifier: Vec<u8>,
    /// Octets of the image.
    pub size: u32,
}

impl Initiation {
    /// As parameters.
    pub fn to_data(&self) -> Data {
        Data::Structure(vec![Data::OctetString(self.identifier.clone()), Data::DoubleLongUnsigned(self.size)])
    }

    /// From parameters.
    ///
    /// # Errors
    /// [`Error::DataType`], [`Error::Length`].
    pub fn from_data(data: &Data) -> Result<Self, Error> {
        let [identifier, size] = structure(data, "image transfer initiation (structure)")?;
        Ok(Self {
            identifier: octets(identifier, "image identifier (octet-string)")?.to_vec(),
            size: double_long_unsigned(size, "image size (double-long-unsigned)")?,
        })
    }
}

/// Parameters of `image_block_transfer`: `structure{double-long-unsigned, octet-string}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of the block, from 0.
    pub number: u32,
    /// Its octets: as many as `image_block_size` says, the last block what is left.
    pub octets: Vec<u8>,
}

impl Block {
    /// As parameters.
    pub fn into_data(self) -> Data {
        Data::Structure(vec![Data::DoubleLongUnsigned(self.number), Data::OctetString(self.octets)])
    }

    /// From parameters.
    ///
    /// # Errors
    /// [`Error::DataType`], [`Error::Length`].
    pub fn from_data(data: &Data) -> Result<Self, Error> {
        let [number, block] = structure(data, "image block (structure)")?;
        Ok(Self {
            number: double_long_unsigned(number, "block number (double-long-unsigned)")?,
            octets: octets(block, "block (octet-string)")?.to_vec(),
        })
    }
}

/// One element of `image_to_activate_info`: an image as the meter sees it, once it has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToActivate {
    /// Octets of the image.
    pub size: u32,
    /// Name of the image.
    pub identification: Vec<u8>,
    /// The meter's or the maker's signature over the image; empty when there is none.
    pub signature: Vec<u8>,
}

impl ToActivate {
    /// One element, `structure{double-long-unsigned, octet-string, octet-string}`.
    pub fn to_data(&self) -> Data {
        Data::Structure(vec![
            Data::DoubleLongUnsigned(self.size),
            Data::OctetString(self.identification.clone()),
            Data::OctetString(self.signature.clone()),
        ])
    }

    /// Reads attribute 7: the images that activation would put to work, one for each part of the meter that gets a new one.
    ///
    /// # Errors
    /// [`Error::DataType`], [`Error::Length`].
    pub fn list_from_data(data: &Data) -> Result<Vec<Self>, Error> {
        let images = array(data, "images to activate (array)")?;
        images.iter().map(Self::from_data).collect()
    }

    fn from_data(data: &Data) -> Result<Self, Error> {
        let [size, identification, signature] = structure(data, "image to activate (structure)")?;
        Ok(Self {
            size: double_long_unsigned(size, "image size (double-long-unsigned)")?,
            identification: octets(identification, "image identification (octet-string)")?.to_vec(),
            signature: octets(signature, "image signature (octet-string)")?.to_vec(),
        })
    }
}

/// Blocks that an image of `size` octets has; 0 for a block size of 0.
pub const fn block_count(size: u32, block_size: u32) -> u32 {
    if block_size == 0 { 0 } else { size.div_ceil(block_size) }
}

/// Reads attribute 3 `image_transferred_blocks_status`: the numbers of the blocks, `count` in all, that the meter lacks,
/// ascending. Bits are blocks, the first one block 0; a block for which there is no bit is missing, and a bit without a block
/// means nothing, because meters round the length.
///
/// # Errors
/// [`Error::DataType`] for anything but a bit-string.
pub fn missing_blocks(data: &Data, count: u32) -> Result<impl Iterator<Item = u32>, Error> {
    let Data::BitString(bits) = data else {
        return Err(unexpected(data, "blocks status (bit-string)"));
    };
    let there = bits.iter().chain(std::iter::repeat(false));
    Ok((0..count).zip(there).filter_map(|(number, is_there)| (!is_there).then_some(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_methods_are_numbered_as_in_the_standard() {
        let image = ImageTransfer(Obis::new([0, 0, 44, 0, 0, 255]));
        let attributes = [
            image.block_size(),
            image.blocks_status(),
            image.first_not_transferred(),
            image.enabled(),
            image.status(),
            image.to_activate(),
        ];
        assert_eq!(attributes.map(|attribute| attribute.attribute), [2, 3, 4, 5, 6, 7]);
        let methods = [image.initiate(), image.transfer_block(), image.verify(), image.activate()];
        assert_eq!(methods.map(|method| method.method), [1, 2, 3, 4]);
        let mut octets = Vec::new();
        image.verify().encode(&mut octets);
        NO_PARAMETER.encode(&mut octets);
        assert_eq!(octets, [0, 18, 0, 0, 44, 0, 0, 255, 3, 15, 0]);
    }

    #[test]
    fn parameters_are_laid_out_field_by_field() {
        let initiation = Initiation { identifier: b"V2".to_vec(), size: 300 };
        let expected = [2, 2, /* identifier */ 9, 2, b'V', b'2', /* size */ 6, 0, 0, 1, 44];
        assert_eq!(encoded(&initiation.to_data()), expected);
        let block = Block { number: 7, octets: vec![0xAB; 3] };
        let expected = [2, 2, /* number */ 6, 0, 0, 0, 7, /* octets */ 9, 3, 0xAB, 0xAB, 0xAB];
        assert_eq!(encoded(&block.into_data()), expected);
        let info = [
            &[1, 1, 2, 3, /* size */ 6, 0, 0, 1, 44][..],
            &[/* identification */ 9, 2, b'V', b'2', /* signature */ 9, 0],
        ];
        let found = ToActivate::list_from_data(&Data::decode(&info.concat()).unwrap());
        let expected = ToActivate { size: 300, identification: b"V2".to_vec(), signature: Vec::new() };
        assert_eq!(found, Ok(vec![expected]));
    }

    #[test]
    fn a_block_is_missing_unless_its_bit_says_otherwise() {
        // 1100 1000 | 01…: ten bits, six of the last octet mean nothing.
        let status = Data::decode(&[4, 10, 0xC8, 0x7F]).unwrap();
        let missing = |count| missing_blocks(&status, count).unwrap().collect::<Vec<_>>();
        assert_eq!(missing(10), [2, 3, 5, 6, 7, 8]);
        assert_eq!(missing(2), [0; 0]);
        assert_eq!(missing(12), [2, 3, 5, 6, 7, 8, 10, 11]);
        let wrong = missing_blocks(&Data::OctetString(vec![0xFF]), 8).err();
        assert_eq!(wrong, Some(Error::DataType { expected: "blocks status (bit-string)", got: 9 }));
    }

    #[test]
    fn other_shapes_are_refused_by_name() {
        let short = Data::Structure(vec![Data::DoubleLongUnsigned(1)]);
        let wrong = Error::Length { what: "image block (structure)", expected: 2, got: 1 };
        assert_eq!(Block::from_data(&short), Err(wrong));
        assert!(Initiation::from_data(&NO_PARAMETER).is_err());
        assert!(ToActivate::list_from_data(&short).is_err());
        assert_eq!(ImageStatus::from_data(&Data::Enum(9)), Ok(ImageStatus::Other(9)));
        assert!(ImageStatus::from_data(&Data::Unsigned(1)).is_err());
    }

    #[test]
    fn the_last_block_may_be_short() {
        assert_eq!([block_count(256, 128), block_count(257, 128), block_count(1, 128)], [2, 3, 1]);
        assert_eq!([block_count(0, 128), block_count(5, 0), block_count(u32::MAX, 1)], [0, 0, u32::MAX]);
    }

    fn encoded(data: &Data) -> Vec<u8> {
        let mut octets = Vec::new();
        data.encode(&mut octets);
        octets
    }
}

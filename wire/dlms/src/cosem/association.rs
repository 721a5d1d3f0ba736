//! Association LN, class 15 (Blue Book, 4.4.4): the objects that a client sees, and what it may do with them.

use super::{array, logical_name, number, structure, unexpected};
use crate::axdr::{Data, Reader, tag, write_length};
use crate::{AttributeDescriptor, Error, Obis};

/// The class.
pub const CLASS: u16 = 15;
/// The association in which one asks.
pub const CURRENT: Obis = Obis::new([0, 0, 40, 0, 0, 255]);
/// Objects of one list that are accepted.
pub const OBJECTS_MAX: usize = 8192;
/// From this version on, access modes are bits.
const BITS_SINCE: u8 = 3;

/// Attribute 2 `object_list`, see [`decode_list`].
pub const fn object_list(association: Obis) -> AttributeDescriptor {
    AttributeDescriptor { class_id: CLASS, instance: association, attribute: 2 }
}

/// An object of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Interface class.
    pub class_id: u16,
    /// Version of the class.
    pub version: u8,
    /// Logical name.
    pub instance: Obis,
    /// What may be done; `None` when the list was asked for without it, or the meter says it in a form of its own.
    pub rights: Option<Rights>,
}

/// What the client may do with an object. Modes are those of the association's version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Number and access mode of each attribute.
    pub attributes: Vec<(i8, u8)>,
    /// Number and access mode of each method; none where the meter says them in a form of its own.
    pub methods: Vec<(i8, u8)>,
}

/// The objects that came, which some meters count wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectList {
    /// The objects.
    pub objects: Vec<Object>,
    /// How many were announced; never less than came.
    pub announced: usize,
}

impl Rights {
    /// Whether an attribute may be read in an association of this version of the class. What is not listed may not.
    pub fn may_read(&self, attribute: i8, version: u8) -> bool {
        let mode =
            self.attributes.iter().find(|(number, _)| *number == attribute).map_or(0, |(_, mode)| *mode);
        match version {
            BITS_SINCE.. => mode & 1 != 0,
            // 1 read only, 3 read and write, 4 and 6 the same with authentication.
            _ => matches!(mode, 1 | 3 | 4 | 6),
        }
    }

    fn of(data: &Data) -> Result<Self, Error> {
        let [attributes, methods] = structure(data, "access rights")?;
        let attributes = array(attributes, "access rights of attributes")?.iter().map(right_of_attribute);
        let methods = array(methods, "access rights of methods")
            .and_then(|methods| methods.iter().map(right_of_method).collect());
        Ok(Self { attributes: attributes.collect::<Result<_, _>>()?, methods: methods.unwrap_or_default() })
    }

    fn to_data(&self) -> Data {
        let attributes = self.attributes.iter().map(|(number, mode)| {
            Data::Structure(vec![Data::Integer(*number), Data::Enum(*mode), Data::NullData])
        });
        let methods = self
            .methods
            .iter()
            .map(|(number, mode)| Data::Structure(vec![Data::Integer(*number), Data::Enum(*mode)]));
        Data::Structure(vec![Data::Array(attributes.collect()), Data::Array(methods.collect())])
    }
}

/// Decodes attribute 2, object by object: a long list never becomes one tree. It may announce more objects than come.
///
/// # Errors
/// [`Error::DataType`], [`Error::Length`], [`Error::Value`] for what is no object list; [`Error::TooLong`] above [`OBJECTS_MAX`] objects;
/// [`Error::Truncated`] within an object, [`Error::Trailing`].
pub fn decode_list(octets: &[u8]) -> Result<ObjectList, Error> {
    let mut reader = Reader::new(octets);
    let got = reader.u8()?;
    if got != tag::ARRAY {
        return Err(Error::DataType { expected: "object list", got });
    }
    let announced = reader.length()?;
    if announced > OBJECTS_MAX {
        return Err(Error::TooLong { what: "object list", limit: OBJECTS_MAX });
    }
    let mut objects = Vec::new();
    while objects.len() < announced && reader.remaining() > 0 {
        objects.push(object(&Data::read(&mut reader)?)?);
    }
    reader.finish()?;
    Ok(ObjectList { objects, announced })
}

/// Appends attribute 2.
pub fn encode_list(objects: &[Object], out: &mut Vec<u8>) {
    out.push(tag::ARRAY);
    write_length(objects.len(), out);
    for object in objects {
        let mut elements = vec![
            Data::LongUnsigned(object.class_id),
            Data::Unsigned(object.version),
            Data::OctetString(object.instance.octets().to_vec()),
        ];
        elements.extend(object.rights.as_ref().map(Rights::to_data));
        Data::Structure(elements).encode(out);
    }
}

fn object(data: &Data) -> Result<Object, Error> {
    let Data::Structure(elements) = data else { return Err(unexpected(data, "object of the list")) };
    let (head, rights) = match elements.as_slice() {
        [head @ .., rights] if head.len() == 3 => (head, Some(rights)),
        head => (head, None),
    };
    let [class_id, version, instance] = head else {
        return Err(Error::Length { what: "object of the list", expected: 4, got: elements.len() });
    };
    Ok(Object {
        class_id: number(class_id, "class")?,
        version: number(version, "version of a class")?,
        instance: logical_name(instance)?,
        rights: rights.and_then(|rights| Rights::of(rights).ok()),
    })
}

/// Number, access mode and, of no use here, the selectors that the attribute has, which some meters leave out.
fn right_of_attribute(data: &Data) -> Result<(i8, u8), Error> {
    let [number, mode, _selectors] = match data {
        Data::Structure(elements) if elements.len() == 2 => return right_of_method(data),
        _ => structure(data, "access rights of an attribute")?,
    };
    Ok((index(number)?, self::mode(mode)?))
}

fn right_of_method(data: &Data) -> Result<(i8, u8), Error> {
    let [number, mode] = structure(data, "access rights of a method")?;
    Ok((index(number)?, self::mode(mode)?))
}

/// The number of an attribute or method.
fn index(data: &Data) -> Result<i8, Error> {
    match data {
        Data::Integer(number) => Ok(*number),
        other => number(other, "number of an attribute or method").map(u8::cast_signed),
    }
}

/// An access mode; a boolean for methods in version 0.
fn mode(data: &Data) -> Result<u8, Error> {
    match data {
        Data::Boolean(may) => Ok(u8::from(*may)),
        other => number(other, "access mode"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_numbers_and_later_bits() {
        let rights =
            Rights { attributes: (0..=7).map(|mode| (mode as i8, mode)).collect(), methods: Vec::new() };
        let read = |version| (0..=8).filter(|number| rights.may_read(*number, version)).collect::<Vec<_>>();
        assert_eq!(read(2), [1, 3, 4, 6]);
        assert_eq!(read(3), [1, 3, 5, 7]);
    }

    #[test]
    fn lists_come_back_with_and_without_rights() {
        let rights = Rights { attributes: vec![(1, 1), (-1, 3)], methods: vec![(1, 1)] };
        let name = Obis::new([1, 0, 1, 8, 0, 255]);
        let object = |rights| Object { class_id: 3, version: 0, instance: name, rights };
        let list = [object(Some(rights)), object(None)];
        let mut octets = Vec::new();
        encode_list(&list, &mut octets);
        assert_eq!(decode_list(&octets).unwrap().objects, list);
        let first = {
            let mut one = Vec::new();
            encode_list(&list[..1], &mut one);
            one.len()
        };
        for end in (0..octets.len()).filter(|end| ![2, first].contains(end)) {
            assert_eq!(decode_list(&octets[..end]), Err(Error::Truncated), "cut at {end}");
        }
        assert_eq!(decode_list(&[&octets[..], &[0]].concat()), Err(Error::Trailing { left: 1 }));
    }

    #[test]
    fn objects_that_came_are_taken_whatever_was_announced_and_is_said_of_rights() {
        let object =
            |rights: &[u8]| [&[2, 4, 18, 0, 3, 17, 0, 9, 6, 1, 0, 1, 8, 0, 255][..], rights].concat();
        let rights_of = |rights: &[u8]| {
            let list = decode_list(&[&[1, 2][..], &object(rights)].concat()).unwrap();
            assert_eq!((list.objects.len(), list.announced), (1, 2));
            list.objects[0].rights.clone()
        };
        let read_only = |methods| Some(Rights { attributes: vec![(2, 1)], methods });
        // Without selectors; with methods that are no list of pairs; with attributes that are none.
        assert_eq!(rights_of(&[2, 2, 1, 1, 2, 2, 15, 2, 22, 1, 1, 0]), read_only(vec![]));
        assert_eq!(rights_of(&[2, 2, 1, 1, 2, 3, 15, 2, 22, 1, 0, 2, 2, 15, 1, 3, 0]), read_only(vec![]));
        assert_eq!(rights_of(&[2, 2, 1, 1, 15, 2, 1, 0]), None);
    }

    #[test]
    fn c_10_what_is_no_list_is_refused() {
        let limit = Error::TooLong { what: "object list", limit: OBJECTS_MAX };
        assert_eq!(decode_list(&[1, 0x82, 0x20, 0x01]), Err(limit));
        assert!(matches!(decode_list(&[2, 0]), Err(Error::DataType { got: 2, .. })));
        assert!(matches!(decode_list(&[1, 1, 2, 1, 0]), Err(Error::Length { .. })));
        assert!(matches!(decode_list(&[1, 1, 2, 3, 18, 0, 3, 17, 0, 10, 1, 0]), Err(Error::DataType { .. })));
        let short = [1, 1, 2, 3, 18, 0, 3, 17, 0, 9, 1, 0];
        assert_eq!(decode_list(&short), Err(Error::Length { what: "logical name", expected: 6, got: 1 }));
    }
}

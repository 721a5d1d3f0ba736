//! Selective access to the object list of an association (Blue Book, 4.4.3 and 4.4.4): which objects to give, and what of them.

use crate::axdr::{Data, Reader, tag, write_length};
use crate::cosem::{array, logical_name, number, structure};
use crate::{Error, Obis};

const WITHOUT_RIGHTS: u8 = 1;
const BY_CLASS: u8 = 2;
const BY_OBJECTS: u8 = 3;
const BY_OBJECT: u8 = 4;

/// The selections of an object list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectSelection {
    /// Every object, without the access rights; selector 1.
    WithoutRights,
    /// Objects of these classes, without the access rights; selector 2.
    Classes(Vec<u16>),
    /// These objects, as far as they exist; selector 3.
    Objects(Vec<ObjectId>),
    /// One object; selector 4.
    Object(ObjectId),
}

/// Which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Interface class.
    pub class_id: u16,
    /// Logical name.
    pub instance: Obis,
}

impl ObjectSelection {
    /// Whether an object is asked for.
    pub fn takes(&self, object: ObjectId) -> bool {
        match self {
            Self::WithoutRights => true,
            Self::Classes(classes) => classes.contains(&object.class_id),
            Self::Objects(objects) => objects.contains(&object),
            Self::Object(only) => *only == object,
        }
    }

    /// Whether the access rights are asked for.
    pub const fn with_rights(&self) -> bool {
        matches!(self, Self::Objects(_) | Self::Object(_))
    }

    /// Appends selector and parameters.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::WithoutRights => out.extend_from_slice(&[WITHOUT_RIGHTS, tag::NULL_DATA]),
            Self::Classes(classes) => {
                out.extend_from_slice(&[BY_CLASS, tag::ARRAY]);
                write_length(classes.len(), out);
                classes.iter().for_each(|class_id| Data::LongUnsigned(*class_id).encode(out));
            }
            Self::Objects(objects) => {
                out.extend_from_slice(&[BY_OBJECTS, tag::ARRAY]);
                write_length(objects.len(), out);
                objects.iter().for_each(|object| object.to_data().encode(out));
            }
            Self::Object(object) => {
                out.push(BY_OBJECT);
                object.to_data().encode(out);
            }
        }
    }

    /// Reads selector and parameters.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let selector = reader.u8()?;
        let parameters = Data::read(reader)?;
        match selector {
            WITHOUT_RIGHTS if parameters == Data::NullData => Ok(Self::WithoutRights),
            WITHOUT_RIGHTS => Err(Error::DataType { expected: "null-data", got: parameters.data_type() }),
            BY_CLASS => {
                let classes = array(&parameters, "classes to select")?.iter();
                Ok(Self::Classes(
                    classes.map(|class_id| number(class_id, "class")).collect::<Result<_, _>>()?,
                ))
            }
            BY_OBJECTS => {
                let objects = array(&parameters, "objects to select")?.iter();
                Ok(Self::Objects(objects.map(ObjectId::of).collect::<Result<_, _>>()?))
            }
            BY_OBJECT => ObjectId::of(&parameters).map(Self::Object),
            other => Err(Error::Value { what: "selector", got: u32::from(other) }),
        }
    }
}

impl ObjectId {
    fn to_data(self) -> Data {
        let name = Data::OctetString(self.instance.octets().to_vec());
        Data::Structure(vec![Data::LongUnsigned(self.class_id), name])
    }

    fn of(data: &Data) -> Result<Self, Error> {
        let [class_id, instance] = structure(data, "object to select")?;
        Ok(Self { class_id: number(class_id, "class")?, instance: logical_name(instance)? })
    }
}

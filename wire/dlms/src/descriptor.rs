use crate::axdr::Reader;
use crate::{Error, Obis};

/// Cosem-Attribute-Descriptor (Green Book, 9.5): one attribute of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeDescriptor {
    /// Interface class.
    pub class_id: u16,
    /// Logical name.
    pub instance: Obis,
    /// Number of the attribute; 1 is the logical name, 0 all of them.
    pub attribute: i8,
}

/// Cosem-Method-Descriptor (Green Book, 9.5): one method of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodDescriptor {
    /// Interface class.
    pub class_id: u16,
    /// Logical name.
    pub instance: Obis,
    /// Number of the method, from 1.
    pub method: i8,
}

impl AttributeDescriptor {
    /// Appends the nine octets.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode(self.class_id, self.instance, self.attribute, out);
    }

    /// Reads the nine octets.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (class_id, instance, attribute) = read(reader)?;
        Ok(Self { class_id, instance, attribute })
    }
}

impl MethodDescriptor {
    /// Appends the nine octets.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode(self.class_id, self.instance, self.method, out);
    }

    /// Reads the nine octets.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (class_id, instance, method) = read(reader)?;
        Ok(Self { class_id, instance, method })
    }
}

fn encode(class_id: u16, instance: Obis, index: i8, out: &mut Vec<u8>) {
    out.extend_from_slice(&class_id.to_be_bytes());
    out.extend_from_slice(&instance.octets());
    out.push(index.cast_unsigned());
}

fn read(reader: &mut Reader<'_>) -> Result<(u16, Obis, i8), Error> {
    Ok((reader.u16()?, Obis::new(reader.array()?), reader.u8()?.cast_signed()))
}

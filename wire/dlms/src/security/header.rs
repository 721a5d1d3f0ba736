use crate::Error;
use crate::axdr::{Reader, write_octets};

/// What stands in front of `general-ciphering` and `general-signing` (Green Book, 9.2.7.2.3 and 9.5): who writes to whom, and about what.
/// Each field may be empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneralHeader<'a> {
    /// Names the exchange; the answer has the same.
    pub transaction_id: &'a [u8],
    /// System title of who protected the APDU.
    pub originator: &'a [u8],
    /// System title of who it is for.
    pub recipient: &'a [u8],
    /// When it was protected.
    pub date_time: &'a [u8],
    /// What a project writes here.
    pub other_information: &'a [u8],
}

impl<'a> GeneralHeader<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for field in
            [self.transaction_id, self.originator, self.recipient, self.date_time, self.other_information]
        {
            write_octets(field, out);
        }
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(Self {
            transaction_id: reader.octets()?,
            originator: reader.octets()?,
            recipient: reader.octets()?,
            date_time: reader.octets()?,
            other_information: reader.octets()?,
        })
    }
}

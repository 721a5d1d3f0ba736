use super::tag;
use crate::axdr::Reader;
use crate::error::{Error, ExceptionResponse, ServiceError, StateError};

impl ExceptionResponse {
    /// Appends the APDU. The expected counter goes with an invocation-counter-error only.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::EXCEPTION_RESPONSE, self.state.code(), self.service.code()]);
        if let (ServiceError::InvocationCounterError, Some(counter)) = (self.service, self.expected_counter) {
            out.extend_from_slice(&counter.to_be_bytes());
        }
    }

    /// Decodes the APDU. Some meters do not say which counter they expect.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`], [`Error::Trailing`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let tag = reader.u8()?;
        if tag != tag::EXCEPTION_RESPONSE {
            return Err(Error::Unexpected { tag });
        }
        let (state, service) = (StateError::from(reader.u8()?), ServiceError::from(reader.u8()?));
        let expected_counter = match service {
            ServiceError::InvocationCounterError if reader.remaining() > 0 => Some(reader.u32()?),
            _ => None,
        };
        reader.finish()?;
        Ok(Self { state, service, expected_counter })
    }
}

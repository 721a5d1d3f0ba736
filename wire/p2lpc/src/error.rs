/// Why octets are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They end too early: fetch them again.
    #[error("cut off after {octets} octets")]
    Truncated {
        /// How many there are.
        octets: usize,
    },
    /// They are no XML from here on.
    #[error("no XML at octet {octet}")]
    Malformed {
        /// Where.
        octet: usize,
    },
    /// There are too many of something.
    #[error("more {what} than {limit}")]
    TooLong {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Something that has to be there is not.
    #[error("no {what}")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// Something is written in a way that has no meaning.
    #[error("{what} cannot be understood")]
    Value {
        /// What.
        what: &'static str,
    },
    /// They are XML about something else.
    #[error("nothing of a concentrator: `{element}`")]
    Unexpected {
        /// Name of the element, shortened.
        element: String,
    },
}

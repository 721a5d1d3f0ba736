//! `Debug` of messages that carry secrets: says that something is there, never what.

use std::fmt;

use crate::v1::{Credentials, ImportMetersRequest};

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl fmt::Debug for ImportMetersRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportMetersRequest({} octets)", self.chunk.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::v1::{CreateMeterRequest, Credentials};

    #[test]
    fn debug_of_a_request_tells_no_secret() {
        let secret = || vec![65; 16];
        let credentials = Credentials {
            password: secret(),
            client_title: secret(),
            encryption_key: secret(),
            authentication_key: secret(),
            signing_key: secret(),
            ..Credentials::default()
        };
        let request =
            CreateMeterRequest { serial: "1".into(), credentials: Some(credentials), ..Default::default() };
        let text = format!("{request:?}");
        assert!(text.contains("***"), "{text}");
        assert!(!text.contains("65") && !text.contains("AAA"), "{text}");
    }
}

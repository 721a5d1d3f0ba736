//! `Debug` of messages that carry secrets: says that something is there, never what.

use std::fmt;

use crate::v1::{GmacCredentials, ImportMetersRequest, PasswordCredentials};

impl fmt::Debug for PasswordCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordCredentials(***)")
    }
}

impl fmt::Debug for GmacCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GmacCredentials(***)")
    }
}

impl fmt::Debug for ImportMetersRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportMetersRequest({} octets)", self.chunk.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::v1::{
        CreateMeterRequest, Credentials, GmacCredentials, PasswordCredentials, credentials::Level,
    };

    #[test]
    fn debug_of_a_request_tells_no_secret() {
        for level in [
            Level::Password(PasswordCredentials { password: b"ABCDEFGH".to_vec() }),
            Level::Gmac(GmacCredentials {
                client_title: vec![65; 8],
                encryption_key: vec![65; 16],
                authentication_key: vec![65; 16],
            }),
        ] {
            let request = CreateMeterRequest {
                serial: "1".into(),
                credentials: Some(Credentials { level: Some(level) }),
                ..Default::default()
            };
            let text = format!("{request:?}");
            assert!(text.contains("***"), "{text}");
            assert!(!text.contains("65") && !text.contains("ABC"), "{text}");
        }
    }
}

//! What a client certificate says about its holder.

use std::fmt::Write as _;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// The holder of a certificate that our CA has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    /// The first URI of the subject's alternative names, else the first DNS name, else the common name (RFC 5280, 4.2.1.6).
    pub(super) name: Option<String>,
    /// SHA-256 of the certificate in hexadecimal digits, as `openssl x509 -fingerprint -sha256` shows it without colons.
    pub(super) fingerprint: String,
    /// Until when the certificate is valid; the past when that cannot be read.
    pub(super) until: Timestamp,
}

impl Holder {
    /// Reads a certificate in DER.
    pub(super) fn of(der: &[u8]) -> Self {
        let mut fingerprint = String::with_capacity(64);
        for octet in Sha256::digest(der) {
            // Writing to a string does not fail.
            let _ = write!(fingerprint, "{octet:02x}");
        }
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return Self { name: None, fingerprint, until: Timestamp::MIN };
        };
        let until = Timestamp::from_second(certificate.validity().not_after.timestamp());
        Self { name: name(&certificate), fingerprint, until: until.unwrap_or(Timestamp::MIN) }
    }
}

fn name(certificate: &X509Certificate<'_>) -> Option<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names =
        extension.as_ref().map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let uri = names.iter().find_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let dns = || {
        names.iter().find_map(|name| match name {
            GeneralName::DNSName(dns) => Some(*dns),
            _ => None,
        })
    };
    let common = || certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    uri.or_else(dns).or_else(common).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};

    use super::*;

    fn holder(common: Option<&str>, dns: Option<&str>, uri: Option<&str>) -> Holder {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        params.subject_alt_names.extend(dns.map(|dns| SanType::DnsName(text(dns))));
        params.subject_alt_names.extend(uri.map(|uri| SanType::URI(text(uri))));
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Holder::of(certificate.der())
    }

    #[test]
    fn the_most_telling_name_counts() {
        let name = |common, dns, uri| holder(common, dns, uri).name;
        assert_eq!(
            name(Some("anna"), Some("billing.example"), Some("urn:x:billing")).unwrap(),
            "urn:x:billing"
        );
        assert_eq!(name(Some("anna"), Some("billing.example"), None).unwrap(), "billing.example");
        assert_eq!(name(Some("anna"), None, None).unwrap(), "anna");
        assert_eq!(name(None, None, None), None);
    }

    #[test]
    fn the_end_and_the_fingerprint_are_those_of_the_certificate() {
        let holder = holder(Some("anna"), None, None);
        assert_eq!(holder.until, "2031-02-03T00:00:00Z".parse().unwrap());
        assert_eq!(holder.fingerprint.len(), 64);
        // FIPS 180-4: SHA-256 of nothing.
        let nothing = Holder::of(&[]);
        assert!(nothing.fingerprint.starts_with("e3b0c44298fc1c14") && nothing.until < holder.until);
        assert_eq!(nothing.name, None);
    }
}

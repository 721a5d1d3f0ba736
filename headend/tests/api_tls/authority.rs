//! Certificates of every kind, good and bad.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, SanType, date_time_ymd, string::Ia5String,
};
use tonic::transport::Identity;

/// Somebody who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client that may come in.
    pub(crate) fn client(&self, name: &str) -> Identity {
        self.sign(client(name))
    }

    pub(crate) fn sign(&self, params: CertificateParams) -> Identity {
        let (certificate, key) = signed(params, &self.0);
        Identity::from_pem(certificate, key)
    }

    /// Writes what a server at 127.0.0.1 needs, whose clients have certificates of `clients`.
    pub(crate) fn serve(&self, folder: &Path, clients: &Self) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (certificate, key) = signed(params, &self.0);
        std::fs::create_dir_all(folder).unwrap();
        for (name, text) in [("certificate.pem", &certificate), ("key.pem", &key), ("ca.pem", &clients.pem())]
        {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
}

fn signed(params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A client with this common name, valid for ages.
pub(crate) fn client(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub(crate) fn with_uri(mut params: CertificateParams, uri: &str) -> CertificateParams {
    params.subject_alt_names.push(SanType::URI(Ia5String::try_from(uri).unwrap()));
    params
}

pub(crate) fn with_dns(mut params: CertificateParams, dns: &str) -> CertificateParams {
    params.subject_alt_names.push(SanType::DnsName(Ia5String::try_from(dns).unwrap()));
    params
}

pub(crate) fn in_years(mut params: CertificateParams, from: i32, to: i32) -> CertificateParams {
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

pub(crate) fn for_servers(mut params: CertificateParams) -> CertificateParams {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

pub(crate) fn self_signed(params: CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    Identity::from_pem(params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

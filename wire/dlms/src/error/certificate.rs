use crate::security::SystemTitle;

/// What speaks against a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// The octets are no X.509 certificate.
    #[error("it is no X.509 certificate")]
    Malformed,
    /// Its key or its signature is of another kind than suites 1 and 2 have, or its signature is of another one than the key of its issuer.
    #[error("key or signature is none of ECDSA on P-256 with SHA-256 or on P-384 with SHA-384")]
    Algorithm,
    /// It demands that something be taken into account that is not understood.
    #[error("its critical extension {oid} is not understood")]
    CriticalExtension {
        /// The extension's object identifier.
        oid: String,
    },
    /// It was issued by somebody else than the authority that is trusted.
    #[error("it was issued by another authority than the trusted one")]
    Issuer,
    /// Who issued it may not issue such certificates.
    #[error("its issuer may not issue it: not an authority, or not one that may have others below it")]
    NotAuthority,
    /// The signature of its issuer is wrong.
    #[error("its issuer's signature is wrong")]
    Signature,
    /// r or s of its issuer's signature is zero, or not below the order of the curve.
    #[error("r or s of its issuer's signature is out of range")]
    SignatureValue,
    /// Its time has not come.
    #[error("it is not valid yet: check the clock")]
    NotYetValid,
    /// Its time is over.
    #[error("it has expired: have a new one issued")]
    Expired,
    /// It is about somebody else.
    #[error("it is about {}, not about {expected}", got.map_or_else(|| "nobody with a system title".to_owned(), |title| title.to_string()))]
    WrongTitle {
        /// System title of whom it should be about.
        expected: SystemTitle,
        /// System title of whom it is about.
        got: Option<SystemTitle>,
    },
    /// Its key may not be used so.
    #[error("its key may not be used so: digital signature and key agreement have certificates of their own")]
    KeyUsage,
    /// Its key is for something outside DLMS, for example TLS.
    #[error("its extended key usage names something else, for example TLS")]
    ExtendedKeyUsage,
}

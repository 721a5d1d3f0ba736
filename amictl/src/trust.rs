//! Why two sides do not trust each other, in words for whoever sits in front of one of them.

use std::error::Error;

/// How a chain of errors says that the other side ended the handshake (RFC 8446, 6.2), and why.
const ALERT: &str = "received fatal alert: ";

/// How it says that we do not trust the certificate of the other side.
const PEER: &str = "invalid peer certificate: ";

/// What is wrong with the certificates, if that is what an error is about.
///
/// The transport hands on texts, not types, once a connection is open: with TLS 1.3 a refusal of the client comes after that.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(ToString::to_string).find_map(|text| sentence(&text))
}

fn sentence(text: &str) -> Option<String> {
    if let Some(alert) = word_behind(text, ALERT) {
        return Some(match alert {
            "CertificateRequired" => {
                "the head-end wants to know who asks: name a client certificate with --identity, or with --certificate and --key"
                    .into()
            }
            "UnknownCA" | "DecryptError" => {
                "the head-end does not accept the client certificate: no authority that it trusts has signed it".into()
            }
            "CertificateExpired" => {
                "the head-end does not accept the client certificate: it is not valid at this time; get a new one".into()
            }
            alert => format!("the head-end does not accept the client certificate ({alert})"),
        });
    }
    if let Some(why) = word_behind(text, PEER) {
        return Some(match why {
            "UnknownIssuer" | "BadSignature" => {
                "the head-end shows a certificate that no authority we trust has signed: name its authority with --ca, \
                 or do not trust who answers there"
                    .into()
            }
            why => format!("the certificate of the head-end cannot be trusted ({why}): have it renewed"),
        });
    }
    if text.contains("InvalidContentType") {
        return Some(
            "the head-end does not encrypt there: write http://, which is for this machine only".into(),
        );
    }
    None
}

/// The word that follows a phrase.
fn word_behind<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(phrase)?;
    rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next()
}

use super::node::{Node, Value};
use crate::security::{Key, PublicKey, SystemTitle};

/// What is known besides the octets: with keys, ciphered APDUs are opened.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The key of encryption, global or, for what is ciphered with it, dedicated.
    pub encryption_key: Option<Key>,
    /// The key of authentication. Without it, what is encrypted is deciphered and its tag is not checked.
    pub authentication_key: Option<Key>,
    /// The master key, in which a general-ciphering may bring another one.
    pub key_encryption_key: Option<Key>,
    /// The key of the association. An initiate-request that is opened tells it, too.
    pub dedicated_key: Option<Key>,
    /// The system title of the sender, where the octets do not tell it.
    pub system_title: Option<SystemTitle>,
    /// The key by which signatures are checked.
    pub signer: Option<PublicKey>,
}

/// What was learned on the way, and what belongs beside the APDU that is being read.
pub(super) struct Context<'a> {
    pub(super) secrets: &'a Secrets,
    /// System titles of the client and of the server, as an AARQ and an AARE told them.
    pub(super) client: Option<SystemTitle>,
    pub(super) server: Option<SystemTitle>,
    /// The dedicated key, as an initiate-request told it.
    pub(super) dedicated_key: Option<Key>,
    /// Name of the octets that are deciphered.
    pub(super) plaintext: &'static str,
    /// What was found inside protected APDUs.
    pub(super) after: Vec<Node>,
    /// Protections around the APDU that is being read.
    pub(super) depth: usize,
}

impl<'a> Context<'a> {
    pub(super) const fn new(secrets: &'a Secrets) -> Self {
        Self {
            secrets,
            client: None,
            server: None,
            dedicated_key: None,
            plaintext: "plaintext",
            after: Vec::new(),
            depth: 0,
        }
    }

    /// Learns the dedicated key out of an initiate-request.
    pub(super) fn learn_key(&mut self, initiate: Option<&Node>) {
        if let Some(Value::Octets(octets)) =
            initiate.and_then(|node| node.child("dedicated-key")).map(|node| &node.value)
        {
            self.dedicated_key = Key::try_from(octets.as_slice()).ok().or(self.dedicated_key.take());
        }
    }
}

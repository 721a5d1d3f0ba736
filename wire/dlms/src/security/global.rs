use super::{Cipher, Key, Suite};

/// The global unicast keys of a meter, and the suite that they are for.
#[derive(Clone, Debug)]
pub struct GlobalKeys {
    /// Security suite.
    pub suite: Suite,
    /// Global unicast encryption key.
    pub encryption: Key,
    /// Authentication key.
    pub authentication: Key,
}

impl GlobalKeys {
    /// Keys of suite 0.
    pub const fn of_suite_0(encryption: Key, authentication: Key) -> Self {
        Self { suite: Suite::Zero, encryption, authentication }
    }

    pub(crate) fn cipher(&self) -> Cipher {
        Cipher::new(&self.encryption, &self.authentication)
    }

    /// The cipher of one association, under a key of its own and the same authentication key.
    pub(crate) fn dedicated(&self, key: &Key) -> Cipher {
        Cipher::new(key, &self.authentication)
    }
}

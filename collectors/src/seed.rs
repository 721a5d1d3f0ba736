use std::fmt;

use dlms::client::{Key, Suite};
use sha2::{Digest as _, Sha256};

/// Unpredictable octets, fresh for one work, of which everything random in its associations is made: challenges and dedicated keys.
#[derive(Clone, Copy)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes octets from a source of randomness that nobody can predict.
    pub const fn new(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The seed of one association. Different numbers make seeds of which none tells anything of another.
    pub(crate) fn of_association(&self, number: u64) -> Self {
        self.made_for(b"association", &number.to_be_bytes())
    }

    /// What the gaps after collisions are made of: two that sent at the same time must not do so again.
    pub(crate) fn gaps(&self) -> u64 {
        let mut octets = [0; 8];
        octets.copy_from_slice(&self.made_for(b"gaps", &[]).0[..8]);
        u64::from_be_bytes(octets)
    }

    /// What the meter has to prove itself on.
    pub(crate) fn challenge(&self) -> [u8; 32] {
        self.made_for(b"challenge", &[]).0
    }

    /// A key for this association only.
    pub(crate) fn key(&self, suite: Suite) -> Key {
        let octets = self.made_for(b"dedicated key", &[]).0;
        match suite {
            Suite::Zero | Suite::One => {
                let mut short = [0; 16];
                short.copy_from_slice(&octets[..16]);
                Key::new(short)
            }
            Suite::Two => Key::new(octets),
        }
    }

    fn made_for(&self, purpose: &[u8], number: &[u8]) -> Self {
        // The seed has one length, and no purpose begins like another.
        Self(Sha256::new().chain_update(self.0).chain_update(purpose).chain_update(number).finalize().into())
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_associations_and_no_two_purposes_share_octets() {
        let seed = Seed::new([7; 32]);
        let [one, other] = [1, 2].map(|number| seed.of_association(number));
        assert_ne!(one.challenge(), other.challenge());
        assert_ne!(one.challenge(), one.0);
        assert_eq!(one.challenge(), Seed::new([7; 32]).of_association(1).challenge(), "nothing else goes in");
        assert_eq!(format!("{one:?}"), "Seed(***)");
    }
}

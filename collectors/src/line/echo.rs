/// What a line brings back of what was sent, on a two-wire bus whose adapter hears itself.
///
/// The octets that come back are compared with those that were sent and dropped. When they differ, somebody else sent at the same time.
#[derive(Debug, Default)]
pub(super) struct Echo {
    due: Vec<u8>,
    heard: usize,
}

/// What octets that arrived are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// So many octets of what was sent; what follows them, if anything, is an answer.
    Own(usize),
    /// Not what was sent.
    Collision,
}

impl Echo {
    /// Octets were sent and will come back.
    pub(super) fn sent(&mut self, octets: &[u8]) {
        self.due.extend_from_slice(octets);
    }

    /// Whether something that was sent has not come back.
    pub(super) const fn is_due(&self) -> bool {
        self.heard < self.due.len()
    }

    /// How many of the octets that arrived are what was sent.
    pub(super) fn arrived(&mut self, octets: &[u8]) -> Heard {
        let due = &self.due[self.heard..];
        let count = due.len().min(octets.len());
        if due[..count] != octets[..count] {
            self.forget();
            return Heard::Collision;
        }
        self.heard += count;
        if !self.is_due() {
            self.forget();
        }
        Heard::Own(count)
    }

    /// Nothing is waited for any more.
    pub(super) fn forget(&mut self) {
        self.due.clear();
        self.heard = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What was sent is dropped and the answer stays, wherever the line cuts them.
        #[test]
        fn only_the_answer_stays(
            sent in proptest::collection::vec(any::<u8>(), 1..60),
            answer in proptest::collection::vec(any::<u8>(), 0..60),
            cut in 1_usize..20,
        ) {
            let mut echo = Echo::default();
            echo.sent(&sent);
            let mut left = Vec::new();
            for part in [&sent[..], &answer[..]].concat().chunks(cut) {
                let Heard::Own(count) = echo.arrived(part) else { panic!("no collision") };
                left.extend_from_slice(&part[count..]);
            }
            prop_assert_eq!(left, answer);
            prop_assert!(!echo.is_due());
        }

        /// One bit that is not as it was sent is a collision.
        #[test]
        fn a_changed_bit_is_a_collision(
            sent in proptest::collection::vec(any::<u8>(), 1..60),
            place in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let mut echo = Echo::default();
            echo.sent(&sent);
            let mut heard = sent.clone();
            heard[place.index(sent.len())] ^= 1 << bit;
            prop_assert_eq!(echo.arrived(&heard), Heard::Collision);
            prop_assert!(!echo.is_due());
        }
    }
}

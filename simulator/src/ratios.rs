//! What was set into a meter about the transformers in front of it.

use dlms::Obis;
use models::Transformers;

/// Both ratios, each with numerator and denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratios {
    /// Of the current transformers, in ampere.
    pub current: (u16, u16),
    /// Of the voltage transformers, in volt.
    pub voltage: (u16, u16),
}

impl Default for Ratios {
    fn default() -> Self {
        Self { current: (200, 5), voltage: (11_000, 110) }
    }
}

impl Ratios {
    /// What an object of the model shows; `None` when it is none of theirs.
    pub(crate) fn shown(&self, transformers: &Transformers, name: Obis) -> Option<u16> {
        let ratios = [(transformers.current, self.current), (transformers.voltage, self.voltage)];
        ratios.into_iter().find_map(|(objects, (numerator, denominator))| {
            let objects = objects?;
            match name {
                name if name == objects.numerator => Some(numerator),
                name if Some(name) == objects.denominator => Some(denominator),
                _ => None,
            }
        })
    }
}

//! Numbers that look random and are a pure function of what they are asked for.

/// Step of the SplitMix64 sequence: 2^64 divided by the golden ratio, odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Source of numbers of one meter. Two meters, two seeds or two streams have nothing in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noise(u64);

impl Noise {
    /// The source that belongs to a seed and a serial number.
    pub(crate) fn of(seed: u64, serial: u64) -> Self {
        Self(mix(mix(seed.wrapping_add(STEP)) ^ serial))
    }

    /// The number of a stream at an index: any of the 2^64, all alike.
    pub(crate) fn number(self, stream: u64, index: i64) -> u64 {
        let stream = stream.wrapping_add(1).wrapping_mul(STEP.rotate_left(32) | 1);
        mix(self.0.wrapping_add(stream).wrapping_add(index.cast_unsigned().wrapping_mul(STEP)))
    }

    /// The number of a stream at an index, from 0 up to but not including `limit`; 0 when the limit is not positive.
    pub(crate) fn below(self, stream: u64, index: i64, limit: i64) -> i64 {
        let Ok(limit) = u64::try_from(limit) else { return 0 };
        // Multiply-and-shift instead of a remainder: no division in the path of a profile.
        let wide = u128::from(self.number(stream, index)) * u128::from(limit);
        i64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Sixteen octets of a stream at an index, for keys and challenges.
    pub(crate) fn octets(self, stream: u64, index: u32) -> [u8; 16] {
        let half = |half| u128::from(self.number(stream, i64::from(index) * 2 + half));
        let wide = half(0) << 64 | half(1);
        wide.to_be_bytes()
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input changes about half of the output.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::Noise;

    #[test]
    fn numbers_depend_on_every_argument() {
        let base = Noise::of(1, 1).number(1, 1);
        assert_eq!(base, Noise::of(1, 1).number(1, 1));
        let others = [
            Noise::of(2, 1).number(1, 1),
            Noise::of(1, 2).number(1, 1),
            Noise::of(1, 1).number(2, 1),
            Noise::of(1, 1).number(1, 2),
        ];
        assert!(others.iter().all(|&other| other != base));
    }

    #[test]
    fn numbers_below_a_limit_fill_it_evenly() {
        let noise = Noise::of(7, 42);
        let mut seen = [0; 10];
        for index in 0..10_000 {
            seen[usize::try_from(noise.below(3, index, 10)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1200).contains(&count)), "{seen:?}");
        assert_eq!(noise.below(3, 1, 0), 0);
    }
}

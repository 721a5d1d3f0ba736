use crate::Error;

/// Octets that say what a unit is about.
const IDENTIFIER: usize = 4;
/// Bits of one group.
const GROUP: u16 = 8;

/// The measuring point that a unit is about (DA of Q/GDW 376.1, 4.3.4.4): 0 is the terminal itself, up to 2040.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point(u16);

impl Point {
    /// The terminal itself.
    pub const TERMINAL: Self = Self(0);
    /// Most measuring points.
    const MAX: u16 = 255 * GROUP;

    /// The point of a number; `None` above 2040.
    pub const fn new(number: u16) -> Option<Self> {
        if number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }

    const fn octets(self) -> [u8; 2] {
        match self.0 {
            0 => [0, 0],
            // Of a number up to MAX the group is at most 255.
            number => [1 << ((number - 1) % GROUP), ((number - 1) / GROUP + 1) as u8],
        }
    }

    /// `None` when several points are meant, or none.
    fn of([bits, group]: [u8; 2]) -> Option<Self> {
        match (bits, group) {
            (0, 0) => Some(Self(0)),
            (bits, 1..) if bits.is_power_of_two() => {
                Some(Self((u16::from(group) - 1) * GROUP + bits.trailing_zeros() as u16 + 1))
            }
            _ => None,
        }
    }
}

/// The function within an AFN that a unit is about, `F1` to `F248` (DT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function(u8);

impl Function {
    /// `F1`.
    pub const F1: Self = Self(1);
    /// `F2`.
    pub const F2: Self = Self(2);
    /// `F3`.
    pub const F3: Self = Self(3);

    /// The function of a number from 1 to 248.
    pub(crate) const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    const fn octets(self) -> [u8; 2] {
        let place = self.0 - 1;
        [1 << (place % 8), place / 8]
    }

    /// `None` when several functions are meant, or none.
    fn of([bits, group]: [u8; 2]) -> Option<Self> {
        (bits.is_power_of_two() && group <= 30).then(|| Self(group * 8 + bits.trailing_zeros() as u8 + 1))
    }
}

/// A data unit of one point and one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    /// What it is about.
    pub point: Point,
    /// Which of its data.
    pub function: Function,
    /// The data, and whatever stands behind the unit.
    pub data: &'a [u8],
}

impl<'a> Unit<'a> {
    /// Appends the unit.
    pub fn encode(&self, out: &mut Vec<u8>) {
        identify(self.point, self.function, out);
        out.extend_from_slice(self.data);
    }

    /// Reads the first unit of a body; how long its data are is known to whoever knows the function.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Unexpected`] when it is about several points or functions at once.
    pub fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (&[d1, d2, t1, t2], data) =
            body.split_first_chunk::<IDENTIFIER>().ok_or(Error::Truncated { what: "a data unit" })?;
        let point = Point::of([d1, d2]).ok_or(Error::Unexpected { what: "the measuring point", got: d1 })?;
        let function = Function::of([t1, t2]).ok_or(Error::Unexpected { what: "the function", got: t1 })?;
        Ok(Self { point, function, data })
    }
}

/// Appends what a unit is about.
pub(crate) fn identify(point: Point, function: Function, out: &mut Vec<u8>) {
    out.extend(point.octets());
    out.extend(function.octets());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_functions_are_bits_of_a_group() {
        for (number, octets) in [(0, [0, 0]), (1, [1, 1]), (8, [0x80, 1]), (9, [1, 2]), (2040, [0x80, 255])] {
            let point = Point::new(number).unwrap();
            assert_eq!(point.octets(), octets, "p{number}");
            assert_eq!(Point::of(octets), Some(point));
        }
        assert_eq!(Point::new(2041), None);
        for (number, octets) in [(1, [1, 0]), (3, [4, 0]), (9, [1, 1]), (248, [0x80, 30])] {
            assert_eq!(Function(number).octets(), octets, "F{number}");
            assert_eq!(Function::of(octets), Some(Function(number)));
        }
        assert_eq!((Point::of([0xFF, 0xFF]), Point::of([3, 1]), Point::of([1, 0])), (None, None, None));
        assert_eq!((Function::of([0, 0]), Function::of([3, 0]), Function::of([1, 31])), (None, None, None));
    }
}

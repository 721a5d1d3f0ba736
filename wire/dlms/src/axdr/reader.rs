use crate::Error;

/// A cursor over received octets. Whatever is read stays borrowed from them.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `octets`.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Octets that are left.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next octets, unread.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next octet without reading it.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    #[inline]
    pub fn peek(&self) -> Result<u8, Error> {
        self.rest.first().copied().ok_or(Error::Truncated)
    }

    /// The next `count` octets.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` octets.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next octet.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// The next two octets as a number.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next four octets as a number.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight octets as a number.
    ///
    /// # Errors
    /// [`Error::Truncated`].
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length or count (A-XDR, IEC 61334-6): one octet below 128, else the number of octets that hold it. Longer forms
    /// than needed are accepted, as meters send them.
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::TooLong`] above 2³² − 1 and for the reserved form 0x80.
    #[inline]
    pub fn length(&mut self) -> Result<usize, Error> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(usize::from(first));
        }
        let octets = usize::from(first & 0x7F);
        if octets == 0 || octets > 4 {
            return Err(Error::TooLong { what: "length", limit: 4 });
        }
        Ok(self.take(octets)?.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)))
    }

    /// A length and as many octets.
    ///
    /// # Errors
    /// Those of [`length`](Self::length) and [`take`](Self::take).
    #[inline]
    pub fn octets(&mut self) -> Result<&'a [u8], Error> {
        let length = self.length()?;
        self.take(length)
    }

    /// An optional element: whether it is there (A-XDR usage flag).
    ///
    /// # Errors
    /// [`Error::Truncated`]; [`Error::Value`] for a flag other than 0 and 1.
    pub fn flag(&mut self) -> Result<bool, Error> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Error::Value { what: "usage flag", got: u32::from(other) }),
        }
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// [`Error::Trailing`].
    pub const fn finish(self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(Error::Trailing { left }),
        }
    }
}

/// Appends a length in its shortest form.
pub fn write_length(length: usize, out: &mut Vec<u8>) {
    let octets = length.to_be_bytes();
    match length {
        0..0x80 => out.push(octets[octets.len() - 1]),
        _ => {
            let first = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1);
            let significant = &octets[first..];
            // A usize has at most 8 octets.
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
}

/// Appends a length and the octets.
pub fn write_octets(octets: &[u8], out: &mut Vec<u8>) {
    write_length(octets.len(), out);
    out.extend_from_slice(octets);
}

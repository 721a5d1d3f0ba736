/// A point in time on the terminal's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Year of the century, 0 to 99.
    pub year: u8,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 1 for Monday to 7 for Sunday; 0 when it is not told.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl Moment {
    /// Second, minute, hour, day, weekday and month, year: two digits each, the weekday in the three highest bits (Q/GDW 376.1, annex A.1).
    pub(crate) fn octets(self) -> [u8; 6] {
        let month = bcd(self.month) | self.weekday << 5;
        [bcd(self.second), bcd(self.minute), bcd(self.hour), bcd(self.day), month, bcd(self.year)]
    }

    /// The moment of these octets, in the same order; `None` when it is none.
    pub(crate) fn of([second, minute, hour, day, month, year]: [u8; 6]) -> Option<Self> {
        let moment = Self {
            year: two(year)?,
            month: two(month & 0x1F)?,
            day: two(day)?,
            weekday: month >> 5,
            hour: two(hour)?,
            minute: two(minute)?,
            second: two(second)?,
        };
        let is_one = (1..=12).contains(&moment.month)
            && (1..=31).contains(&moment.day)
            && moment.hour < 24
            && moment.minute < 60
            && moment.second < 60;
        is_one.then_some(moment)
    }

    /// The moment of minute, hour, day, month, year, two digits each (annex A.15); `None` when it is none.
    pub(crate) fn of_minute([minute, hour, day, month, year]: [u8; 5]) -> Option<Self> {
        Self::of([0, minute, hour, day, month & 0x1F, year])
    }

    /// Minute, hour, day, month, year.
    pub(crate) fn minute_octets(self) -> [u8; 5] {
        [self.minute, self.hour, self.day, self.month, self.year].map(bcd)
    }
}

fn two(octet: u8) -> Option<u8> {
    (octet >> 4 <= 9 && octet & 0x0F <= 9).then(|| (octet >> 4) * 10 + (octet & 0x0F))
}

/// Two digits in one octet; of more the last two stand.
fn bcd(number: u8) -> u8 {
    let number = number % 100;
    ((number / 10) << 4) | (number % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_was_written() {
        // Thursday, 26 November 2026, 18:05:09.
        let moment = Moment { year: 26, month: 11, day: 26, weekday: 4, hour: 18, minute: 5, second: 9 };
        assert_eq!(moment.octets(), [0x09, 0x05, 0x18, 0x26, 0x91, 0x26]);
        assert_eq!(Moment::of(moment.octets()), Some(moment));
        let whole = Moment { second: 0, weekday: 0, ..moment };
        assert_eq!(Moment::of_minute(whole.minute_octets()), Some(whole));
        for none in [
            [0x60, 0, 0, 1, 1, 0],
            [0, 0, 0x24, 1, 1, 0],
            [0, 0, 0, 0, 1, 0],
            [0, 0, 0, 1, 0x13, 0],
            [0x0A, 0, 0, 1, 1, 0],
        ] {
            assert_eq!(Moment::of(none), None, "{none:02X?}");
        }
    }
}

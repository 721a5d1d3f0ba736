/// A point in time on the meter's own clock: two digits each, BCD on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Year of the century, 0 to 99.
    pub year: u8,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl Moment {
    /// Second, minute, hour, day, month, year, as in a broadcast of the time and in the term of an order.
    pub fn wire(self) -> [u8; 6] {
        [self.second, self.minute, self.hour, self.day, self.month, self.year].map(bcd)
    }

    /// Minute, hour, day, month, year, as in the time of a snapshot and of a load record.
    pub fn minutes(self) -> [u8; 5] {
        let [_, minutes @ ..] = self.wire();
        minutes
    }

    /// The moment of these octets, in the same order, with no seconds; `None` when it is none.
    pub fn from_minutes([minute, hour, day, month, year]: [u8; 5]) -> Option<Self> {
        Self::from_wire([0, minute, hour, day, month, year])
    }

    /// The moment of these octets, as [`wire`](Self::wire) writes them; `None` when it is none.
    pub fn from_wire(octets: [u8; 6]) -> Option<Self> {
        let [second, minute, hour, day, month, year] = octets;
        let two =
            |octet: u8| (octet >> 4 <= 9 && octet & 0x0F <= 9).then(|| (octet >> 4) * 10 + (octet & 0x0F));
        let moment = Self {
            year: two(year)?,
            month: two(month)?,
            day: two(day)?,
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
}

/// Two digits in one octet. Above 99 there is no such octet: the last two digits stand.
fn bcd(number: u8) -> u8 {
    let number = number % 100;
    ((number / 10) << 4) | (number % 10)
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[test]
    fn a_moment_is_read_as_it_was_written() {
        let moment = Moment { year: 26, month: 1, day: 2, hour: 3, minute: 4, second: 5 };
        assert_eq!(moment.wire(), [0x05, 0x04, 0x03, 0x02, 0x01, 0x26]);
        assert_eq!(Moment::from_wire(moment.wire()), Some(moment));
        assert_eq!(Moment::from_minutes(moment.minutes()), Some(Moment { second: 0, ..moment }));
        assert_eq!(Moment::from_minutes([0; 5]), None);
        assert_eq!(Moment::from_wire([0x60, 0, 0, 1, 1, 0]), None);
        assert_eq!(Moment::from_wire([0x0A, 0, 0, 1, 1, 0]), None);
    }
}

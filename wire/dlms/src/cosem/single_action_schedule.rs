//! Single action schedule, class 22 version 0 (Blue Book, 4.5.6): a script that the meter runs at given times.

use super::{array, fixed, structure};
use crate::axdr::Data;
use crate::{AttributeDescriptor, DateTime, Error, Obis};

/// The class.
pub const CLASS: u16 = 22;

/// A single action schedule object, such as 0.0.15.0.2.255, which activates an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SingleActionSchedule(pub Obis);

impl SingleActionSchedule {
    /// Attribute 4 `execution_time`, an array of [`Execution`].
    pub const fn execution_time(self) -> AttributeDescriptor {
        AttributeDescriptor { class_id: CLASS, instance: self.0, attribute: 4 }
    }
}

/// When the script runs, in the meter's local time: `structure{octet-string(4) time, octet-string(5) date}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Hour, minute, second, hundredths.
    pub time: [u8; 4],
    /// Year in two octets, month, day of the month, day of the week.
    pub date: [u8; 5],
}

impl Execution {
    /// Date and time of a moment; its deviation and status are left out.
    pub const fn at(moment: DateTime) -> Self {
        let [y1, y2, month, day, day_of_week, hour, minute, second, hundredths, ..] = moment.octets();
        Self { time: [hour, minute, second, hundredths], date: [y1, y2, month, day, day_of_week] }
    }

    /// Whether both are the same second. The day of the week follows from the date, and meters write it or not; so it is with hundredths.
    pub const fn is_same_second(&self, other: &Self) -> bool {
        let [hour, minute, second, _] = self.time;
        let [other_hour, other_minute, other_second, _] = other.time;
        let [y1, y2, month, day, _] = self.date;
        let [other_y1, other_y2, other_month, other_day, _] = other.date;
        hour == other_hour
            && minute == other_minute
            && second == other_second
            && y1 == other_y1
            && y2 == other_y2
            && month == other_month
            && day == other_day
    }

    /// As value of attribute 4: this one time.
    pub fn to_data(&self) -> Data {
        let time = Data::OctetString(self.time.to_vec());
        let date = Data::OctetString(self.date.to_vec());
        Data::Array(vec![Data::Structure(vec![time, date])])
    }

    /// Reads attribute 4.
    ///
    /// # Errors
    /// [`Error::DataType`], [`Error::Length`].
    pub fn list_from_data(data: &Data) -> Result<Vec<Self>, Error> {
        array(data, "execution times (array)")?.iter().map(Self::from_data).collect()
    }

    fn from_data(data: &Data) -> Result<Self, Error> {
        let [time, date] = structure(data, "execution time (structure)")?;
        let time = match time {
            Data::Time(time) => *time,
            other => fixed(other, "time of day")?,
        };
        let date = match date {
            Data::Date(date) => *date,
            other => fixed(other, "date")?,
        };
        Ok(Self { time, date })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Execution = Execution { time: [2, 30, 0, 0], date: [0x07, 0xEA, 6, 2, 2] };

    #[test]
    fn one_time_is_laid_out_field_by_field() {
        let mut octets = Vec::new();
        AT.to_data().encode(&mut octets);
        let expected =
            [&[1, 1, 2, 2, /* time */ 9, 4, 2, 30, 0, 0][..], &[/* date */ 9, 5, 7, 0xEA, 6, 2, 2]];
        assert_eq!(octets, expected.concat());
        assert_eq!(Execution::list_from_data(&Data::decode(&octets).unwrap()), Ok(vec![AT]));
        let typed = Data::Array(vec![Data::Structure(vec![Data::Time(AT.time), Data::Date(AT.date)])]);
        assert_eq!(Execution::list_from_data(&typed), Ok(vec![AT]));
        assert!(Execution::list_from_data(&Data::Array(vec![Data::NullData])).is_err());
    }

    #[test]
    fn a_moment_is_a_time_and_a_date() {
        // 2026-06-02T02:30:00Z, a Tuesday.
        let moment = DateTime::from_unix(1_780_367_400, None, 0xFF);
        assert_eq!(Execution::at(moment), AT);
    }

    #[test]
    fn day_of_week_and_hundredths_do_not_matter() {
        let shown = Execution { time: [2, 30, 0, 0xFF], date: [0x07, 0xEA, 6, 2, 0xFF] };
        assert!(AT.is_same_second(&shown));
        assert!(!AT.is_same_second(&Execution { time: [2, 30, 1, 0], ..AT }));
        assert!(!AT.is_same_second(&Execution { date: [0x07, 0xEB, 6, 2, 2], ..AT }));
    }
}

//! Dates and times as a tariff file writes them.

use jiff::civil;

/// A time of the day such as `06:00`.
pub(super) fn time_of_day(text: &str) -> Option<[u8; 2]> {
    let (hour, minute) = text.split_once(':')?;
    let [hour, minute] = [two_digits(hour)?, two_digits(minute)?];
    (hour < 24 && minute < 60).then_some([hour, minute])
}

/// A date of every year such as `04-01`; 29 February, too.
pub(super) fn month_day(text: &str) -> Option<[u8; 2]> {
    let (month, day) = text.split_once('-')?;
    let [month, day] = [two_digits(month)?, two_digits(day)?];
    // A leap year has every day that there is.
    civil::Date::new(2024, month.cast_signed(), day.cast_signed()).ok()?;
    Some([month, day])
}

/// A date of one year such as `2027-03-29`, or of every year.
pub(super) fn date(text: &str) -> Option<(Option<u16>, [u8; 2])> {
    let Some((year, rest)) = text.split_once('-').filter(|(year, _)| year.len() == 4) else {
        return month_day(text).map(|month_day| (None, month_day));
    };
    let (year, [month, day]) = (year.parse::<u16>().ok()?, month_day(rest)?);
    civil::Date::new(year.cast_signed(), month.cast_signed(), day.cast_signed()).ok()?;
    Some((Some(year), [month, day]))
}

/// A date and a time of the day such as `2027-01-01T00:00`, with or without seconds.
pub(super) fn date_time(text: &str) -> Option<civil::DateTime> {
    text.parse().ok().filter(|_| text.contains(['T', ' ']))
}

fn two_digits(text: &str) -> Option<u8> {
    let is_number = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_dates_that_exist() {
        assert_eq!(time_of_day("06:30"), Some([6, 30]));
        for wrong in ["6:30", "24:00", "12:60", "06:30:00", "+6:30", "", "06.30"] {
            assert_eq!(time_of_day(wrong), None, "{wrong}");
        }
        assert_eq!(date("12-25"), Some((None, [12, 25])));
        assert_eq!(date("02-29"), Some((None, [2, 29])));
        assert_eq!(date("2028-02-29"), Some((Some(2028), [2, 29])));
        for wrong in
            ["2027-02-29", "02-30", "13-01", "1-1", "2027-1-1", "20270101", "2027-01-01-01", "-01-01"]
        {
            assert_eq!(date(wrong), None, "{wrong}");
        }
        assert_eq!(date_time("2027-01-01T00:00"), Some(civil::date(2027, 1, 1).at(0, 0, 0, 0)));
        for wrong in ["2027-01-01", "2027-02-30T00:00", "tomorrow", "2027-01-01T24:01"] {
            assert_eq!(date_time(wrong), None, "{wrong}");
        }
    }
}

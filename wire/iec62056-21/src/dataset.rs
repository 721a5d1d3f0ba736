use crate::{Error, Number};

/// One value of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    /// As the meter wrote it.
    pub text: &'a str,
    /// Its unit, when there is one.
    pub unit: Option<&'a str>,
}

impl Value<'_> {
    /// The value as an exact number, when it is one.
    pub fn number(&self) -> Option<Number> {
        self.text.parse().ok()
    }
}

/// A name and its values: `1.8.0(000123.45*kWh)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet<'a> {
    /// Name of the item; empty when a meter leaves it out because it is that of the set before.
    pub item: &'a str,
    /// Its values in order.
    pub values: Vec<Value<'a>>,
}

impl DataSet<'_> {
    /// The error that a meter answers instead of a value: what stands behind `ER`.
    pub fn error(&self) -> Option<&str> {
        self.values.first().and_then(|value| value.text.strip_prefix("ER"))
    }
}

/// The data sets of a read-out or an answer, one after the other.
#[derive(Clone, Debug)]
pub struct DataSets<'a> {
    whole: &'a [u8],
    at: usize,
}

impl<'a> DataSets<'a> {
    /// The data sets in these octets, which ends of lines and a `!` at the end may separate.
    pub const fn of(body: &'a [u8]) -> Self {
        Self { whole: body, at: 0 }
    }

    fn read(&mut self) -> Result<Option<DataSet<'a>>, Error> {
        const WHAT: &str = "data set";
        let rest = &self.whole[self.at..];
        let blank = rest.iter().take_while(|octet| matches!(**octet, b'\r' | b'\n')).count();
        self.at += blank;
        let rest = &rest[blank..];
        if rest.is_empty() || rest == b"!" || rest.starts_with(b"!\r") || rest.starts_with(b"!\n") {
            self.at = self.whole.len();
            return Ok(None);
        }
        let short = Error::Truncated { what: WHAT, offset: self.whole.len() };
        let open = rest.iter().position(|octet| *octet == b'(').ok_or_else(|| short.clone())?;
        let item = self.text(self.at, open)?;
        self.at += open;
        let mut values = Vec::new();
        while self.whole.get(self.at) == Some(&b'(') {
            let inside = &self.whole[self.at + 1..];
            let close = inside.iter().position(|octet| *octet == b')').ok_or_else(|| short.clone())?;
            let text = self.text(self.at + 1, close)?;
            let (text, unit) = text.split_once('*').map_or((text, None), |(text, unit)| (text, Some(unit)));
            values.push(Value { text, unit });
            self.at += close + 2;
        }
        Ok(Some(DataSet { item, values }))
    }

    /// Printable characters without brackets that open inside.
    fn text(&self, start: usize, length: usize) -> Result<&'a str, Error> {
        let octets = &self.whole[start..start + length];
        let wrong = |octet: &u8| !(0x20..0x7F).contains(octet) || *octet == b'(';
        match (octets.iter().position(wrong), std::str::from_utf8(octets)) {
            (None, Ok(text)) => Ok(text),
            (at, _) => {
                let at = at.unwrap_or_default();
                Err(Error::Malformed { what: "data set", offset: start + at, got: octets[at] })
            }
        }
    }
}

impl<'a> Iterator for DataSets<'a> {
    type Item = Result<DataSet<'a>, Error>;

    /// What is no data set is an error, and passed over with the rest of its line.
    fn next(&mut self) -> Option<Self::Item> {
        let is_end = |octet: &u8| matches!(octet, b'\r' | b'\n');
        let begun = self.at;
        let set = self.read();
        if set.is_err() {
            let line = &self.whole[begun..];
            let blank = line.iter().take_while(|octet| is_end(octet)).count();
            let length = line[blank..].iter().position(is_end).unwrap_or(line.len() - blank);
            self.at = begun + blank + length;
        }
        set.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(body: &[u8]) -> Result<Vec<(String, String)>, Error> {
        let plain = |set: DataSet<'_>| {
            let values =
                set.values.iter().map(|value| format!("{}|{}", value.text, value.unit.unwrap_or("")));
            (set.item.to_owned(), values.collect::<Vec<_>>().join(","))
        };
        DataSets::of(body).map(|set| set.map(plain)).collect()
    }

    #[test]
    fn a_read_out_is_taken_apart() {
        let body = b"0.0.0(12345678)\r\n1.8.0(000123.45*kWh)\r\n1.6.1*01(0.35*kW)(2601021530)\r\n!\r\n";
        let want = [("0.0.0", "12345678|"), ("1.8.0", "000123.45|kWh"), ("1.6.1*01", "0.35|kW,2601021530|")];
        let want = want.map(|(item, values)| (item.to_owned(), values.to_owned()));
        assert_eq!(sets(body).unwrap(), want);
        assert_eq!(sets(b"(ER07)").unwrap(), [(String::new(), "ER07|".to_owned())]);
    }

    #[test]
    fn a_line_that_is_no_data_set_is_passed_over() {
        let body = b"0.0.0(12345678)\r\nHEADER\r\nF.F(a(b)c\td)(1)\r\n1.8.0(000123.45*kWh)\r\n2.8.0\r\n!\r\n";
        let items = DataSets::of(body).map(|set| set.map(|set| set.item).map_err(drop));
        assert_eq!(items.collect::<Vec<_>>(), [Ok("0.0.0"), Err(()), Err(()), Ok("1.8.0"), Err(())]);
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let what = "data set";
        assert_eq!(sets(b"1.8.0(12"), Err(Error::Truncated { what, offset: 8 }));
        assert_eq!(sets(b"1.8.0"), Err(Error::Truncated { what, offset: 5 }));
        assert_eq!(sets(b"1.8\x01(1)"), Err(Error::Malformed { what, offset: 3, got: 1 }));
        assert_eq!(sets(b"a(1)\r\nb(2(3)"), Err(Error::Malformed { what, offset: 9, got: b'(' }));
    }
}

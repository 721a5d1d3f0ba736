//! Codes of other systems for canonical keys: EndDeviceEventType of IEC 61968-9.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::Error;
use crate::check::is_key;
use crate::source::{FILE_LIMIT, syntax, unreadable};

const BUILTIN: (&str, &str) = ("cim.toml", include_str!("../cim.toml"));
/// Keys that a table may have.
const KEYS_LIMIT: usize = 1024;

/// The EndDeviceEventType codes (`type.domain.subdomain.eventOrAction`) of canonical keys. Not every key has one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CimCodes {
    codes: BTreeMap<String, String>,
}

impl CimCodes {
    /// The codes that come with the program.
    ///
    /// # Errors
    /// Never with the file as it was tested; the error is that of [`CimCodes::load`].
    pub fn builtin() -> Result<Self, Error> {
        Self::parse(BUILTIN.0, BUILTIN.1)
    }

    /// The codes that come with the program, with those of a file in place of them. An empty code takes one away.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::Syntax`] with the line, [`Error::Limit`], [`Error::Invalid`] with the key.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let mut all = Self::builtin()?;
        all.codes.extend(Self::parse(&path.display().to_string(), &text)?.codes);
        all.codes.retain(|_, code| !code.is_empty());
        Ok(all)
    }

    /// The code of a key, if it has one.
    pub fn code(&self, key: &str) -> Option<&str> {
        self.codes.get(key).map(String::as_str)
    }

    /// All keys that have a code, and their codes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.codes.iter().map(|(key, code)| (key.as_str(), code.as_str()))
    }

    fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let over = |what: String, limit| Error::Limit { file: file.to_owned(), what, limit };
        if text.len() > FILE_LIMIT {
            return Err(over(format!("a size of {} octets", text.len()), FILE_LIMIT));
        }
        let table: Self = toml::from_str(text).map_err(|error| syntax(file, text, &error))?;
        if table.codes.len() > KEYS_LIMIT {
            return Err(over(format!("a number of {} keys", table.codes.len()), KEYS_LIMIT));
        }
        let invalid = |key: &str, message: &str| Error::Invalid {
            file: file.to_owned(),
            key: format!("codes.\"{key}\""),
            message: message.to_owned(),
        };
        for (key, code) in &table.codes {
            if !is_key(key) {
                return Err(invalid(key, "is no canonical key; a key of one's own begins with `vendor.`"));
            }
            if !code.is_empty() && !is_code(code) {
                return Err(invalid(
                    key,
                    "must be four numbers with dots between them, such as 3.26.0.47, or empty",
                ));
            }
        }
        Ok(table)
    }
}

/// Four numbers with dots between them.
fn is_code(text: &str) -> bool {
    let number = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit()) && part.parse::<u16>().is_ok();
    text.split('.').count() == 4 && text.split('.').all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_are_none_are_refused_by_key() {
        let refused =
            |line: &str| CimCodes::parse("own.toml", &format!("[codes]\n{line}")).unwrap_err().to_string();
        for (line, part) in [
            ("\"power.off\" = \"3.26.0.47\"", "codes.\"power.off\": is no canonical key"),
            ("\"power.down\" = \"3.26.0\"", "codes.\"power.down\": must be four numbers"),
            ("\"power.down\" = \"3.26.0.+7\"", "must be four numbers"),
            ("\"power.down\" = \"3.26.0.70000\"", "must be four numbers"),
            ("\"power.down\" = 3", "line 2"),
            ("[names]", "unknown field `names`"),
        ] {
            assert!(refused(line).contains(part), "{line}: {}", refused(line));
        }
        assert!(CimCodes::parse("own.toml", "[codes]\n\"vendor.fuse\" = \"3.26.0.1\"").is_ok());
    }
}

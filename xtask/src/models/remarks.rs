//! What stands in the comments of a model's file, by the key that it is beside or in front of.

use std::collections::BTreeMap;
use std::mem;

use toml::{Table, Value};

/// Comments by key: `switch.settle`, `profiles.0.columns.3`; those in front of everything have the key "".
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remarks(BTreeMap<String, String>);

impl Remarks {
    /// The comments of a file. Each line is one key, the beginning of a section or list, or an entry of a list.
    pub(super) fn read(text: &str) -> Self {
        let mut reader = Reader::default();
        text.lines().for_each(|line| reader.line(line.trim()));
        Self(reader.found)
    }

    /// What is said of a key.
    pub(super) fn of(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Adds the remarks of a base, but for what the files above it say themselves, and for what is said of the file as a whole.
    pub(super) fn lay_over(&mut self, base: Self, above: &[Table]) {
        for (key, remark) in base.0 {
            if above.is_empty() || !(key.is_empty() || above.iter().any(|table| is_replaced(&key, table))) {
                self.0.entry(key).or_insert(remark);
            }
        }
    }
}

/// Whether a table has something in the place of a key of its base: anything but tables, which are merged.
fn is_replaced(key: &str, own: &Table) -> bool {
    let mut table = own;
    for part in key.split('.') {
        match table.get(part) {
            Some(Value::Table(below)) => table = below,
            found => return found.is_some(),
        }
    }
    false
}

#[derive(Default)]
struct Reader {
    found: BTreeMap<String, String>,
    /// Lines of comments that wait for what they are about.
    waiting: String,
    /// A key was seen: comments are not about the whole file any more.
    has_begun: bool,
    section: String,
    /// Entries of each list of sections so far.
    counts: BTreeMap<String, usize>,
    /// The list that is open, and its entries so far.
    list: Option<(String, usize)>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let (code, comment) = apart(line);
        match (code, comment) {
            ("", Some(comment)) => {
                let separator = if self.waiting.is_empty() {
                    ""
                } else if comment.is_empty() {
                    "\n\n"
                } else {
                    " "
                };
                self.waiting.push_str(separator);
                self.waiting.push_str(comment);
            }
            ("", None) if !self.has_begun => self.settle(String::new(), None),
            ("", None) => {}
            (code, comment) => self.code(code, comment),
        }
    }

    fn code(&mut self, code: &str, comment: Option<&str>) {
        self.has_begun = true;
        if let Some((list, count)) = self.list.take() {
            if code.starts_with(']') {
                return;
            }
            self.settle(format!("{list}.{count}"), comment);
            self.list = Some((list, count + 1));
        } else if let Some(name) = code.strip_prefix("[[").and_then(|name| name.strip_suffix("]]")) {
            let count = self.counts.entry(name.to_owned()).or_default();
            self.section = format!("{name}.{count}");
            *count += 1;
            self.settle(self.section.clone(), comment);
        } else if let Some(name) = code.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            name.clone_into(&mut self.section);
            self.settle(self.section.clone(), comment);
        } else if let Some((key, value)) = code.split_once('=') {
            let dot = if self.section.is_empty() { "" } else { "." };
            let key = format!("{}{dot}{}", self.section, key.trim());
            self.settle(key.clone(), comment);
            if value.trim() == "[" {
                self.list = Some((key, 0));
            }
        }
    }

    /// Notes what was said in front of a key and beside it.
    fn settle(&mut self, key: String, beside: Option<&str>) {
        let waiting = mem::take(&mut self.waiting);
        let said: Vec<&str> = [waiting.trim(), beside.unwrap_or_default()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        if said.is_empty() {
            return;
        }
        let remark = self.found.entry(key).or_default();
        if !remark.is_empty() {
            remark.push_str("\n\n");
        }
        remark.push_str(&said.join("; "));
    }
}

/// A line without its comment, and the comment.
fn apart(line: &str) -> (&str, Option<&str>) {
    let mut is_quoted = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted => return (line[..at].trim(), Some(line[at + 1..].trim())),
            _ => {}
        }
    }
    (line, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# The meter.\n#\n# Not stated: much.\n\n# More.\nname = \"a#b\" # its name\n\n# Assumed.\n[switch]\nsettle = \"1s\" # slow\n\n[[profiles]]\ncolumns = [\n  { a = 1 }, # first\n  { a = 2 },\n]\n[[profiles]]\n# deep\ndepth = 3\n";

    #[test]
    fn each_comment_belongs_to_what_it_is_beside_or_in_front_of() {
        let remarks = Remarks::read(FILE);
        for (key, remark) in [
            ("", "The meter.\n\n Not stated: much."),
            ("name", "More.; its name"),
            ("switch", "Assumed."),
            ("switch.settle", "slow"),
            ("profiles.0.columns.0", "first"),
            ("profiles.1.depth", "deep"),
        ] {
            assert_eq!(remarks.of(key), Some(remark), "{key}");
        }
        assert_eq!(remarks.of("profiles.0.columns.1"), None);
        assert_eq!(remarks.0.len(), 6);
    }

    #[test]
    fn what_a_file_replaces_takes_the_remarks_of_its_base_along() {
        let own: Table = "profiles = []\n[switch]\nobis = 'x'".parse().unwrap();
        let mut remarks = Remarks::read("[switch]\nobis = 'x' # own\n");
        remarks.lay_over(Remarks::read(FILE), &[own]);
        assert_eq!(remarks.of("switch.obis"), Some("own"));
        assert_eq!(remarks.of("switch.settle"), Some("slow"));
        assert_eq!((remarks.of(""), remarks.of("profiles.0.columns.0")), (None, None));
    }
}

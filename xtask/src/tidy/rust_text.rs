//! Rust source told apart into code, strings and documentation, line by line.
//!
//! Not a parser: it knows comments, strings and characters, which is what a check of words needs in order not to
//! take a sentence of a comment for code.

/// One Rust file as the checks see it. Lines from the first test module on are left out.
pub(crate) struct RustText {
    /// Code of each line, with comments taken out and strings left empty.
    pub(crate) code: Vec<String>,
    /// Lines that are documentation (`///`, `//!`), counted from 1.
    pub(crate) documentation: Vec<usize>,
    /// Every string with the line on which it begins, counted from 1.
    pub(crate) strings: Vec<(usize, String)>,
    /// Lines of the whole file, tests included.
    pub(crate) total_lines: usize,
}

impl RustText {
    /// Reads a file.
    pub(crate) fn read(text: &str) -> RustText {
        let mut reader = Reader { rest: text, lines: vec![String::new()], ..Reader::default() };
        while reader.step() {}
        let end = test_module(&reader.lines).unwrap_or(reader.lines.len());
        RustText {
            documentation: reader.documentation.into_iter().filter(|line| *line <= end).collect(),
            strings: reader.strings.into_iter().filter(|(line, _)| *line <= end).collect(),
            code: reader.lines.into_iter().take(end).collect(),
            total_lines: text.lines().count(),
        }
    }

    /// Lines that hold code.
    pub(crate) fn code_lines(&self) -> usize {
        self.code.iter().filter(|line| !line.trim().is_empty()).count()
    }

    /// Identifiers and numbers of the code with their line, counted from 1.
    pub(crate) fn code_words(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().flat_map(|(at, line)| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .map(move |word| (at + 1, word))
        })
    }
}

/// Index of the line where tests begin: `#[cfg(test)]` before a module, at the margin.
fn test_module(lines: &[String]) -> Option<usize> {
    lines.windows(2).position(|pair| pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod "))
}

#[derive(Default)]
struct Reader<'a> {
    rest: &'a str,
    lines: Vec<String>,
    documentation: Vec<usize>,
    strings: Vec<(usize, String)>,
}

impl Reader<'_> {
    /// Takes one token; false at the end of the file.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if self.rest.starts_with("//") {
            self.line_comment();
        } else if self.rest.starts_with("/*") {
            self.block_comment();
        } else if let Some(hashes) = raw_string(self.rest).filter(|_| !self.inside_a_word()) {
            self.raw_string(hashes);
        } else if first == '"' {
            self.string();
        } else if let Some(length) = character(self.rest) {
            self.take(length, false);
        } else {
            self.take(first.len_utf8(), true);
        }
        true
    }

    /// Takes `length` octets away; they become code when `code` is true. Returns nothing; counts lines.
    fn take(&mut self, length: usize, code: bool) {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        for c in taken.chars() {
            match (c, self.lines.last_mut()) {
                ('\n', _) => self.lines.push(String::new()),
                (c, Some(line)) if code => line.push(c),
                _ => {}
            }
        }
    }

    fn inside_a_word(&self) -> bool {
        let last = self.lines.last().and_then(|line| line.chars().next_back());
        last.is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn line_comment(&mut self) {
        let plain = self.rest.starts_with("////");
        if !plain && (self.rest.starts_with("///") || self.rest.starts_with("//!")) {
            self.documentation.push(self.lines.len());
        }
        self.take(self.rest.find('\n').unwrap_or(self.rest.len()), false);
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        let mut at = 0;
        while at < self.rest.len() {
            let here = &self.rest.as_bytes()[at..];
            if here.starts_with(b"/*") {
                (depth, at) = (depth + 1, at + 2);
            } else if here.starts_with(b"*/") {
                (depth, at) = (depth - 1, at + 2);
            } else {
                at += 1;
            }
            if depth == 0 {
                break;
            }
        }
        self.take(at, false);
    }

    fn raw_string(&mut self, hashes: usize) {
        let opening = self.rest.find('"').map_or(self.rest.len(), |at| at + 1);
        let closing = format!("\"{}", "#".repeat(hashes));
        let length = self.rest[opening..].find(&closing).unwrap_or(self.rest.len() - opening);
        self.keep_string(opening, length, closing.len());
    }

    fn string(&mut self) {
        let mut escaped = false;
        let end = self.rest[1..].find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.keep_string(1, end.unwrap_or(self.rest.len() - 1), 1);
    }

    fn keep_string(&mut self, opening: usize, length: usize, closing: usize) {
        self.strings.push((self.lines.len(), self.rest[opening..opening + length].to_owned()));
        self.take((opening + length + closing).min(self.rest.len()), false);
    }
}

/// Number of `#` when a raw string (`r"`, `r#"`, `br#"`) begins here.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = after.bytes().take_while(|b| *b == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Length of a character literal that begins here; nothing for a lifetime.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        return escape.get(1..)?.find('\'').map(|at| at + 4);
    }
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(length + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_strings_and_documentation_are_told_apart() {
        let text = RustText::read("//! Top.\n/// Doc.\n// why\nlet a = \"x // y\"; /* f64\n f32 */ b();\n");
        assert_eq!(text.documentation, [1, 2]);
        assert_eq!(text.strings, [(4, "x // y".to_owned())]);
        assert_eq!(text.code, ["", "", "", "let a = ; ", " b();", ""]);
        assert_eq!((text.code_lines(), text.total_lines), (2, 5));
    }

    #[test]
    fn characters_lifetimes_and_raw_strings_do_not_confuse_it() {
        let text = RustText::read("f('\"', '\\'', '\\u{1F}'); g::<'a>(r#\"a \"b\" c\"#, \"\\\"z\");");
        let strings: Vec<&str> = text.strings.iter().map(|(_, string)| string.as_str()).collect();
        assert_eq!(strings, ["a \"b\" c", "\\\"z"]);
        assert_eq!(text.code, ["f(, , ); g::<'a>(, );"]);
    }

    #[test]
    fn nested_comments_end_where_they_end() {
        assert_eq!(RustText::read("a/* x /* y */ z */b").code, ["ab"]);
    }

    #[test]
    fn what_begins_with_the_test_module_is_left_out() {
        let text = RustText::read(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    /// Doc.\n    const B: f64 = 1.0;\n}\n",
        );
        assert_eq!(text.code, ["fn a() {}"]);
        assert!(text.documentation.is_empty());
        assert_eq!(text.total_lines, 6);
    }
}

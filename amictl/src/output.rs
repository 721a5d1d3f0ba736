//! Rows to standard output: a table for people, CSV for spreadsheets, JSON lines for programs.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use crate::error::Error;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    Table,
    /// Comma separated values with a header line.
    Csv,
    /// One JSON object per line.
    Json,
}

/// An answer that can be written as a row.
pub(crate) trait Row: Serialize {
    /// Names of the columns.
    const COLUMNS: &'static [&'static str];
    /// Columns that hold numbers: they are aligned to the right.
    const NUMBERS: &'static [&'static str];
    /// Columns that a table shows; CSV and JSON have all of them.
    const IN_TABLE: &'static [&'static str] = Self::COLUMNS;

    /// The cells, one for each column.
    fn cells(&self) -> Vec<String>;
}

/// Writes pages of rows, the header once.
pub(crate) struct Output<W> {
    to: W,
    format: Format,
    header: Header,
}

enum Header {
    Due,
    Written,
}

/// An output to standard output.
pub(crate) fn stdout(format: Format) -> Output<io::StdoutLock<'static>> {
    Output::new(io::stdout().lock(), format)
}

impl<W: Write> Output<W> {
    /// An output to `to`.
    pub(crate) fn new(to: W, format: Format) -> Self {
        Self { to, format, header: Header::Due }
    }

    /// The format that was chosen.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Writes a page of rows and flushes it.
    pub(crate) fn page<R: Row>(&mut self, rows: &[R]) -> Result<(), Error> {
        match self.format {
            Format::Table => self.table(rows)?,
            Format::Csv => self.csv(rows)?,
            Format::Json => rows.iter().try_for_each(|row| self.object(row))?,
        }
        self.header = Header::Written;
        Ok(self.to.flush()?)
    }

    /// Writes one JSON object as a line and flushes it.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        self.object(value)?;
        Ok(self.to.flush()?)
    }

    /// Writes the fields of one thing, a line for each that is not empty.
    pub(crate) fn fields(&mut self, fields: &[(&str, String)]) -> Result<(), Error> {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(self.to, "{name:width$}  {value}")?;
        }
        Ok(self.to.flush()?)
    }

    /// Writes a line of text.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Error> {
        writeln!(self.to, "{text}")?;
        Ok(self.to.flush()?)
    }

    fn object(&mut self, value: &impl Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.to, value).map_err(io::Error::from)?;
        Ok(self.to.write_all(b"\n")?)
    }

    fn table<R: Row>(&mut self, rows: &[R]) -> Result<(), Error> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if matches!(self.header, Header::Due) {
            table.set_header(R::IN_TABLE.iter().map(|name| aligned::<R>(name, name.to_uppercase())));
        } else if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let cells = R::COLUMNS.iter().zip(row.cells()).filter(|(name, _)| R::IN_TABLE.contains(name));
            table.add_row(cells.map(|(name, cell)| aligned::<R>(name, cell)));
        }
        for line in table.lines() {
            writeln!(self.to, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn csv<R: Row>(&mut self, rows: &[R]) -> Result<(), Error> {
        let mut writer = csv::Writer::from_writer(&mut self.to);
        if matches!(self.header, Header::Due) {
            writer.write_record(R::COLUMNS).map_err(unwrapped)?;
        }
        for row in rows {
            writer.write_record(row.cells()).map_err(unwrapped)?;
        }
        Ok(writer.flush()?)
    }
}

/// The error of the output itself, with its kind.
fn unwrapped(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

fn aligned<R: Row>(name: &&'static str, text: String) -> Cell {
    let cell = Cell::new(text);
    if R::NUMBERS.contains(name) { cell.set_alignment(CellAlignment::Right) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair {
        name: &'static str,
        size: u32,
    }

    impl Row for Pair {
        const COLUMNS: &'static [&'static str] = &["name", "size"];
        const NUMBERS: &'static [&'static str] = &["size"];

        fn cells(&self) -> Vec<String> {
            vec![self.name.into(), self.size.to_string()]
        }
    }

    fn written(format: Format, pages: &[&[Pair]]) -> String {
        let mut bytes = Vec::new();
        let mut output = Output::new(&mut bytes, format);
        for page in pages {
            output.page(page).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    const A: Pair = Pair { name: "a", size: 7 };
    const B: Pair = Pair { name: "b,c", size: 1200 };

    #[test]
    fn every_format_has_one_header_over_all_pages() {
        assert_eq!(written(Format::Csv, &[&[A], &[B]]), "name,size\na,7\n\"b,c\",1200\n");
        assert_eq!(written(Format::Table, &[&[A, B]]), " NAME  SIZE\n a        7\n b,c   1200\n");
        assert_eq!(written(Format::Table, &[&[], &[]]), " NAME  SIZE\n");
        let json = "{\"name\":\"a\",\"size\":7}\n{\"name\":\"b,c\",\"size\":1200}\n";
        assert_eq!(written(Format::Json, &[&[A], &[B]]), json);
    }

    #[test]
    fn a_closed_output_is_told_apart() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for format in [Format::Table, Format::Csv, Format::Json] {
            assert_eq!(Output::new(Closed, format).page(&[A]), Err(Error::OutputClosed));
            // More than any buffer holds, so that it is noticed in the middle.
            let many: Vec<_> = (0..10_000).map(|_| A).collect();
            assert_eq!(Output::new(Closed, format).page(&many), Err(Error::OutputClosed));
        }
    }
}

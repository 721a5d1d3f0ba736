//! `meters import`: a CSV file into the inventory, all of it or nothing.

use std::{
    io::{Read as _, Write},
    path::Path,
    time::Duration,
};

use ami_proto::v1::{
    ImportMetersRequest, ImportMetersResponse, inventory_service_client::InventoryServiceClient,
};
use serde::Serialize;
use tonic::transport::Channel;

use crate::{
    connection::request_within,
    error::Error,
    output::{Format, Output, Row},
    progress,
};

/// The server takes no larger file.
const MAX_OCTETS: u64 = 64 << 20;
const CHUNK: usize = 256 << 10;
const TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Serialize)]
struct ProblemRow {
    line: u32,
    column: String,
    problem: String,
}

impl Row for ProblemRow {
    const COLUMNS: &'static [&'static str] = &["line", "column", "problem"];
    const NUMBERS: &'static [&'static str] = &["line"];

    fn cells(&self) -> Vec<String> {
        vec![self.line.to_string(), self.column.clone(), self.problem.clone()]
    }
}

/// Sends `file` and tells how many meters it brought, or every row that is wrong.
pub(crate) async fn run<W: Write>(
    mut client: InventoryServiceClient<Channel>,
    file: &Path,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let octets = read(file)?;
    let bar = progress::octets(octets.len() as u64);
    let sent = bar.clone();
    let chunks: Vec<Vec<u8>> = octets.chunks(CHUNK).map(<[u8]>::to_vec).collect();
    drop(octets);
    let chunks = tokio_stream::iter(chunks.into_iter().map(move |chunk| {
        sent.inc(chunk.len() as u64);
        ImportMetersRequest { chunk }
    }));
    let answer = client.import_meters(request_within(chunks, TIMEOUT)).await;
    bar.finish_and_clear();
    tell(answer?.into_inner(), output)
}

fn tell<W: Write>(answer: ImportMetersResponse, output: &mut Output<W>) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Imported {
        imported: u32,
    }
    let listed = answer.problems.len();
    let problems = answer.problems.into_iter();
    let rows: Vec<_> =
        problems.map(|row| ProblemRow { line: row.line, column: row.column, problem: row.problem }).collect();
    if answer.problem_count == 0 {
        return match output.format() {
            Format::Json => output.json(&Imported { imported: answer.imported }),
            Format::Table | Format::Csv => output.line(&format!("{} meters imported", answer.imported)),
        };
    }
    output.page(&rows)?;
    let shown = if listed as u64 == u64::from(answer.problem_count) { "" } else { " (the first are listed)" };
    Err(Error::Failed(format!(
        "nothing was imported: correct the {} problems{shown} and import the file again",
        answer.problem_count
    )))
}

fn read(file: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |error| Error::Local(format!("{} cannot be read: {error}", file.display()));
    let mut octets = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_OCTETS + 1).read_to_end(&mut octets).map_err(wrong)?;
    } else {
        std::fs::File::open(file)
            .and_then(|open| open.take(MAX_OCTETS + 1).read_to_end(&mut octets))
            .map_err(wrong)?;
    }
    if octets.len() as u64 > MAX_OCTETS {
        return Err(Error::Usage(format!(
            "{} is over 64 MiB: cut it in parts, each with the header",
            file.display()
        )));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use ami_proto::v1::ImportProblem;

    use super::*;

    #[test]
    fn problems_are_listed_and_fail() {
        let problem = ImportProblem { line: 3, column: "zone".into(), problem: "no such zone".into() };
        let answer = ImportMetersResponse { imported: 0, problems: vec![problem], problem_count: 1 };
        let mut bytes = Vec::new();
        let error = tell(answer, &mut Output::new(&mut bytes, Format::Table)).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            " LINE  COLUMN  PROBLEM\n    3  zone    no such zone\n"
        );
    }

    #[test]
    fn a_good_import_is_told_in_a_line() {
        let mut bytes = Vec::new();
        let answer = ImportMetersResponse { imported: 2, problems: vec![], problem_count: 0 };
        tell(answer, &mut Output::new(&mut bytes, Format::Json)).unwrap();
        assert_eq!(bytes, b"{\"imported\":2}\n");
    }
}

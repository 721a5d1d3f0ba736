//! `meters import` and `meters correct`: a CSV file into the inventory, all of it or nothing.

use std::{
    io::{Read as _, Write},
    path::Path,
    time::Duration,
};

use ami_proto::v1::{
    CorrectMetersRequest, ImportMetersRequest, ImportProblem,
    inventory_service_client::InventoryServiceClient,
};
use indicatif::ProgressBar;
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
    let (chunks, bar) = chunks(file)?;
    let requests = tokio_stream::iter(chunks.map(|chunk| ImportMetersRequest { chunk }));
    let answer = client.import_meters(request_within(requests, TIMEOUT)).await;
    bar.finish_and_clear();
    let answer = answer?.into_inner();
    taken("imported", answer.problems, answer.problem_count, output)?;
    tell(&Imported { imported: answer.imported }, format!("{} meters imported", answer.imported), output)
}

/// The same of corrections.
pub(crate) async fn correct<W: Write>(
    mut client: InventoryServiceClient<Channel>,
    file: &Path,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let (chunks, bar) = chunks(file)?;
    let requests = tokio_stream::iter(chunks.map(|chunk| CorrectMetersRequest { chunk }));
    let answer = client.correct_meters(request_within(requests, TIMEOUT)).await;
    bar.finish_and_clear();
    let answer = answer?.into_inner();
    taken("corrected", answer.problems, answer.problem_count, output)?;
    let corrected = Corrected { corrected: answer.corrected, unchanged: answer.unchanged };
    let line = format!("{} meters corrected, {} were so already", corrected.corrected, corrected.unchanged);
    tell(&corrected, line, output)
}

#[derive(Serialize)]
struct Imported {
    imported: u32,
}

#[derive(Serialize)]
struct Corrected {
    corrected: u32,
    unchanged: u32,
}

/// The octets of a file in pieces, with a bar that shows how many of them went away.
fn chunks(file: &Path) -> Result<(impl Iterator<Item = Vec<u8>> + Send + 'static, ProgressBar), Error> {
    let octets = read(file)?;
    let bar = progress::octets(octets.len() as u64);
    let sent = bar.clone();
    let chunks: Vec<Vec<u8>> = octets.chunks(CHUNK).map(<[u8]>::to_vec).collect();
    Ok((chunks.into_iter().inspect(move |chunk| sent.inc(chunk.len() as u64)), bar))
}

fn tell<W: Write>(answer: &impl Serialize, line: String, output: &mut Output<W>) -> Result<(), Error> {
    match output.format() {
        Format::Json => output.json(answer),
        Format::Table | Format::Csv => output.line(&line),
    }
}

/// Whether the file was taken; else every row that is wrong is listed.
fn taken<W: Write>(
    done: &str,
    problems: Vec<ImportProblem>,
    count: u32,
    output: &mut Output<W>,
) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    let row = |row: ImportProblem| ProblemRow { line: row.line, column: row.column, problem: row.problem };
    let rows: Vec<_> = problems.into_iter().map(row).collect();
    output.page(&rows)?;
    let shown = if rows.len() as u64 == u64::from(count) { "" } else { " (the first are listed)" };
    Err(Error::Failed(format!(
        "nothing was {done}: correct the {count} problems{shown} and send the file again"
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
    use super::*;

    #[test]
    fn problems_are_listed_and_fail() {
        let problem = ImportProblem { line: 3, column: "zone".into(), problem: "no such zone".into() };
        let mut bytes = Vec::new();
        let error =
            taken("imported", vec![problem], 1, &mut Output::new(&mut bytes, Format::Table)).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            " LINE  COLUMN  PROBLEM\n    3  zone    no such zone\n"
        );
    }

    #[test]
    fn what_came_of_a_file_is_told_in_a_line() {
        let mut bytes = Vec::new();
        tell(&Imported { imported: 2 }, String::new(), &mut Output::new(&mut bytes, Format::Json)).unwrap();
        assert_eq!(bytes, b"{\"imported\":2}\n");
    }
}

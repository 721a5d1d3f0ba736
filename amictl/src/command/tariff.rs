//! `tariff`: files are checked, compared with meters, and brought into force.

use std::{fs, io::Write, path::Path, time::Duration};

use ami_proto::v1::{
    CheckTariffRequest, CommandKind, DiffTariffRequest, DiffTariffResponse, PushTariffRequest,
    check_tariff_request::Taker, tariff_service_client::TariffServiceClient,
};
use tonic::transport::Channel;

use super::commands;
use crate::{
    args::{CheckTariffArgs, CommandsArgs, DiffTariffArgs, PushTariffArgs, Tariff},
    connection::{request, request_within},
    error::Error,
    output::{Format, Output},
    progress,
    view::{DifferenceRow, ProblemRow},
};

/// How much longer than the server the client waits, so that the server's own answer arrives.
const GRACE: Duration = Duration::from_secs(10);

/// Does what `tariff` was asked for.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Tariff,
    output: &mut Output<W>,
) -> Result<(), Error> {
    match command {
        Tariff::Check(args) => check(channel, args, output).await,
        Tariff::Diff(args) => diff(channel, args, output).await,
        Tariff::Push(args) => push(channel, args, output).await,
        Tariff::Status(args) => {
            let pushed = CommandsArgs {
                state: Vec::new(),
                kind: vec![CommandKind::PushTariff],
                meter: args.meter,
                order: String::new(),
                limit: args.limit,
                format: output.format(),
            };
            commands::list(channel, pushed, output).await
        }
    }
}

async fn check<W: Write>(
    channel: Channel,
    args: CheckTariffArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let file = read(&args.file)?;
    let taker = args.model.map(Taker::Model).or(args.meter.map(Taker::MeterSerial));
    let question = request(CheckTariffRequest { file, taker });
    let problems = TariffServiceClient::new(channel).check_tariff(question).await?.into_inner().problems;
    if problems.is_empty() {
        return match output.format() {
            Format::Table => output.line("nothing is wrong"),
            Format::Csv | Format::Json => output.page::<ProblemRow>(&[]),
        };
    }
    let rows: Vec<_> = problems.into_iter().map(ProblemRow::from).collect();
    output.page(&rows)?;
    Err(Error::Usage(format!("{}: {} problems", args.file.display(), rows.len())))
}

async fn diff<W: Write>(channel: Channel, args: DiffTariffArgs, output: &mut Output<W>) -> Result<(), Error> {
    let wait = prost_types::Duration::try_from(args.wait)
        .map_err(|_| Error::Usage("--wait is too long: 1s to 5m".into()))?;
    let question =
        DiffTariffRequest { file: read(&args.file)?, meter_serial: args.serial.clone(), wait: Some(wait) };
    let spinner = progress::waiting(format!("reading {}", args.serial));
    let answer = TariffServiceClient::new(channel)
        .diff_tariff(request_within(question, args.wait.saturating_add(GRACE)))
        .await;
    spinner.finish_and_clear();
    tell(answer?.into_inner(), output)
}

/// Shows what differs, and what the numbers in it mean.
fn tell<W: Write>(answer: DiffTariffResponse, output: &mut Output<W>) -> Result<(), Error> {
    let is_in_force = answer.active.is_empty() && answer.special_days.is_empty();
    let parts =
        [("active", answer.active), ("special_days", answer.special_days), ("passive", answer.passive)];
    let rows: Vec<_> = parts
        .into_iter()
        .flat_map(|(part, all)| all.into_iter().map(move |one| DifferenceRow::of(part, one)))
        .collect();
    if output.format() != Format::Table {
        output.page(&rows)?;
    } else {
        if !rows.is_empty() {
            output.page(&rows)?;
            let days = answer.day_types.iter().map(|day| format!("{} {}", day.number, day.name));
            output.line(&format!("days of the file: {}", days.collect::<Vec<_>>().join(", ")))?;
        }
        if !answer.activation_time.is_empty() {
            output.line(&format!("time of activation: {}", answer.activation_time))?;
        }
    }
    if is_in_force {
        return match output.format() {
            Format::Table => output.line("the tariff is in force"),
            Format::Csv | Format::Json => Ok(()),
        };
    }
    Err(Error::Failed("the tariff is not in force".into()))
}

async fn push<W: Write>(channel: Channel, args: PushTariffArgs, output: &mut Output<W>) -> Result<(), Error> {
    let file = read(&args.file)?;
    let deed = format!("bring {} into force in", args.file.display());
    let terms = Some(args.order.confirmed(&deed, &args.serials)?);
    let question = PushTariffRequest { file, meter_serials: args.serials, terms };
    let answer = TariffServiceClient::new(channel.clone()).push_tariff(request(question)).await?;
    args.order.finish(channel, answer.into_inner().commands, output).await
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path)
        .map_err(|error| Error::Local(format!("{} can not be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use ami_proto::v1::{DayTypeNumber, TariffDifference};

    use super::*;

    fn told(answer: DiffTariffResponse) -> (String, Result<(), Error>) {
        let mut bytes = Vec::new();
        let outcome = tell(answer, &mut Output::new(&mut bytes, Format::Table));
        (String::from_utf8(bytes).unwrap(), outcome)
    }

    #[test]
    fn a_tariff_in_force_is_told_apart() {
        let (text, outcome) = told(DiffTariffResponse::default());
        assert_eq!((text.as_str(), outcome), ("the tariff is in force\n", Ok(())));
        let answer = DiffTariffResponse {
            active: vec![TariffDifference {
                place: "calendar name".into(),
                held: Some("OLD".into()),
                wanted: Some("NEW".into()),
            }],
            activation_time: "2027-01-01 00:00".into(),
            day_types: vec![DayTypeNumber { number: 1, name: "holiday".into() }],
            ..DiffTariffResponse::default()
        };
        let (text, outcome) = told(answer);
        assert_eq!(outcome.unwrap_err().exit_code(), 1);
        let expected = " PART    PLACE          HELD  WANTED\n active  calendar name  OLD   NEW\n\
                        days of the file: 1 holiday\ntime of activation: 2027-01-01 00:00\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_missing_file_is_told_by_name() {
        let error = read(Path::new("no-such-tariff.yaml")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("no-such-tariff.yaml"), "{error}");
    }
}

//! `read`: a meter, now.

use std::{
    io::{self, Write},
    time::Duration,
};

use ami_proto::v1::{
    ClockOutcome, ClockTarget, FailureReason, IdentityTarget, Job, ProfileTarget, ReadNowRequest,
    ReadNowResponse, RegistersTarget, read_now_request::Target, read_now_response::Outcome,
    readings_service_client::ReadingsServiceClient,
};
use jiff::Timestamp;
use serde::Serialize;
use tonic::transport::Channel;

use crate::{
    args::ReadArgs,
    connection::request_within,
    error::Error,
    output::{Format, Output},
    progress, time,
    view::ReadingRow,
};

/// How much longer than the server the client waits, so that the server's own answer arrives.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Reads and writes what came of it.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: ReadArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let wait = args.wait;
    let spinner = progress::waiting(format!("reading {}", args.serial));
    let question = question(args)?;
    let answer = ReadingsServiceClient::new(channel)
        .read_now(request_within(question, wait.saturating_add(GRACE)))
        .await;
    spinner.finish_and_clear();
    tell(answer?.into_inner(), output)
}

fn question(args: ReadArgs) -> Result<ReadNowRequest, Error> {
    let wait = prost_types::Duration::try_from(args.wait)
        .map_err(|_| Error::Usage("--wait is too long: 1s to 5m".into()))?;
    let target = match args.profile {
        Some(profile) => Target::Profile(ProfileTarget { profile, from: args.from, to: args.to }),
        None if args.clock => Target::Clock(ClockTarget {}),
        None if args.identify => Target::Identity(IdentityTarget {}),
        None => Target::Registers(RegistersTarget { obis: args.obis }),
    };
    Ok(ReadNowRequest { meter_serial: args.serial, target: Some(target), wait: Some(wait) })
}

fn tell<W: Write>(answer: ReadNowResponse, output: &mut Output<W>) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Identity {
        logical_device_name: String,
        firmware: String,
    }
    match answer.outcome {
        Some(Outcome::Readings(outcome)) => {
            let rows: Vec<_> = outcome.readings.into_iter().map(ReadingRow::from).collect();
            output.page(&rows)?;
            // Readings stand alone on the standard output.
            if let Some(missing) = answer.job.as_ref().and_then(missing) {
                writeln!(io::stderr(), "{missing}")?;
            }
            if outcome.truncated {
                return Err(Error::Failed(
                    "more was read than is shown: see it with 'amictl readings'".into(),
                ));
            }
            Ok(())
        }
        Some(Outcome::Clock(outcome)) => {
            let clock = Clock::of(&outcome);
            match output.format() {
                Format::Json => output.json(&clock),
                Format::Table | Format::Csv => output.fields(&clock.fields()),
            }
        }
        Some(Outcome::Identity(outcome)) => match output.format() {
            Format::Json => output.json(&Identity {
                logical_device_name: outcome.logical_device_name,
                firmware: outcome.firmware,
            }),
            Format::Table | Format::Csv => output.fields(&[
                ("logical_device_name", outcome.logical_device_name),
                ("firmware", outcome.firmware),
            ]),
        },
        Some(Outcome::Model(_)) | None => {
            Err(Error::Failed("the head-end is newer than this amictl: use one of its version".into()))
        }
    }
}

/// What a read that is done did not bring; what an attempt before failed for has a reason.
fn missing(job: &Job) -> Option<&str> {
    let has_reason = job.reason() != FailureReason::Unspecified;
    Some(job.detail.as_str()).filter(|detail| !has_reason && !detail.is_empty())
}

/// The clock of a meter as it is shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Clock {
    meter_time: String,
    read_at: String,
    ahead_ms: Option<i64>,
    delay_ms: i32,
    offset_minutes: Option<i32>,
    status: Option<u32>,
}

impl Clock {
    fn of(outcome: &ClockOutcome) -> Self {
        Self {
            meter_time: time::text(outcome.meter_time.as_ref()),
            read_at: time::text(outcome.read_at.as_ref()),
            ahead_ms: ahead_ms(outcome),
            delay_ms: outcome.delay_ms,
            offset_minutes: outcome.offset_minutes,
            status: outcome.status,
        }
    }

    fn fields(&self) -> [(&'static str, String); 6] {
        [
            ("meter_time", self.meter_time.clone()),
            ("read_at", self.read_at.clone()),
            ("ahead_ms", self.ahead_ms.map(|ms| ms.to_string()).unwrap_or_default()),
            ("delay_ms", self.delay_ms.to_string()),
            ("offset_minutes", self.offset_minutes.map(|minutes| minutes.to_string()).unwrap_or_default()),
            ("status", self.status.map(|status| status.to_string()).unwrap_or_default()),
        ]
    }
}

/// How far the meter is ahead of us: the meter looked at its clock half way between question and answer.
fn ahead_ms(outcome: &ClockOutcome) -> Option<i64> {
    let millis =
        |at: &prost_types::Timestamp| Some(Timestamp::new(at.seconds, at.nanos).ok()?.as_millisecond());
    let meter = millis(outcome.meter_time.as_ref()?)?;
    let ours = millis(outcome.read_at.as_ref()?)? - i64::from(outcome.delay_ms) / 2;
    Some(meter - ours)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn target(options: &[&str]) -> Option<Target> {
        let words = ["amictl", "read", "17"].iter().chain(options);
        let Command::Read(args) = Cli::try_parse_from(words).ok()?.command else { return None };
        question(args).unwrap().target
    }

    #[test]
    fn options_choose_the_target() {
        assert_eq!(target(&[]), Some(Target::Registers(RegistersTarget::default())));
        assert_eq!(target(&["--clock"]), Some(Target::Clock(ClockTarget {})));
        let Some(Target::Profile(profile)) =
            target(&["--profile", "energy", "--from", "2026-01-01", "--to", "2026-01-02"])
        else {
            panic!("no profile")
        };
        assert_eq!((profile.profile.as_str(), profile.to.unwrap().seconds), ("energy", 1_767_312_000));
        for wrong in [&["--profile", "energy"][..], &["--clock", "--identify"], &["--from", "2026-01-01"]] {
            assert_eq!(target(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_did_not_come_is_told_and_what_failed_before_is_not() {
        let detail = "1 of 19 registers did not come.";
        let job = Job { detail: detail.into(), ..Job::default() };
        assert_eq!(missing(&job), Some(detail));
        assert_eq!(missing(&Job { reason: FailureReason::Timeout.into(), ..job }), None);
        assert_eq!(missing(&Job::default()), None);
    }

    #[test]
    fn a_clock_is_compared_at_half_the_delay() {
        let at = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
        let outcome = ClockOutcome {
            meter_time: at(1_767_312_005, 0),
            read_at: at(1_767_312_000, 250_000_000),
            delay_ms: 500,
            offset_minutes: Some(360),
            status: Some(0),
        };
        assert_eq!(Clock::of(&outcome).ahead_ms, Some(5_000));
    }
}

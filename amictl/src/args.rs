//! What can be asked on the command line.

mod alarms;
mod billing;
mod capture;
mod clocks;
mod commands;
mod concentrators;
mod decode;
mod events;
mod firmware;
mod flags;
mod gaps;
mod meters;
mod parameters;
mod readings;
mod schedules;
mod server;
mod switch;
mod tariff;
mod trace;
mod worklist;

use std::time::Duration;

use ami_proto::{
    v1::{JobKind, JobState},
    words::Word,
};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use prost_types::Timestamp;

pub(crate) use self::{
    alarms::{Alarms, ListAlarmsArgs, QuarantineArgs, WatchAlarmsArgs},
    billing::{Billing, ResetArgs, ShowBillingArgs},
    capture::{Capture, StartCaptureArgs},
    clocks::{Clocks, ListClocksArgs, ShowClockArgs, SyncClocksArgs},
    commands::{Commands, CommandsArgs, WatchCommandsArgs},
    concentrators::{Concentrators, NodesArgs, ResultsArgs},
    decode::DecodeArgs,
    events::{Events, ListEventsArgs, LossesArgs, WatchEventsArgs},
    firmware::{Firmware, InstallArgs, StatusArgs, UploadArgs},
    flags::FlagsArgs,
    gaps::{Gaps, GapsArgs, LostArgs},
    meters::{AddArgs, DiscoverArgs, ListArgs, Meters},
    parameters::{Parameters, SetArgs},
    readings::{DaysArgs, ReadArgs, ReadingsArgs, WatchArgs},
    schedules::{LateArgs, ScheduleArgs, ScheduleDaysArgs, Schedules, SetScheduleArgs},
    server::Server,
    switch::{BuyCreditArgs, ClearArgs, ReconnectArgs, ReleaseArgs, SetTimesArgs, SnapshotArgs, SwitchArgs},
    tariff::{CheckTariffArgs, DiffTariffArgs, PushTariffArgs, Tariff},
    trace::{TraceArgs, TraceCommand},
    worklist::{ResolveArgs, Worklist, WorklistArgs},
};
use crate::{error::EXIT_CODES, time};

/// The head-end at a terminal.
///
/// Times are RFC 3339 (2026-01-31T06:15:00Z) or dates (2026-01-31, midnight in UTC); they are printed in UTC.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The way to the server.
    #[command(flatten)]
    pub(crate) server: Server,
    /// Answer in JSON, one object per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep the inventory of meters.
    #[command(subcommand)]
    Meters(Meters),
    /// Read a meter now and wait for the outcome.
    Read(ReadArgs),
    /// Show stored readings.
    Readings(ReadingsArgs),
    /// Show what readings add up to in days of the meters' time zones.
    Days(DaysArgs),
    /// Give out what bills are made of, end billing periods, reset maximum demands.
    #[command(subcommand)]
    Billing(Billing),
    /// Show what is doubtful about readings, what was noticed last first.
    Flags(FlagsArgs),
    /// Follow readings as they are stored, until interrupted.
    Watch(WatchArgs),
    /// Have meters take a snapshot of their registers now; it is read as a profile afterwards.
    Snapshot(SnapshotArgs),
    /// Hand a purchase of prepaid energy on to a meter, which takes each number once.
    BuyCredit(BuyCreditArgs),
    /// Clear a meter with all its households, or one household: what it counted and what remains of its credit begins anew at nothing, once a second person has approved it.
    Clear(ClearArgs),
    /// Open the load switches of meters.
    Disconnect(SwitchArgs),
    /// Close the load switches of meters, or make them ready to be closed at the meter.
    Reconnect(ReconnectArgs),
    /// Set the times of the day at which meters switch their households on and off by themselves.
    SetTimes(SetTimesArgs),
    /// Release load switches that opened for a tamper. Closing onto an open terminal cover is a danger to life.
    ReleaseTamperLock(ReleaseArgs),
    /// Look at the clocks of meters, and put them right.
    #[command(subcommand)]
    Clocks(Clocks),
    /// Look at what can be set in meters, such as alarm levels of credit and prices, and set it.
    #[command(subcommand)]
    Parameters(Parameters),
    /// Check tariffs, compare them with meters, bring them into force.
    #[command(subcommand)]
    Tariff(Tariff),
    /// Look at what was ordered, follow it, take it back.
    #[command(subcommand)]
    Commands(Commands),
    /// Look at what meters told unasked, and take notice of it.
    #[command(subcommand)]
    Alarms(Alarms),
    /// Look at concentrators and what stands behind them.
    #[command(subcommand)]
    Concentrators(Concentrators),
    /// Look at what stands in the logs of meters.
    #[command(subcommand)]
    Events(Events),
    /// See which meters cannot be read, why, and where that most likely comes from.
    #[command(subcommand)]
    Worklist(Worklist),
    /// Say by when the days of profiles are wanted, and see what comes of it.
    #[command(subcommand)]
    Schedules(Schedules),
    /// See what is missing of profiles, and what is lost.
    #[command(subcommand)]
    Gaps(Gaps),
    /// Show the work of the head-end, the newest first.
    #[command(args_conflicts_with_subcommands = true)]
    Jobs(JobsArgs),
    /// Log what a meter and the head-end say to each other, for a limited time.
    Trace(TraceArgs),
    /// Show the throttle groups that are at work or were slowed down: how many lines of each are open, and how many may be.
    Groups,
    /// Capture what goes over a line into a file that Wireshark reads, for a limited time.
    #[command(subcommand)]
    Capture(Capture),
    /// Keep firmware images and install them.
    #[command(subcommand)]
    Firmware(Firmware),
    /// Show what captured octets mean.
    Decode(DecodeArgs),
    /// Write the completion script of a shell to standard output.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// `jobs`: a list, unless a subcommand is given.
#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    /// A closer question.
    #[command(subcommand)]
    pub(crate) command: Option<JobsCommand>,
    /// Only in this state (due, running, done, failed, cancelled); may be repeated.
    #[arg(long, value_name = "STATE", value_parser = word::<JobState>)]
    pub(crate) state: Vec<JobState>,
    /// Only of this kind (identify, read_clock, read_registers, read_profile, command, read_tariff, discover, list_nodes); may be repeated.
    #[arg(long, value_name = "KIND", value_parser = word::<JobKind>)]
    pub(crate) kind: Vec<JobKind>,
    /// Only of this meter.
    #[arg(long, value_name = "SERIAL", default_value = "")]
    pub(crate) meter: String,
    /// At most so many jobs.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
}

/// The subcommands of `jobs`.
#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Show one job in full.
    Show {
        /// Number of the job.
        id: i64,
    },
    /// Count the jobs by state, kind and reason.
    Summary(SummaryArgs),
}

/// `jobs summary`.
#[derive(Debug, Args)]
pub(crate) struct SummaryArgs {
    /// Count only jobs made at or after this time.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) since: Option<Timestamp>,
    /// Wait until no job is due or running; then end with exit code 1 when a job failed.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Wait at most this long (90s, 15m, 2h); then end with exit code 5.
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Parses the short word of an enum of the contract.
fn word<W: Word>(text: &str) -> Result<W, String> {
    W::from_word(text).ok_or_else(|| {
        let words: Vec<_> = W::ALL.iter().map(|value| value.word()).collect();
        format!("choose one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_hides_one_of_the_whole_program() {
        fn hidden(command: &clap::Command, global: &[&str]) -> Vec<String> {
            let names = command.get_arguments().filter_map(|option| option.get_long());
            let here = names.filter(|name| global.contains(name));
            let here = here.map(|name| format!("{} --{name}", command.get_name()));
            here.chain(command.get_subcommands().flat_map(|below| hidden(below, global))).collect()
        }
        let whole = Cli::command();
        let global = whole.get_arguments().filter(|option| option.is_global_set());
        let global: Vec<_> = global.filter_map(|option| option.get_long()).collect();
        assert!(global.contains(&"key"), "{global:?}");
        // `decode` asks no server: its keys are those of a meter.
        let asking = whole.get_subcommands().filter(|below| below.get_name() != "decode");
        let hidden: Vec<_> = asking.flat_map(|below| hidden(below, &global)).collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }

    #[test]
    fn the_exit_codes_stand_in_the_help() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("3  the head-end cannot be reached"), "{help}");
    }

    #[test]
    fn a_tamper_lock_is_not_released_without_a_reason() {
        let line = ["amictl", "release-tamper-lock", "17"];
        assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 2);
        assert!(
            Cli::try_parse_from(line.into_iter().chain(["--reason", "cover closed, seen by J."])).is_ok()
        );
        assert!(Cli::try_parse_from(["amictl", "disconnect", "17"]).is_ok());
    }

    #[test]
    fn a_trace_names_whose_and_what() {
        let parsed = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.command);
        for right in [
            "amictl trace 7 --application --frame --for 15m",
            "amictl trace --line 10.0.0.1:4059 --bytes",
            "amictl trace 7 --off",
            "amictl trace list",
        ] {
            assert!(matches!(parsed(right), Ok(Command::Trace(_))), "{right}");
        }
        for wrong in [
            "amictl trace 7",
            "amictl trace --bytes",
            "amictl trace 7 --off --bytes",
            "amictl trace 7 --line a:1 --bytes",
        ] {
            assert_eq!(parsed(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn jobs_is_a_list_or_a_subcommand() {
        let Command::Jobs(list) =
            Cli::parse_from(["amictl", "jobs", "--state", "due", "--state", "failed"]).command
        else {
            panic!("not jobs")
        };
        assert_eq!(list.state, [JobState::Due, JobState::Failed]);
        assert!(list.command.is_none());
        for wrong in
            [&["amictl", "jobs", "--state", "late"][..], &["amictl", "jobs", "summary", "--timeout", "5s"]]
        {
            assert_eq!(Cli::try_parse_from(wrong).unwrap_err().exit_code(), 2);
        }
    }
}

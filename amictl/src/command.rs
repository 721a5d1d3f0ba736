//! One file per command.

mod alarms;
mod billing;
mod capture;
mod clearing;
mod clocks;
mod commands;
mod completions;
mod concentrators;
mod credit;
mod days;
mod decode;
mod discover;
mod events;
mod firmware;
mod flags;
mod follow;
mod gaps;
mod groups;
mod import;
mod jobs;
mod meters;
mod pages;
mod parameters;
mod read;
mod readings;
mod schedules;
mod snapshot;
mod summary;
mod switch;
mod tariff;
mod trace;
mod watch;
mod worklist;

use crate::{
    args::{Cli, Command, JobsCommand, TraceCommand},
    connection,
    error::Error,
    output::{Format, stdout},
};

/// Does what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<(), Error> {
    let format = |chosen| if cli.json { Format::Json } else { chosen };
    let plain = format(Format::Table);
    if let Command::Completions { shell } = cli.command {
        return completions::run(shell);
    }
    if let Command::Decode(args) = cli.command {
        return decode::run(args, plain);
    }
    let channel = connection::open(&cli.server).await?;
    match cli.command {
        Command::Meters(command) => meters::run(channel, command, &mut stdout(plain)).await,
        Command::Read(args) => {
            let format = format(args.format);
            read::run(channel, args, &mut stdout(format)).await
        }
        Command::Readings(args) => {
            let format = format(args.format);
            readings::run(channel, args, &mut stdout(format)).await
        }
        Command::Days(args) => {
            let format = format(args.format);
            days::run(channel, args, &mut stdout(format)).await
        }
        Command::Billing(command) => billing::run(channel, command, format).await,
        Command::Flags(args) => {
            let format = format(args.format);
            flags::run(channel, args, &mut stdout(format)).await
        }
        Command::Watch(args) => {
            let format = format(args.format);
            watch::run(channel, args, &mut stdout(format)).await
        }
        Command::Snapshot(args) => snapshot::run(channel, args, &mut stdout(plain)).await,
        Command::Clear(args) => clearing::run(channel, args, &mut stdout(plain)).await,
        Command::BuyCredit(args) => credit::run(channel, args, &mut stdout(plain)).await,
        Command::Disconnect(args) => switch::disconnect(channel, args, &mut stdout(plain)).await,
        Command::Reconnect(args) => switch::reconnect(channel, args, &mut stdout(plain)).await,
        Command::SetTimes(args) => switch::set_times(channel, args, &mut stdout(plain)).await,
        Command::ReleaseTamperLock(args) => {
            switch::release_tamper_lock(channel, args.switch, &mut stdout(plain)).await
        }
        Command::Clocks(command) => clocks::run(channel, command, &mut stdout(plain)).await,
        Command::Parameters(command) => parameters::run(channel, command, &mut stdout(plain)).await,
        Command::Tariff(command) => tariff::run(channel, command, &mut stdout(plain)).await,
        Command::Commands(command) => commands::run(channel, command, format).await,
        Command::Alarms(command) => alarms::run(channel, command, format).await,
        Command::Concentrators(command) => concentrators::run(channel, command, &mut stdout(plain)).await,
        Command::Events(command) => events::run(channel, command, format).await,
        Command::Worklist(command) => worklist::run(channel, command, format).await,
        Command::Schedules(command) => schedules::run(channel, command, format).await,
        Command::Gaps(command) => gaps::run(channel, command, format).await,
        Command::Jobs(args) => match args.command {
            None => jobs::list(channel, args, &mut stdout(plain)).await,
            Some(JobsCommand::Show { id }) => jobs::show(channel, id, &mut stdout(plain)).await,
            Some(JobsCommand::Summary(args)) => summary::run(channel, args, &mut stdout(plain)).await,
        },
        Command::Trace(args) => match args.command {
            None => trace::set(channel, args, &mut stdout(plain)).await,
            Some(TraceCommand::List) => trace::list(channel, &mut stdout(plain)).await,
        },
        Command::Groups => groups::run(channel, &mut stdout(plain)).await,
        Command::Capture(command) => capture::run(channel, command, &mut stdout(plain)).await,
        Command::Firmware(command) => firmware::run(channel, command, &mut stdout(plain)).await,
        Command::Decode(_) | Command::Completions { .. } => Ok(()),
    }
}

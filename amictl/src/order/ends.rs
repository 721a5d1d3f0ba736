//! Waiting for the ends of the commands of an order.

use std::{
    collections::BTreeMap,
    future,
    io::{self, Write},
    time::Duration,
};

use ami_proto::v1::{
    Command, CommandState, WatchCommandsRequest, commands_service_client::CommandsServiceClient,
};
use indicatif::ProgressBar;
use tonic::{Request, transport::Channel};

use crate::{
    error::Error,
    output::{Format, Output},
    progress,
    view::CommandRow,
};

/// Tells what became of each command as it ends, for so long at most, and judges them together.
pub(super) async fn tell<W: Write>(
    channel: Channel,
    commands: Vec<Command>,
    limit: Option<Duration>,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let order = commands.first().map(|command| command.order_id.clone()).unwrap_or_default();
    let bar = progress::waiting(String::new());
    let mut lives = Lives::default();
    let outcome = tokio::select! {
        outcome = follow(channel, commands, &mut lives, &bar, output) => outcome,
        () = spent(limit) => Err(Error::TooSlow("the time given is over".into())),
        _ = tokio::signal::ctrl_c() => Err(Error::TooSlow("interrupted".into())),
    };
    bar.finish_and_clear();
    let outcome = match outcome {
        Ok(()) => lives.verdict(),
        Err(error @ Error::OutputClosed) => Err(error),
        Err(error) => Err(error.and(&format!("{} go on by themselves", lives.open()))),
    };
    outcome.map_err(|error| error.and(&format!("see 'amictl commands list --order {order}'")))
}

async fn spent(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => future::pending().await,
    }
}

async fn follow<W: Write>(
    channel: Channel,
    commands: Vec<Command>,
    lives: &mut Lives,
    bar: &ProgressBar,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let ids = commands.iter().map(|command| command.id).collect();
    if let Some(waits) = awaited(&commands) {
        bar.suspend(|| writeln!(io::stderr(), "{waits}"))?;
    }
    lives.learn(commands, bar, output)?;
    let question = WatchCommandsRequest { ids, ..WatchCommandsRequest::default() };
    let mut stream =
        CommandsServiceClient::new(channel).watch_commands(Request::new(question)).await?.into_inner();
    while lives.open() > 0 {
        let Some(message) = stream.message().await? else {
            return Err(Error::Unreachable("the head-end ended the watch".into()));
        };
        lives.learn(message.commands, bar, output)?;
    }
    Ok(())
}

/// For what an order waits that needs a second person, and how that person lets it go on.
fn awaited(commands: &[Command]) -> Option<String> {
    let waiting = commands.iter().filter(|command| command.state() == CommandState::AwaitingApproval);
    let waiting: Vec<_> = waiting.collect();
    let (what, which) = match waiting[..] {
        [] => return None,
        [Command { id, meter_serial, .. }] => {
            (format!("meter {meter_serial}: command {id} waits"), id.to_string())
        }
        [Command { order_id, .. }, ..] => (
            format!("{} commands wait", waiting.len()),
            format!(
                "ID', with each ID of 'amictl commands list --order {order_id} --state awaiting_approval"
            ),
        ),
    };
    Some(format!(
        "{what} until another engineer than who ordered it approves it: 'amictl commands approve --reason TEXT {which}'"
    ))
}

/// What is known of the commands of an order, by number.
#[derive(Debug, Default)]
struct Lives(BTreeMap<i64, Command>);

impl Lives {
    /// Takes in how commands are now, tells of those that ended since, and shows how far all have come.
    fn learn<W: Write>(
        &mut self,
        commands: Vec<Command>,
        bar: &ProgressBar,
        output: &mut Output<W>,
    ) -> Result<(), Error> {
        for command in commands {
            let before = self.0.insert(command.id, command.clone());
            let is_news = command.finished_at.is_some() && before.is_none_or(|it| it.finished_at.is_none());
            if is_news {
                bar.suspend(|| told(CommandRow::from(command), output))?;
            }
        }
        self.show(bar);
        Ok(())
    }

    /// How many have not ended.
    fn open(&self) -> usize {
        self.0.values().filter(|command| command.finished_at.is_none()).count()
    }

    /// The steps of all commands, as soon as some have steps; a command without steps counts as one.
    fn show(&self, bar: &ProgressBar) {
        bar.set_message(format!("{} of {} commands ended", self.0.len() - self.open(), self.0.len()));
        if self.0.values().all(|command| command.progress_total == 0) {
            return;
        }
        let (mut done, mut total) = (0, 0);
        for command in self.0.values() {
            let steps = u64::from(command.progress_total.unsigned_abs()).max(1);
            let is_over = command.finished_at.is_some();
            done += if is_over { steps } else { u64::from(command.progress_done.unsigned_abs()) };
            total += steps;
        }
        progress::steps(bar, done, total);
    }

    fn verdict(&self) -> Result<(), Error> {
        let count = |state| self.0.values().filter(|command| command.state() == state).count();
        let (all, unknown) = (self.0.len(), count(CommandState::Unknown));
        let wrong = all - count(CommandState::Confirmed) - unknown;
        match (unknown, wrong) {
            (0, 0) => Ok(()),
            (0, _) => Err(Error::Failed(format!("{wrong} of {all} commands did not come out as ordered"))),
            (_, _) => Err(Error::InDoubt(format!(
                "of {unknown} of {all} commands it is not known what came of them: order them again, which begins by reading"
            ))),
        }
    }
}

fn told<W: Write>(command: CommandRow, output: &mut Output<W>) -> Result<(), Error> {
    match output.format() {
        Format::Table => output.line(&command.sentence()),
        Format::Csv | Format::Json => output.page(&[command]),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    fn command(id: i64, state: CommandState, ended: bool) -> Command {
        let finished_at = ended.then(Timestamp::default);
        Command { id, meter_serial: id.to_string(), state: state.into(), finished_at, ..Command::default() }
    }

    fn learnt(batches: Vec<Vec<Command>>) -> (Lives, String) {
        let (mut lives, mut bytes) = (Lives::default(), Vec::new());
        let mut output = Output::new(&mut bytes, Format::Table);
        for commands in batches {
            lives.learn(commands, &ProgressBar::hidden(), &mut output).unwrap();
        }
        (lives, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn every_end_is_told_once() {
        let sending = command(1, CommandState::Sending, false);
        let doubtful = command(2, CommandState::Unknown, false);
        let confirmed = command(1, CommandState::Confirmed, true);
        let again = vec![confirmed.clone(), doubtful.clone()];
        let (lives, text) = learnt(vec![vec![sending, doubtful], vec![confirmed], again]);
        assert_eq!((lives.open(), text.lines().count()), (1, 1), "{text}");
        assert!(text.starts_with("1: "), "{text}");
    }

    #[test]
    fn whoever_waits_for_a_second_person_hears_how_to_approve() {
        let waits = |states: &[CommandState]| {
            let commands = states.iter().zip(17..).map(|(state, id)| command(id, *state, false));
            let of_an_order = |command| Command { order_id: "o-1".into(), ..command };
            awaited(&commands.map(of_an_order).collect::<Vec<_>>())
        };
        use CommandState::{Accepted, AwaitingApproval};
        assert_eq!(waits(&[Accepted, Accepted]), None);
        let one = waits(&[Accepted, AwaitingApproval]).unwrap();
        assert!(one.starts_with("meter 18: command 18 waits until another engineer"), "{one}");
        assert!(one.ends_with("'amictl commands approve --reason TEXT 18'"), "{one}");
        let many = waits(&[AwaitingApproval, AwaitingApproval]).unwrap();
        assert!(many.starts_with("2 commands wait until another engineer"), "{many}");
        let list = "'amictl commands list --order o-1 --state awaiting_approval'";
        assert!(many.contains("amictl commands approve --reason TEXT ID'") && many.ends_with(list), "{many}");
    }

    #[test]
    fn the_exit_code_says_whether_all_is_as_ordered() {
        let code = |states: &[CommandState]| {
            let commands = states.iter().zip(1..).map(|(state, id)| command(id, *state, true)).collect();
            learnt(vec![commands]).0.verdict().map_err(|error| error.exit_code())
        };
        use CommandState::{Cancelled, Confirmed, Expired, Refused, Unknown};
        assert_eq!(code(&[Confirmed, Confirmed]), Ok(()));
        for state in [Refused, Expired, Cancelled] {
            assert_eq!(code(&[Confirmed, state]), Err(1));
        }
        assert_eq!(code(&[Refused, Unknown, Confirmed]), Err(7));
    }

    #[test]
    fn steps_of_several_commands_add_up() {
        let bar = ProgressBar::hidden();
        let running = Command { id: 1, progress_done: 30, progress_total: 100, ..Command::default() };
        let over = Command { id: 2, finished_at: Some(Timestamp::default()), ..running.clone() };
        let lives = Lives([running, over, Command::default()].map(|command| (command.id, command)).into());
        lives.show(&bar);
        assert_eq!((bar.position(), bar.length()), (130, Some(201)));
    }
}

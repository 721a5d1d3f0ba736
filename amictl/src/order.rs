//! What all orders have in common: their terms on the command line, the question whether they are meant, and their ends (`ends`).

mod ends;

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write},
    time::Duration,
};

use ami_proto::v1::{Command, OrderTerms};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::{error::Error, output::Output, time, view::CommandRow};

/// The terms of an order, and how far it is followed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Order")]
pub(crate) struct OrderArgs {
    /// Why; it stands in the audit.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// A name of your own for the order: the same order under the same name is not placed twice. Without it a new one, which is told.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Send nothing before this time.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    not_before: Option<prost_types::Timestamp>,
    /// Send nothing after this time. Without it, as long as is usual: 15 minutes for a switch, a day for a tariff, a week for firmware.
    #[arg(long, value_name = "TIME", conflicts_with = "within", value_parser = time::parse)]
    deadline: Option<prost_types::Timestamp>,
    /// The deadline, counted from now, or from --not-before on (90s, 15m, 2h).
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    within: Option<Duration>,
    /// 1 to 100, higher goes first; 0 = what is usual: 50 for a switch, 20 for a tariff, -10 for firmware.
    #[arg(long, value_name = "N", default_value_t = 0)]
    priority: u32,
    /// Order without asking.
    #[arg(long)]
    yes: bool,
    /// Tell what becomes of each meter, until all have ended; exit code 0 means that all are confirmed.
    #[arg(long)]
    wait: bool,
    /// Wait at most this long (90s, 15m, 2h); then end with exit code 5. The order goes on.
    #[arg(long, value_name = "DURATION", requires = "wait", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

impl OrderArgs {
    /// The terms, once somebody has said that the order is meant. `what` is a verb that the meters follow, as in `disconnect`.
    pub(crate) fn confirmed(&self, what: &str, meters: &[String]) -> Result<OrderTerms, Error> {
        let terms = self.terms(Timestamp::now())?;
        let deed = deed(what, meters, terms.not_before.as_ref());
        if !self.yes {
            confirm(&deed)?;
        }
        if self.idempotency_key.is_none() {
            // Before it is sent: should the answer be lost, this is what is needed.
            writeln!(io::stderr(), "{}", self.repeat(&terms))?;
        }
        Ok(terms)
    }

    /// Shows the commands of the order; with `--wait`, each when it has come to its end.
    pub(crate) async fn finish<W: Write>(
        &self,
        channel: Channel,
        commands: Vec<Command>,
        output: &mut Output<W>,
    ) -> Result<(), Error> {
        if self.wait {
            return ends::tell(channel, commands, self.timeout, output).await;
        }
        let rows: Vec<_> = commands.into_iter().map(CommandRow::from).collect();
        output.page(&rows)
    }

    fn terms(&self, now: Timestamp) -> Result<OrderTerms, Error> {
        let deadline = match self.within {
            None => self.deadline,
            Some(within) => Some(later(self.not_before, now, within)?),
        };
        Ok(OrderTerms {
            idempotency_key: self.idempotency_key.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
            reason: self.reason.clone(),
            not_before: self.not_before,
            deadline,
            priority: self.priority,
        })
    }

    /// How to place the same order again: an order with another deadline would be another one.
    fn repeat(&self, terms: &OrderTerms) -> String {
        let key = &terms.idempotency_key;
        match self.within {
            None => format!("should the answer be lost, repeat this with --idempotency-key {key}"),
            Some(_) => {
                let deadline = time::text(terms.deadline.as_ref());
                format!(
                    "should the answer be lost, repeat this with --idempotency-key {key} --deadline {deadline} in place of --within"
                )
            }
        }
    }
}

/// So long after `begin`, or after now.
fn later(
    begin: Option<prost_types::Timestamp>,
    now: Timestamp,
    within: Duration,
) -> Result<prost_types::Timestamp, Error> {
    let begin = match begin {
        None => Some(now),
        Some(begin) => Timestamp::new(begin.seconds, begin.nanos).ok(),
    };
    let end = SignedDuration::try_from(within).ok().and_then(|within| begin?.checked_add(within).ok());
    let end = end.ok_or_else(|| Error::Usage("--within is too long".into()))?;
    Ok(prost_types::Timestamp { seconds: end.as_second(), nanos: end.subsec_nanosecond() })
}

/// What is about to happen to which meters, and when.
fn deed(what: &str, meters: &[String], not_before: Option<&prost_types::Timestamp>) -> String {
    let meters = match meters {
        [only] => format!("meter {only}"),
        many => format!("{} meters ({})", many.len(), many.join(", ")),
    };
    match not_before {
        None => format!("{what} {meters}"),
        begin @ Some(_) => format!("{what} {meters}, not before {}", time::text(begin)),
    }
}

/// Asks at the terminal. Where there is none, nobody can answer.
fn confirm(deed: &str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Usage(format!("nobody can be asked whether to {deed}: add --yes if it is meant")));
    }
    write!(io::stderr(), "{deed}? [y/N] ")?;
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::Failed("nothing was ordered".into())),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        order: OrderArgs,
    }

    fn parsed(options: &str) -> OrderArgs {
        Line::parse_from(["x"].into_iter().chain(options.split_whitespace())).order
    }

    #[test]
    fn terms_are_what_was_given() {
        Line::command().debug_assert();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let deadline = |options| time::text(parsed(options).terms(now).unwrap().deadline.as_ref());
        assert_eq!(deadline(""), "");
        assert_eq!(deadline("--deadline 2026-01-02"), "2026-01-02T00:00:00Z");
        assert_eq!(deadline("--within 90s"), "2026-01-01T00:01:30Z");
        assert_eq!(deadline("--within 2h --not-before 2026-01-05"), "2026-01-05T02:00:00Z");
        assert_eq!(parsed("--within 9999years").terms(now).unwrap_err().exit_code(), 2);
        for wrong in ["--within 2h --deadline 2026-01-02", "--timeout 5s"] {
            let words = ["x"].into_iter().chain(wrong.split_whitespace());
            assert_eq!(Line::try_parse_from(words).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn every_order_has_a_key_of_its_own_and_tells_how_to_repeat_it() {
        let now = Timestamp::UNIX_EPOCH;
        let order = parsed("--within 1h");
        let (first, second) = (order.terms(now).unwrap(), order.terms(now).unwrap());
        assert_ne!(first.idempotency_key, second.idempotency_key);
        let expected = format!("--idempotency-key {} --deadline 1970-01-01T01:00:00Z", first.idempotency_key);
        assert!(order.repeat(&first).contains(&expected), "{}", order.repeat(&first));
        assert_eq!(parsed("--idempotency-key k-1").terms(now).unwrap().idempotency_key, "k-1");
    }

    #[test]
    fn the_question_names_the_meters_and_the_time() {
        let meters = ["17".to_owned(), "18".to_owned()];
        assert_eq!(deed("disconnect", &meters[..1], None), "disconnect meter 17");
        let begin = time::parse("2026-01-31").unwrap();
        assert_eq!(
            deed("reconnect", &meters, Some(&begin)),
            "reconnect 2 meters (17, 18), not before 2026-01-31T00:00:00Z"
        );
    }
}

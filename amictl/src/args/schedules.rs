//! `schedules` on the command line.

use ami_proto::v1::Goal;
use clap::{Args, Subcommand};

use crate::output::Format;

/// The subcommands of `schedules`.
#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// List schedules, how far each has come with the last day, and when its goals will be reached.
    List,
    /// Make a schedule, or change the one of that name.
    Set(SetScheduleArgs),
    /// Forget a schedule.
    Remove(ScheduleArgs),
    /// List the days of a schedule and what came of them, the latest first.
    Days(ScheduleDaysArgs),
    /// List meters that are not complete for a day, why, and when they will be.
    Late(LateArgs),
}

/// `schedules set`.
#[derive(Debug, Args)]
pub(crate) struct SetScheduleArgs {
    /// What people call it.
    pub(crate) name: String,
    /// How much by when: a share in percent and a time on the clock after the day, such as 98@06:00 or 99.5@30:00; may be repeated.
    #[arg(long, value_name = "PERCENT@TIME", required = true, value_parser = goal)]
    pub(crate) goal: Vec<Goal>,
    /// Logical name of the profile.
    #[arg(long, value_name = "OBIS", default_value = "1.0.99.1.0.255")]
    pub(crate) profile: String,
    /// IANA time zone of its days.
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: String,
    /// Only meters of this model.
    #[arg(long, value_name = "MODEL", default_value = "")]
    pub(crate) model: String,
    /// Only meters of this throttle group.
    #[arg(long, value_name = "GROUP", default_value = "")]
    pub(crate) group: String,
    /// Only meters whose serial number begins so.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub(crate) serial_prefix: String,
}

/// `schedules remove`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArgs {
    /// Its name.
    pub(crate) name: String,
}

/// `schedules late`.
#[derive(Debug, Args)]
pub(crate) struct LateArgs {
    /// The day, such as 2026-01-31; left out, the last that has ended.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) day: String,
    /// Only those that will not be complete by the last goal of the day.
    #[arg(long)]
    pub(crate) will_miss: bool,
    /// Of which, and how.
    #[command(flatten)]
    pub(crate) of: ScheduleDaysArgs,
}

/// `schedules days`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleDaysArgs {
    /// The name of the schedule.
    pub(crate) name: String,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How they are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `98@06:00`: at most one digit behind the point, and up to two days.
fn goal(text: &str) -> Result<Goal, String> {
    let wrong = || "a share in percent and a time are expected, such as 98@06:00 or 99.5@30:00".to_owned();
    let (share, time) = text.split_once('@').ok_or_else(wrong)?;
    let (whole, tenth) = share.split_once('.').unwrap_or((share, "0"));
    let number = |text: &str, most: u32| {
        let digits = (1..=3).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse().ok().filter(|number: &u32| digits && *number <= most).ok_or_else(wrong)
    };
    let permille = number(whole, 100)? * 10 + number(tenth, 9)?;
    let (hours, minutes) = time.split_once(':').ok_or_else(wrong)?;
    let by_minutes = number(hours, 48)? * 60 + number(minutes, 59)?;
    if !(1..=1000).contains(&permille) || !(1..=2880).contains(&by_minutes) {
        return Err(wrong());
    }
    Ok(Goal { permille, by_minutes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_a_share_and_a_time() {
        let of = |text| goal(text).map(|goal| (goal.permille, goal.by_minutes));
        assert_eq!(of("98@06:00"), Ok((980, 360)));
        assert_eq!(of("99.5@30:05"), Ok((995, 1805)));
        assert_eq!(of("100@48:00"), Ok((1000, 2880)));
        for wrong in [
            "98",
            "98@6",
            "0@06:00",
            "101@06:00",
            "100.1@06:00",
            "98@00:00",
            "98@48:01",
            "9.55@06:00",
            "-1@06:00",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}

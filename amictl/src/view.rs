//! Answers of the API as rows: what is shown of them, and in which order.

mod alarm;
mod billing;
mod capture;
mod clock;
mod command;
mod concentrator;
mod day;
mod decode;
mod event;
mod flag;
mod gap;
mod group;
mod image;
mod job;
mod mbus;
mod meter;
mod node;
mod parameter;
mod ratio;
mod reading;
mod result;
mod schedule;
mod tariff;
mod trace;
mod trouble;

pub(crate) use self::{
    alarm::{AlarmRow, FateRow, PushRow},
    billing::BillingRow,
    capture::CaptureRow,
    clock::ClockRow,
    command::{ChangeRow, CommandRow},
    concentrator::ConcentratorRow,
    day::DayRow,
    decode::tree,
    event::{EventRow, LossRow},
    flag::FlagRow,
    gap::{GapRow, ProfileLossRow},
    group::GroupRow,
    image::ImageRow,
    job::{CountRow, JobRow},
    mbus::MBusRow,
    meter::{MeterRow, ProfileRow},
    node::NodeRow,
    parameter::ParameterRow,
    ratio::RatiosRow,
    reading::ReadingRow,
    result::ResultRow,
    schedule::{LateRow, ScheduleDayRow, ScheduleRow},
    tariff::{DifferenceRow, ProblemRow},
    trace::TraceRow,
    trouble::TroubleRow,
};

/// The short word of an enum value of the contract, or its number when this client is older than the server.
macro_rules! word {
    ($type:ty, $value:expr) => {
        match <$type>::try_from($value) {
            Ok(value) => ami_proto::words::Word::word(value).to_owned(),
            Err(_) => $value.to_string(),
        }
    };
}
pub(crate) use word;

/// A text that may be empty as something that may be absent: `null` in JSON.
fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A cell of something that may be absent.
fn cell(value: &Option<impl ToString>) -> String {
    value.as_ref().map(ToString::to_string).unwrap_or_default()
}

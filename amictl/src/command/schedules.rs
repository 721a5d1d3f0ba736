//! `schedules`: by when the days of a profile are wanted, and what comes of it.

use std::io::Write;

use ami_proto::v1::{
    DeleteScheduleRequest, ListLateMetersRequest, ListScheduleDaysRequest, ListSchedulesRequest,
    PutScheduleRequest, Schedule, collection_service_client::CollectionServiceClient,
};
use tonic::transport::Channel;

use super::pages;
use crate::{
    args::{LateArgs, ScheduleArgs, ScheduleDaysArgs, Schedules, SetScheduleArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::{LateRow, ScheduleDayRow, ScheduleRow},
};

/// Does what `schedules` was asked for; `format` is what becomes of a chosen format.
pub(crate) async fn run(
    channel: Channel,
    command: Schedules,
    format: impl Fn(Format) -> Format,
) -> Result<(), Error> {
    let mut client = CollectionServiceClient::new(channel);
    match command {
        Schedules::List => {
            let answer = client.list_schedules(request(ListSchedulesRequest {})).await?.into_inner();
            let rows: Vec<_> = answer.schedules.into_iter().flat_map(ScheduleRow::of).collect();
            stdout(format(Format::Table)).page(&rows)
        }
        Schedules::Set(args) => {
            let question = PutScheduleRequest { schedule: Some(schedule(args)) };
            client.put_schedule(request(question)).await.map(drop).map_err(Error::from)
        }
        Schedules::Remove(ScheduleArgs { name }) => {
            let question = DeleteScheduleRequest { name };
            client.delete_schedule(request(question)).await.map(drop).map_err(Error::from)
        }
        Schedules::Days(ScheduleDaysArgs { name, limit, format: chosen }) => {
            let answer = client.list_schedule_days(request(ListScheduleDaysRequest { name, limit })).await?;
            let days = answer.into_inner().days;
            let rows: Vec<_> = days.into_iter().flat_map(ScheduleDayRow::of).collect();
            stdout(format(chosen)).page(&rows)
        }
        Schedules::Late(args) => {
            let format = format(args.of.format);
            late(client, args, &mut stdout(format)).await
        }
    }
}

fn schedule(args: SetScheduleArgs) -> Schedule {
    Schedule {
        name: args.name,
        profile: args.profile,
        model: args.model,
        throttle_group: args.group,
        serial_prefix: args.serial_prefix,
        zone: args.zone,
        goals: args.goal,
    }
}

async fn late<W: Write>(
    mut client: CollectionServiceClient<Channel>,
    LateArgs { day, will_miss, of }: LateArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question =
        ListLateMetersRequest { name: of.name, day, will_miss, ..ListLateMetersRequest::default() };
    pages::show(of.limit, output, async |page_size, page_token| {
        let question = ListLateMetersRequest { page_size, page_token, ..question.clone() };
        let page = client.list_late_meters(request(question)).await?.into_inner();
        Ok((page.meters.into_iter().map(LateRow::from).collect(), page.next_page_token))
    })
    .await
}

//! `alarms`: what meters told unasked.

use std::io::Write;

use ami_proto::v1::{
    AcknowledgeAlarmsRequest, ListAlarmsRequest, ListQuarantineRequest, SubscribeAlarmsRequest,
    alarms_service_client::AlarmsServiceClient,
};
use tonic::{Request, transport::Channel};

use super::{follow, pages};
use crate::{
    args::{Alarms, ListAlarmsArgs, QuarantineArgs, WatchAlarmsArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::{AlarmRow, FateRow, PushRow},
};

/// Does what `alarms` was asked for; `format` is what becomes of a chosen format.
pub(crate) async fn run(
    channel: Channel,
    command: Alarms,
    format: impl Fn(Format) -> Format,
) -> Result<(), Error> {
    match command {
        Alarms::Watch(args) => {
            let format = format(args.format);
            watch(channel, args, &mut stdout(format)).await
        }
        Alarms::List(args) => {
            let format = format(args.format);
            list(channel, args, &mut stdout(format)).await
        }
        Alarms::Ack { ids, note } => {
            acknowledge(channel, ids, note, &mut stdout(format(Format::Table))).await
        }
        Alarms::Quarantine(args) => {
            let format = format(args.format);
            quarantine(channel, args, &mut stdout(format)).await
        }
    }
}

async fn watch<W: Write>(
    channel: Channel,
    args: WatchAlarmsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question = SubscribeAlarmsRequest {
        meter_serials: args.filter.serials,
        keys: args.filter.alarm_key,
        min_severity: args.filter.min_severity.unwrap_or_default().into(),
        resume_token: args.resume.clone(),
    };
    let mut client = AlarmsServiceClient::new(channel);
    let opening = client.subscribe_alarms(Request::new(question));
    follow::run(opening, args.resume, output, |message| {
        (message.alarms.into_iter().map(AlarmRow::from).collect(), message.resume_token)
    })
    .await
}

async fn list<W: Write>(channel: Channel, args: ListAlarmsArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = AlarmsServiceClient::new(channel);
    let question = ListAlarmsRequest {
        meter_serials: args.filter.serials,
        keys: args.filter.alarm_key,
        min_severity: args.filter.min_severity.unwrap_or_default().into(),
        acknowledged: (args.open || args.acknowledged).then_some(args.acknowledged),
        from: args.from,
        to: args.to,
        ..ListAlarmsRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListAlarmsRequest { page_size, page_token, ..question.clone() };
        let page = client.list_alarms(request(question)).await?.into_inner();
        Ok((page.alarms.into_iter().map(AlarmRow::from).collect(), page.next_page_token))
    })
    .await
}

async fn acknowledge<W: Write>(
    channel: Channel,
    ids: Vec<i64>,
    note: String,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question = request(AcknowledgeAlarmsRequest { ids, note });
    let answer = AlarmsServiceClient::new(channel).acknowledge_alarms(question).await?.into_inner();
    let rows: Vec<_> = answer.alarms.into_iter().map(AlarmRow::from).collect();
    output.page(&rows)
}

async fn quarantine<W: Write>(
    channel: Channel,
    args: QuarantineArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = AlarmsServiceClient::new(channel);
    let question = ListQuarantineRequest {
        reasons: args.reason.into_iter().map(Into::into).collect(),
        ..ListQuarantineRequest::default()
    };
    if args.counts {
        let answer = client.list_quarantine(request(question)).await?.into_inner();
        let rows: Vec<_> = answer.counts.into_iter().map(FateRow::from).collect();
        return output.page(&rows);
    }
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListQuarantineRequest { page_size, page_token, ..question.clone() };
        let page = client.list_quarantine(request(question)).await?.into_inner();
        Ok((page.pushes.into_iter().map(PushRow::from).collect(), page.next_page_token))
    })
    .await
}

//! `commands`: what was ordered and what became of it.

use std::{collections::BTreeMap, io::Write};

use ami_proto::v1::{
    ApproveCommandRequest, CancelCommandRequest, GetCommandRequest, ListCommandsRequest,
    WatchCommandsRequest, WatchCommandsResponse, commands_service_client::CommandsServiceClient,
};
use serde::Serialize;
use tonic::{Request, transport::Channel};

use super::{follow, pages};
use crate::{
    args::{Commands, CommandsArgs, WatchCommandsArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::{ChangeRow, CommandRow},
};

/// Does what `commands` was asked for; `format` is what becomes of a chosen format.
pub(crate) async fn run(
    channel: Channel,
    command: Commands,
    format: impl Fn(Format) -> Format,
) -> Result<(), Error> {
    let plain = format(Format::Table);
    match command {
        Commands::List(args) => {
            let format = format(args.format);
            list(channel, args, &mut stdout(format)).await
        }
        Commands::Show { id } => show(channel, id, &mut stdout(plain)).await,
        Commands::Watch(args) => {
            let format = format(args.format);
            watch(channel, args, &mut stdout(format)).await
        }
        Commands::Approve { id, reason } => approve(channel, id, reason, &mut stdout(plain)).await,
        Commands::Cancel { id, reason } => cancel(channel, id, reason, &mut stdout(plain)).await,
    }
}

/// Lists commands, the newest first.
pub(super) async fn list<W: Write>(
    channel: Channel,
    args: CommandsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = CommandsServiceClient::new(channel);
    let question = ListCommandsRequest {
        states: args.state.into_iter().map(Into::into).collect(),
        kinds: args.kind.into_iter().map(Into::into).collect(),
        meter_serial: args.meter,
        order_id: args.order,
        ..ListCommandsRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListCommandsRequest { page_size, page_token, ..question.clone() };
        let page = client.list_commands(request(question)).await?.into_inner();
        Ok((page.commands.into_iter().map(CommandRow::from).collect(), page.next_page_token))
    })
    .await
}

async fn show<W: Write>(channel: Channel, id: i64, output: &mut Output<W>) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Whole {
        #[serde(flatten)]
        command: CommandRow,
        life: Vec<ChangeRow>,
    }
    let question = request(GetCommandRequest { id });
    let answer = CommandsServiceClient::new(channel).get_command(question).await?.into_inner();
    let Some(command) = answer.command else { return Ok(()) };
    let life = answer.changes.into_iter().map(|change| ChangeRow::of(change, Some(&command))).collect();
    let whole = Whole { command: command.into(), life };
    if output.format() == Format::Json {
        return output.json(&whole);
    }
    output.fields(&whole.command.fields())?;
    output.page(&whole.life)
}

async fn watch<W: Write>(
    channel: Channel,
    args: WatchCommandsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question =
        WatchCommandsRequest { ids: args.ids, meter_serials: args.meter, resume_token: args.resume.clone() };
    let mut client = CommandsServiceClient::new(channel);
    let opening = client.watch_commands(Request::new(question));
    follow::run(opening, args.resume, output, entries).await
}

async fn approve<W: Write>(
    channel: Channel,
    id: i64,
    reason: String,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question = request(ApproveCommandRequest { id, reason });
    let command = CommandsServiceClient::new(channel).approve_command(question).await?.into_inner().command;
    output.page(command.map(CommandRow::from).as_slice())
}

async fn cancel<W: Write>(
    channel: Channel,
    id: i64,
    reason: String,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question = request(CancelCommandRequest { id, reason });
    let command = CommandsServiceClient::new(channel).cancel_command(question).await?.into_inner().command;
    output.page(command.map(CommandRow::from).as_slice())
}

fn entries(message: WatchCommandsResponse) -> (Vec<ChangeRow>, String) {
    let commands: BTreeMap<_, _> = message.commands.iter().map(|command| (command.id, command)).collect();
    let rows = message.changes.into_iter().map(|change| {
        let command = commands.get(&change.command_id).copied();
        ChangeRow::of(change, command)
    });
    (rows.collect(), message.resume_token)
}

//! `meters`: add, list, show, retire. The import and the discovery have files of their own.

use std::{fs, io::Write, path::Path};

use ami_proto::v1::{
    CreateMeterRequest, Credentials, GetMeterRequest, GmacCredentials, ListMetersRequest,
    PasswordCredentials, RetireMeterRequest, credentials::Level,
    inventory_service_client::InventoryServiceClient,
};
use tonic::transport::Channel;

use super::{discover, import};
use crate::{
    args::{AddArgs, ListArgs, Meters},
    connection::request,
    error::Error,
    hex,
    output::{Format, Output},
    view::{MeterRow, ProfileRow},
};

/// Meters in a page of the list.
const PAGE: u32 = 1_000;

/// Does what is asked of the inventory.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Meters,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = InventoryServiceClient::new(channel.clone());
    match command {
        Meters::Discover(args) => discover::run(channel, args, output).await,
        Meters::Add(args) => {
            let meter = client.create_meter(request(creation(args)?)).await?.into_inner().meter;
            output.page(meter.map(MeterRow::from).as_slice())
        }
        Meters::Import { file } => import::run(client, &file, output).await,
        Meters::List(args) => list(client, args, output).await,
        Meters::Show { serial } => show(client, serial, output).await,
        Meters::Retire { serial } => {
            let meter = client.retire_meter(request(RetireMeterRequest { serial })).await?.into_inner().meter;
            output.page(meter.map(MeterRow::from).as_slice())
        }
    }
}

async fn list<W: Write>(
    mut client: InventoryServiceClient<Channel>,
    args: ListArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut left = args.limit.unwrap_or(u32::MAX);
    let mut question = ListMetersRequest {
        page_token: String::new(),
        page_size: PAGE,
        model: args.model,
        state: args.state.unwrap_or_default().into(),
        serial_prefix: args.prefix,
    };
    while left > 0 {
        question.page_size = left.min(PAGE);
        let page = client.list_meters(request(question.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.meters.len()).unwrap_or(u32::MAX));
        let rows: Vec<_> = page.meters.into_iter().map(MeterRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
}

async fn show<W: Write>(
    mut client: InventoryServiceClient<Channel>,
    serial: String,
    output: &mut Output<W>,
) -> Result<(), Error> {
    #[derive(serde::Serialize)]
    struct Whole {
        #[serde(flatten)]
        meter: Option<MeterRow>,
        profiles: Vec<ProfileRow>,
    }
    let answer = client.get_meter(request(GetMeterRequest { serial })).await?.into_inner();
    let whole = Whole {
        meter: answer.meter.map(MeterRow::from),
        profiles: answer.profiles.into_iter().map(ProfileRow::from).collect(),
    };
    if output.format() == Format::Json {
        return output.json(&whole);
    }
    output.fields(&whole.meter.map(|meter| meter.fields()).unwrap_or_default())?;
    if whole.profiles.is_empty() {
        return output.line("no profile has been read yet");
    }
    output.page(&whole.profiles)
}

fn creation(args: AddArgs) -> Result<CreateMeterRequest, Error> {
    let level = match (&args.password_file, &args.client_title) {
        (Some(file), _) => {
            Some(Level::Password(PasswordCredentials { password: secret(file)?.into_bytes() }))
        }
        (None, Some(title)) => Some(Level::Gmac(GmacCredentials {
            client_title: octets("--client-title", title)?,
            encryption_key: key("--encryption-key-file", args.encryption_key_file.as_deref())?,
            authentication_key: key("--authentication-key-file", args.authentication_key_file.as_deref())?,
        })),
        (None, None) => None,
    };
    Ok(CreateMeterRequest {
        serial: args.serial,
        model: args.model,
        address: args.address,
        device_address: args.device_address,
        server_sap: args.server_sap,
        client_sap: args.client_sap,
        zone: args.zone,
        credentials: level.map(|level| Credentials { level: Some(level) }),
        ..CreateMeterRequest::default()
    })
}

fn key(option: &str, file: Option<&Path>) -> Result<Vec<u8>, Error> {
    let file = file
        .ok_or_else(|| Error::Usage(format!("{option} is missing: high level security needs both keys")))?;
    octets(option, &secret(file)?)
}

/// The first line of a file.
fn secret(file: &Path) -> Result<String, Error> {
    let text = fs::read_to_string(file)
        .map_err(|error| Error::Local(format!("{} cannot be read: {error}", file.display())))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Hexadecimal digits as octets; an error never quotes them.
fn octets(option: &str, text: &str) -> Result<Vec<u8>, Error> {
    let wrong = || Error::Usage(format!("{option}: an even number of hexadecimal digits is expected"));
    hex::decode(text.trim()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_parsed_and_never_quoted() {
        assert_eq!(octets("--client-title", "4D4D4D0000bc614e\n").unwrap(), b"MMM\0\0\xBC\x61\x4E");
        for wrong in ["4D4", "4D4G", "+1+1", "é"] {
            let text = octets("--client-title", wrong).unwrap_err().to_string();
            assert!(!text.contains(wrong) && text.contains("--client-title"), "{text}");
        }
    }
}

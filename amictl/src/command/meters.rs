//! `meters`: add, list, show, retire. Import and corrections, and the discovery, have files of their own.

use std::{fs, io::Write, path::Path};

use ami_proto::v1::{
    CreateMeterRequest, Credentials, GetMeterRequest, ListMetersRequest, RetireMeterRequest, SecurityLevel,
    inventory_service_client::InventoryServiceClient,
};
use tonic::transport::Channel;

use super::{discover, import, pages};
use crate::{
    args::{AddArgs, ListArgs, Meters},
    connection::request,
    error::Error,
    hex,
    output::{Format, Output},
    view::{MBusRow, MeterRow, ProfileRow, RatiosRow},
};

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
            let meter = client.create_meter(request(creation(*args)?)).await?.into_inner().meter;
            output.page(meter.map(MeterRow::from).as_slice())
        }
        Meters::Import { file } => import::run(client, &file, output).await,
        Meters::Correct { file } => import::correct(client, &file, output).await,
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
    let question = ListMetersRequest {
        model: args.model,
        state: args.state.unwrap_or_default().into(),
        serial_prefix: args.prefix,
        call: args.call.unwrap_or_default().into(),
        ..ListMetersRequest::default()
    };
    pages::show(args.limit.unwrap_or(u32::MAX), output, async |page_size, page_token| {
        let question = ListMetersRequest { page_size, page_token, ..question.clone() };
        let page = client.list_meters(request(question)).await?.into_inner();
        Ok((page.meters.into_iter().map(MeterRow::from).collect(), page.next_page_token))
    })
    .await
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
        ratios: Vec<RatiosRow>,
        mbus_devices: Vec<MBusRow>,
    }
    let answer = client.get_meter(request(GetMeterRequest { serial })).await?.into_inner();
    let whole = Whole {
        meter: answer.meter.map(MeterRow::from),
        profiles: answer.profiles.into_iter().map(ProfileRow::from).collect(),
        ratios: answer.ratios.into_iter().map(RatiosRow::from).collect(),
        mbus_devices: answer.mbus_devices.into_iter().map(MBusRow::from).collect(),
    };
    if output.format() == Format::Json {
        return output.json(&whole);
    }
    let mut fields = whole.meter.map(|meter| meter.fields()).unwrap_or_default();
    fields.extend(whole.ratios.iter().map(|ratios| ("ratios", ratios.text())));
    fields.extend(whole.mbus_devices.iter().map(|device| ("mbus", device.text())));
    output.fields(&fields)?;
    if whole.profiles.is_empty() {
        return output.line("no profile has been read yet");
    }
    output.page(&whole.profiles)
}

fn creation(args: AddArgs) -> Result<CreateMeterRequest, Error> {
    let credentials = credentials(&args)?;
    Ok(CreateMeterRequest {
        serial: args.serial,
        model: args.model,
        address: args.address,
        device_address: args.device_address,
        paths: args.paths,
        parent: args.parent.unwrap_or_default(),
        subunit: args.subunit.unwrap_or_default(),
        circuit: args.circuit.unwrap_or_default(),
        throttle_group: args.throttle_group,
        pulses_per_kwh: args.pulses_per_kwh,
        ratio: args.ratio,
        server_sap: args.server_sap,
        client_sap: args.client_sap,
        zone: args.zone,
        invocation_counter: args.invocation_counter,
        credentials: Some(credentials),
        ..CreateMeterRequest::default()
    })
}

fn credentials(args: &AddArgs) -> Result<Credentials, Error> {
    let usual = match (&args.password_file, &args.encryption_key_file) {
        (Some(_), _) => SecurityLevel::Lls,
        (None, Some(_)) => SecurityLevel::Gmac,
        (None, None) => SecurityLevel::None,
    };
    let password = args.password_file.as_deref().map(secret).transpose()?.unwrap_or_default();
    Ok(Credentials {
        security: args.security.unwrap_or(usual).into(),
        password: password.into_bytes(),
        client_title: given("--client-title", args.client_title.as_deref())?,
        encryption_key: key("--encryption-key-file", args.encryption_key_file.as_deref())?,
        authentication_key: key("--authentication-key-file", args.authentication_key_file.as_deref())?,
        suite: args.suite,
        policy: args.policy.unwrap_or_default().into(),
        signing_key: key("--signing-key-file", args.signing_key_file.as_deref())?,
        meter_public_key: given("--meter-public-key", args.meter_public_key.as_deref())?,
    })
}

/// The octets of an option; none when it is left out.
fn given(option: &str, text: Option<&str>) -> Result<Vec<u8>, Error> {
    text.map_or(Ok(Vec::new()), |text| octets(option, text))
}

/// The octets in the file of an option; none when it is left out.
fn key(option: &str, file: Option<&Path>) -> Result<Vec<u8>, Error> {
    file.map_or(Ok(Vec::new()), |file| octets(option, &secret(file)?))
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

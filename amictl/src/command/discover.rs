//! `meters discover`: a draft of the model of a meter that nobody has described yet.

use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::Path,
};

use ami_proto::v1::{
    ModelTarget, ReadNowRequest, read_now_request::Target, read_now_response::Outcome,
    readings_service_client::ReadingsServiceClient,
};
use serde::Serialize;
use tonic::transport::Channel;

use super::read::GRACE;
use crate::{
    args::DiscoverArgs,
    connection::request_within,
    error::Error,
    output::{Format, Output},
    progress,
};

/// Name of a draft that nobody named.
const NAME: &str = "draft";

/// Asks, and writes the draft where it is wanted.
pub(super) async fn run<W: Write>(
    channel: Channel,
    args: DiscoverArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let name = name(&args)?;
    // The meter is not asked for what cannot be kept.
    if let Some(path) = args.output.as_deref().filter(|path| path.exists()) {
        return Err(exists(path));
    }
    let wait = prost_types::Duration::try_from(args.wait)
        .map_err(|_| Error::Usage("--wait is too long: 1s to 5m".into()))?;
    let spinner = progress::waiting(format!("looking at {}", args.serial));
    let target = Some(Target::Model(ModelTarget { name: name.clone() }));
    let question = ReadNowRequest { meter_serial: args.serial, target, wait: Some(wait) };
    let answer = ReadingsServiceClient::new(channel)
        .read_now(request_within(question, args.wait.saturating_add(GRACE)))
        .await;
    spinner.finish_and_clear();
    let Some(Outcome::Model(found)) = answer?.into_inner().outcome else {
        return Err(Error::Failed(
            "the head-end answered without a draft; it is older than this program".into(),
        ));
    };
    tell(&name, &found.file, args.output.as_deref(), output)
}

fn tell<W: Write>(name: &str, draft: &str, file: Option<&Path>, output: &mut Output<W>) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Draft<'a> {
        name: &'a str,
        file: &'a str,
    }
    if let Some(path) = file {
        create(path, draft)?;
    }
    match (output.format(), file) {
        (Format::Json, _) => output.json(&Draft { name, file: draft }),
        (_, Some(path)) => output.line(&format!(
            "{} is written; complete it, put it into models.dir of the head-end, and give the meter model {name}",
            path.display()
        )),
        (_, None) => output.line(draft.trim_end()),
    }
}

/// Writes a file that does not exist yet: a completed draft is not lost to a second one.
fn create(path: &Path, text: &str) -> Result<(), Error> {
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Error::Local(format!("{} cannot be written: {error}", path.display())),
    })
}

fn exists(path: &Path) -> Error {
    Error::Local(format!("{} exists and is left as it is; name another file", path.display()))
}

/// The name of the model, which has to be that of its file.
fn name(args: &DiscoverArgs) -> Result<String, Error> {
    let stem =
        args.output.as_deref().and_then(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    match (&args.name, stem) {
        (Some(name), Some(stem)) if *name != stem => {
            Err(Error::Usage(format!("--output: the file of model {name} is called {name}.toml")))
        }
        (Some(name), _) => Ok(name.clone()),
        (None, Some(stem)) => Ok(stem),
        (None, None) => Ok(NAME.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_model_is_named_like_its_file() {
        let asked = |name: Option<&str>, output: Option<&str>| {
            name_of(name.map(str::to_owned), output).map_err(|error| error.to_string())
        };
        assert_eq!(asked(None, None).unwrap(), "draft");
        assert_eq!(asked(Some("mx-1"), None).unwrap(), "mx-1");
        assert_eq!(asked(None, Some("models/mx-1.toml")).unwrap(), "mx-1");
        assert_eq!(asked(Some("mx-1"), Some("models/mx-1.toml")).unwrap(), "mx-1");
        assert!(asked(Some("mx-1"), Some("mx.toml")).unwrap_err().contains("mx-1.toml"));
    }

    fn name_of(name: Option<String>, output: Option<&str>) -> Result<String, Error> {
        let output = output.map(Into::into);
        super::name(&DiscoverArgs { serial: "1".into(), name, output, wait: Duration::from_secs(1) })
    }
}

//! What captured octets mean. No server is asked.

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

use dlms::{
    decode::{OCTETS_MAX, Secrets, decode},
    security::{Key, PublicKey, SystemTitle},
};
use pcapng::What;

use crate::{args::DecodeArgs, error::Error, hex, output::Format, time, view};

/// Most octets that are taken from a file or from standard input: every octet may take two digits and what separates them.
const TEXT_MAX: usize = 6 * OCTETS_MAX;
/// Octets of a capture file at most; the server makes none that is longer.
const CAPTURE_MAX: u64 = 64 << 20;

/// Prints the tree, or JSON, and fails where the octets stop making sense.
pub(crate) fn run(args: DecodeArgs, format: Format) -> Result<(), Error> {
    let secrets = secrets(&args)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    if let Some(path) = &args.capture {
        return capture(path, &secrets, format, &mut out);
    }
    let octets = octets(&args)?;
    show(&octets, &secrets, format, &mut out)
}

/// What went over each line of a capture: when what was sent and received, and what it means.
fn capture(path: &Path, secrets: &Secrets, format: Format, out: &mut impl Write) -> Result<(), Error> {
    let named = |what: String| Error::Local(format!("{}: {what}", path.display()));
    let mut octets = Vec::new();
    let opened = fs::File::open(path).and_then(|file| file.take(CAPTURE_MAX).read_to_end(&mut octets));
    opened.map_err(|error| named(error.to_string()))?;
    let file = pcapng::read(&octets).map_err(|error| named(error.to_string()))?;
    let mut outcome = Ok(());
    for (place, line) in file.lines.iter().enumerate() {
        let mut said = Vec::new();
        if format != Format::Json {
            writeln!(out, "{}", line.name)?;
        }
        for packet in file.packets.iter().filter(|packet| packet.line == place) {
            if format != Format::Json {
                let (offset, length) = (said.len(), packet.octets.len());
                writeln!(
                    out,
                    "{offset:04X}  {}  {} {length}",
                    time::micros(packet.at_us),
                    word(packet.what)
                )?;
            }
            said.extend_from_slice(&packet.octets);
        }
        if said.len() > OCTETS_MAX {
            return Err(named(format!(
                "more than {OCTETS_MAX} octets went over {}: decode a part of them",
                line.name
            )));
        }
        outcome = show(&said, secrets, format, out).and(outcome);
    }
    outcome
}

const fn word(what: What) -> &'static str {
    match what {
        What::Opened => "opened",
        What::Sent => "sent",
        What::Received => "received",
    }
}

/// Octets as a tree, or as JSON.
fn show(octets: &[u8], secrets: &Secrets, format: Format, out: &mut impl Write) -> Result<(), Error> {
    let decoded = decode(octets, secrets);
    match format {
        Format::Json => {
            serde_json::to_writer(&mut *out, &decoded).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
        }
        _ => view::tree(&decoded, octets).iter().try_for_each(|line| writeln!(out, "{line}"))?,
    }
    out.flush()?;
    match decoded.stop {
        Some(stop) => Err(Error::Failed(stop.to_string())),
        None => Ok(()),
    }
}

fn octets(args: &DecodeArgs) -> Result<Vec<u8>, Error> {
    if !args.octets.is_empty() {
        return digits(&args.octets.join(" "));
    }
    let limit = TEXT_MAX as u64 + 1;
    let mut came = Vec::new();
    match &args.file {
        Some(path) => {
            let wrong = |error| Error::Local(format!("{}: {error}", path.display()));
            fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut came)).map_err(wrong)?
        }
        None => io::stdin().lock().take(limit).read_to_end(&mut came)?,
    };
    if came.len() > TEXT_MAX {
        return Err(Error::Usage(format!("there are more than {OCTETS_MAX} octets: decode a part of them")));
    }
    // A capture may hold the octets themselves; no frame consists of digits only.
    match str::from_utf8(&came) {
        Ok(text) if text.chars().all(|char| !char.is_control() || char.is_ascii_whitespace()) => digits(text),
        _ => Ok(came),
    }
}

/// Octets out of digits and what people put between them.
fn digits(text: &str) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    for group in text.split(|char: char| char.is_whitespace() || ":-,;".contains(char)) {
        let digits = group.strip_prefix("0x").or(group.strip_prefix("0X")).unwrap_or(group);
        let wrong = || Error::Usage(format!("{group:?} is no octet in hexadecimal digits, or half of one"));
        octets.extend(hex::decode(digits).ok_or_else(wrong)?);
    }
    match octets.is_empty() {
        true => Err(Error::Usage("there are no octets to decode".to_owned())),
        false => Ok(octets),
    }
}

fn secrets(args: &DecodeArgs) -> Result<Secrets, Error> {
    let title = args.system_title.as_deref().map(digits).transpose()?;
    let title = title.map(|octets| SystemTitle::try_from(octets.as_slice()).map_err(named("--system-title")));
    let public = args.public_key.as_deref().map(|path| secret("--public-key", path)).transpose()?;
    let public = public.map(|octets| PublicKey::try_from(octets.as_slice()).map_err(named("--public-key")));
    Ok(Secrets {
        encryption_key: key("--key", args.key.as_deref())?,
        authentication_key: key("--auth-key", args.auth_key.as_deref())?,
        key_encryption_key: key("--kek", args.kek.as_deref())?,
        dedicated_key: key("--dedicated-key", args.dedicated_key.as_deref())?,
        system_title: title.transpose()?,
        signer: public.transpose()?,
    })
}

fn key(option: &'static str, given: Option<&Path>) -> Result<Option<Key>, Error> {
    let octets = given.map(|given| secret(option, given)).transpose()?;
    octets.map(|octets| Key::try_from(octets.as_slice()).map_err(named(option))).transpose()
}

/// The octets of a key, which is never repeated in a message.
fn secret(option: &'static str, given: &Path) -> Result<Vec<u8>, Error> {
    let text = given.to_str().unwrap_or_default().trim();
    if let Ok(octets) = digits(text) {
        return Ok(octets);
    }
    let wrong = || Error::Usage(format!("{option}: neither hexadecimal digits nor a file that holds them"));
    let text = fs::read_to_string(given).map_err(|_| wrong())?;
    digits(text.trim()).map_err(|_| wrong())
}

fn named(option: &'static str) -> impl Fn(dlms::Error) -> Error {
    move |error| Error::Usage(format!("{option}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_as_people_copy_them() {
        for text in ["C001C1", "c0 01 c1", "C0:01:C1", "0xC0, 0x01, 0xC1", "C001-C1\n", "0xC001C1"] {
            assert_eq!(digits(text), Ok(vec![0xC0, 0x01, 0xC1]), "{text}");
        }
        for wrong in ["", "C0 1", "C0 0G", "0x"] {
            assert!(matches!(digits(wrong), Err(Error::Usage(_))), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_never_repeated() {
        let key = "00112233445566778899AABBCCDDEEF";
        let error = secret("--key", Path::new(key)).unwrap_err().to_string();
        assert!(error.starts_with("--key: neither") && !error.contains("0011"), "{error}");
        let error = super::key("--key", Some(Path::new("0011"))).unwrap_err().to_string();
        assert_eq!(error, "--key: key has length 2, but needs 16");
    }
}

//! Ciphered and signed APDUs (Green Book, 9.2.7 and 9.5), opened where the keys are known.

use super::apdu::apdu;
use super::context::{Context, Secrets};
use super::node::{Node, Value};
use super::parts::octets;
use super::walk::{Stop, Walk};
use crate::Error;
use crate::security::{Cipher, Key, SecurityControl, SystemTitle, TAG_LENGTH, plain_tag};

/// Protections around one another that are taken off.
const DEPTH_MAX: usize = 4;
/// What is said when there is nothing to open it with.
const NO_KEY: &str = "not opened: no key is given";
/// Where a [`Stop`] in deciphered octets is.
const WITHIN: &str = " of the deciphered APDU";

/// A protected APDU, taken apart.
struct Sealed<'a> {
    control: SecurityControl,
    counter: u32,
    body: &'a [u8],
    /// Who sent it, as far as it is known.
    sender: Option<SystemTitle>,
    /// Fields in front of it that its tag covers, too.
    fields: &'a [u8],
    /// The key that came with it.
    key: Option<Key>,
    /// Whether it is ciphered with the key of the association.
    dedicated: bool,
    /// The tag that the APDU inside has to have, when the one outside says so.
    plain_tag: Option<u8>,
}

/// What came of opening one.
enum Opened {
    /// The octets inside, and whether the tag was right; `None` when there was nothing to check it with.
    Plain(Vec<u8>, Option<bool>),
    /// Not opened, and why.
    Closed(&'static str, Option<bool>),
}

/// Reads a `glo-` or `ded-` APDU.
pub(super) fn service(
    walk: &mut Walk<'_>,
    context: &mut Context<'_>,
    name: &'static str,
) -> Result<(), Stop> {
    let tag = walk.rest().first().copied().unwrap_or_default();
    let plain = plain_tag(tag);
    // Requests have the tags of the client.
    let from_client = matches!(plain, Some(0x01 | 0x05 | 0x06 | 0x16 | 0xC0 | 0xC1 | 0xC3));
    let learned = if from_client { context.client } else { context.server };
    let sender = context.secrets.system_title.or(learned);
    let dedicated = plain.and_then(crate::security::dedicated_tag) == Some(tag);
    protected(walk, context, name, |walk| {
        walk.read(name, |reader| reader.u8())?;
        content(walk, sender, dedicated, plain)
    })
}

/// Reads a `general-glo-ciphering` or `general-ded-ciphering`.
pub(super) fn general(
    walk: &mut Walk<'_>,
    context: &mut Context<'_>,
    name: &'static str,
) -> Result<(), Stop> {
    let known = context.secrets.system_title;
    protected(walk, context, name, |walk| {
        let tag = walk.read(name, |reader| reader.u8())?;
        let title = octets(walk, "system-title")?;
        content(walk, SystemTitle::try_from(title).ok().or(known), tag == 0xDC, None)
    })
}

/// Reads a `general-ciphering`.
pub(super) fn general_ciphering(walk: &mut Walk<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let known = context.secrets.system_title;
    let key_encryption_key = context.secrets.key_encryption_key.clone();
    protected(walk, context, "general-ciphering", |walk| {
        walk.read("general-ciphering", |reader| reader.u8())?;
        let before = walk.rest();
        let originator = header(walk)?;
        let fields = &before[..before.len() - walk.rest().len()];
        let wrapped = key_info(walk)?;
        let mut sealed = None;
        walk.group("ciphered-content", |walk| {
            sealed = content(walk, SystemTitle::try_from(originator).ok().or(known), false, None)?;
            Ok(())
        })?;
        let key =
            key_encryption_key.as_ref().zip(wrapped).and_then(|(key, wrapped)| key.unwrap(wrapped).ok());
        Ok(sealed.map(|sealed| Sealed { fields, key, ..sealed }))
    })
}

/// Reads a `general-signing`.
pub(super) fn general_signing(walk: &mut Walk<'_>, context: &mut Context<'_>) -> Result<(), Stop> {
    let (mut content, mut signed, mut signature) = (Vec::new(), Vec::new(), Vec::new());
    walk.group("general-signing", |walk| {
        walk.read("general-signing", |reader| reader.u8())?;
        let before = walk.rest();
        header(walk)?;
        content = octets(walk, "content")?.to_vec();
        let length = before.len() - walk.rest().len();
        signed = before[..length].to_vec();
        signature = octets(walk, "signature")?.to_vec();
        Ok(())
    })?;
    if !signature.is_empty() {
        let valid = context.secrets.signer.as_ref().map(|key| key.verify(&signed, &signature).is_ok());
        if let Some(node) = walk.last_mut().and_then(|node| field_of(node, "signature")) {
            node.note = match valid {
                Some(true) => "signature valid",
                Some(false) => "signature wrong: check the public key of the signer",
                None => "signature not checked: no public key is given",
            }
            .to_owned();
        }
        context.after.push(derived("signed-data", Value::Octets(signed)));
        context.after.push(derived("signature-valid", valid));
    }
    inside(context, content, " of the signed APDU")
}

/// Reads a protected APDU, and then what is inside it, as far as the keys are known.
fn protected<'a>(
    walk: &mut Walk<'a>,
    context: &mut Context<'_>,
    name: &'static str,
    read: impl FnOnce(&mut Walk<'a>) -> Result<Option<Sealed<'a>>, Stop>,
) -> Result<(), Stop> {
    let mut sealed = None;
    walk.group(name, |walk| {
        sealed = read(walk)?;
        Ok(())
    })?;
    let Some(sealed) = sealed else { return Ok(()) };
    let opened = sealed.open(context);
    if let Some(body) = walk.last_mut().and_then(body_of) {
        body.note = opened.note(&sealed).to_owned();
    }
    let names = if name == "general-ciphering" && !sealed.control.is_encrypted() {
        context.after.extend(sealed.tag().map(|tag| derived("mac", tag)));
        "mac-valid"
    } else {
        "tag-valid"
    };
    match opened {
        Opened::Plain(plain, valid) => {
            if sealed.control.is_encrypted() {
                context.after.push(derived(context.plaintext, plain.as_slice()));
            }
            context.after.push(derived(names, valid));
            inside(context, plain, WITHIN)
        }
        Opened::Closed(_, valid) => {
            context.after.extend(valid.map(|valid| derived(names, valid)));
            Ok(())
        }
    }
}

/// Reads an APDU that was inside a protection. One that is protected again stands under its own name, the last one is `inner`.
fn inside(context: &mut Context<'_>, plain: Vec<u8>, within: &'static str) -> Result<(), Stop> {
    if context.depth >= DEPTH_MAX {
        let error = Error::TooDeep { limit: DEPTH_MAX };
        return Err(Stop { offset: 0, within, field: "inner", error });
    }
    context.depth += 1;
    let before = std::mem::take(&mut context.after);
    let mut walk = Walk::new(&plain, 0);
    let done = apdu(&mut walk, context).and_then(|()| walk.finish("inner"));
    let nodes = walk.into_nodes();
    let deeper = std::mem::replace(&mut context.after, before);
    context.depth -= 1;
    let node = match <[Node; 1]>::try_from(nodes) {
        Ok([Node { name, value: Value::Fields(fields), note, .. }]) if !deeper.is_empty() => {
            Node { name, place: None, value: Value::Section(plain, fields), note }
        }
        Ok([node]) => derived("inner", Value::Section(plain, vec![node])),
        Err(nodes) => derived("inner", Value::Section(plain, nodes)),
    };
    context.after.push(node);
    context.after.extend(deeper);
    done.map_err(|stop| if stop.within.is_empty() { Stop { within, ..stop } } else { stop })
}

/// Reads security control, counter and what they protect.
fn content<'a>(
    walk: &mut Walk<'a>,
    sender: Option<SystemTitle>,
    dedicated: bool,
    plain_tag: Option<u8>,
) -> Result<Option<Sealed<'a>>, Stop> {
    let length = walk.read("length of the ciphered APDU", |reader| reader.length())?;
    let mut sealed = None;
    let there = walk.rest();
    walk.within("ciphered APDU", length, |walk| {
        let from = walk.at();
        let octet = walk.read("security-control", |reader| reader.u8())?;
        let control = SecurityControl::new(octet);
        security_control(walk, from, octet);
        let counter = walk.keep("invocation-counter", |reader| reader.u32())?;
        let from = walk.at();
        let left = walk.rest().len();
        walk.read("body", |reader| reader.take(left).map(drop))?;
        let body = &there[length.min(there.len()) - left..length.min(there.len())];
        walk.add("body", from, body);
        if length <= there.len() {
            sealed =
                Some(Sealed { control, counter, body, sender, fields: &[], key: None, dedicated, plain_tag });
        }
        Ok(())
    })?;
    Ok(sealed)
}

/// Keeps the security control, bit by bit.
fn security_control(walk: &mut Walk<'_>, from: usize, octet: u8) {
    let control = SecurityControl::new(octet);
    let protection = match (control.is_authenticated(), control.is_encrypted()) {
        (true, true) => "authenticated and encrypted",
        (true, false) => "authenticated only",
        (false, true) => "encrypted only",
        (false, false) => "not protected",
    };
    let key_set = if octet & 0x40 != 0 { "broadcast" } else { "unicast" };
    let note = format!("suite {}, {protection}, {key_set} key", octet & 0x0F);
    let compressed = if control.is_compressed() { ", compressed" } else { "" };
    walk.add("security-control", from, &[octet][..]).note = note + compressed;
    walk.derive("suite", octet & 0x0F);
    walk.derive("authenticated", control.is_authenticated());
    walk.derive("encrypted", control.is_encrypted());
    walk.derive("key-set", key_set);
    walk.derive("compressed", control.is_compressed());
}

/// Reads the fields in front of a general-ciphering or general-signing; returns the originator.
fn header<'a>(walk: &mut Walk<'a>) -> Result<&'a [u8], Stop> {
    octets(walk, "transaction-id")?;
    let originator = octets(walk, "originator-system-title")?;
    octets(walk, "recipient-system-title")?;
    octets(walk, "date-time")?;
    octets(walk, "other-information")?;
    Ok(originator)
}

/// Reads which key a general-ciphering was made with; returns one that is in it, wrapped.
fn key_info<'a>(walk: &mut Walk<'a>) -> Result<Option<&'a [u8]>, Stop> {
    let from = walk.at();
    if !walk.read("key-info", |reader| reader.flag())? {
        walk.add("key-info", from, None::<bool>);
        return Ok(None);
    }
    let mut wrapped = None;
    walk.group("key-info", |walk| match walk.read("key-info", |reader| reader.u8())? {
        0 => walk.keep("identified-key", |reader| reader.u8()).map(drop),
        1 => walk.group("wrapped-key", |walk| {
            walk.keep("kek-id", |reader| reader.u8())?;
            wrapped = Some(octets(walk, "key-ciphered-data")?);
            Ok(())
        }),
        2 => walk.group("agreed-key", |walk| {
            octets(walk, "key-parameters")?;
            octets(walk, "key-ciphered-data").map(drop)
        }),
        other => Err(super::parts::no_choice(walk, "choice of key-info", other)),
    })?;
    Ok(wrapped)
}

impl Sealed<'_> {
    /// Opens it, as far as the keys are known.
    fn open(&self, context: &Context<'_>) -> Opened {
        let secrets = context.secrets;
        let dedicated = secrets.dedicated_key.as_ref().or(context.dedicated_key.as_ref());
        let given = if self.dedicated { dedicated } else { secrets.encryption_key.as_ref() };
        let key = self.key.as_ref().or(given);
        let cipher = match (key, self.sender) {
            (None, _) => Err(NO_KEY),
            (_, None) => Err("not opened: the system title of the sender is not known"),
            (Some(key), Some(sender)) => Ok((key, sender)),
        };
        match (self.control.is_authenticated(), self.control.is_encrypted(), cipher) {
            (true, false, cipher) => self.read_plain(cipher.ok(), secrets),
            (_, _, Err(why)) => Opened::Closed(why, None),
            (_, _, Ok((key, sender))) => self.decipher_and_check(key, &sender, secrets),
        }
    }

    /// What is authenticated only can be read by anybody.
    fn read_plain(&self, cipher: Option<(&Key, SystemTitle)>, secrets: &Secrets) -> Opened {
        let Some(text) = self.text() else { return Opened::Closed("too short for a tag", None) };
        let valid = cipher.and_then(|(key, sender)| match &secrets.authentication_key {
            Some(authentication_key) => Some(self.is_valid(&Cipher::new(key, authentication_key), &sender)),
            // Some profiles have none (GBCS). Where one may be missing, a tag that is wrong without it says nothing.
            None => self.is_valid(&Cipher::without_authentication_key(key), &sender).then_some(true),
        });
        Opened::Plain(text.to_vec(), valid)
    }

    /// Deciphers and looks at the tag; what a wrong tag leaves is not shown.
    fn decipher_and_check(&self, key: &Key, sender: &SystemTitle, secrets: &Secrets) -> Opened {
        let unchecked = self.decipher(&Cipher::without_authentication_key(key), sender);
        let likely = unchecked.as_deref().is_some_and(|plain| self.is_likely(plain));
        match (&secrets.authentication_key, unchecked) {
            (_, None) => Opened::Closed("not opened: this protection is not served", None),
            (Some(authentication_key), Some(plain)) if self.control.is_authenticated() => {
                let valid = self.is_valid(&Cipher::new(key, authentication_key), sender);
                match (valid, likely) {
                    (true, _) => Opened::Plain(plain, Some(true)),
                    (false, true) => Opened::Closed(
                        "tag wrong, though the encryption key fits: check the authentication key",
                        Some(false),
                    ),
                    (false, false) => {
                        Opened::Closed("tag wrong: check the keys and the system title", Some(false))
                    }
                }
            }
            (_, Some(plain)) if likely => Opened::Plain(plain, None),
            _ => Opened::Closed("no APDU came out: check the encryption key and the system title", None),
        }
    }

    /// Whether the tag is right.
    fn is_valid(&self, cipher: &Cipher, sender: &SystemTitle) -> bool {
        let mut body = self.body.to_vec();
        cipher.open_behind(self.fields, sender, self.control, self.counter, &mut body).is_ok()
    }

    /// What stands in front of the tag.
    fn text(&self) -> Option<&[u8]> {
        let tag = if self.control.is_authenticated() { TAG_LENGTH } else { 0 };
        self.body.get(..self.body.len().checked_sub(tag)?)
    }

    /// The tag, when there is one.
    fn tag(&self) -> Option<&[u8]> {
        Some(&self.body[self.text()?.len()..])
    }

    /// The octets inside without a look at the tag; `None` when nothing is encrypted.
    fn decipher(&self, cipher: &Cipher, sender: &SystemTitle) -> Option<Vec<u8>> {
        let mut plain = self.text()?.to_vec();
        let control = SecurityControl::new(self.control.octet() & !0x10);
        cipher.open(sender, control, self.counter, &mut plain).ok()?;
        Some(plain)
    }

    /// Whether octets look like the APDU that may be inside.
    fn is_likely(&self, plain: &[u8]) -> bool {
        match (self.plain_tag, plain.first()) {
            (Some(expected), Some(tag)) => expected == *tag,
            (None, Some(tag)) => super::apdu::is_tag(*tag),
            (_, None) => false,
        }
    }
}

impl Opened {
    /// What came of it, for people.
    fn note(&self, sealed: &Sealed<'_>) -> &'static str {
        match self {
            Self::Plain(_, Some(true)) => "tag valid",
            Self::Plain(_, Some(false)) => "tag wrong: check the keys and the system title",
            Self::Plain(_, None) if sealed.control.is_authenticated() => {
                "tag not checked: not all keys are given"
            }
            Self::Plain(_, None) => "no tag",
            Self::Closed(why, _) => why,
        }
    }
}

/// The element that holds the protected octets.
fn body_of(node: &mut Node) -> Option<&mut Node> {
    match node.child("ciphered-content") {
        Some(_) => field_of(field_of(node, "ciphered-content")?, "body"),
        None => field_of(node, "body"),
    }
}

/// The field of this name.
fn field_of<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    let Value::Fields(fields) = &mut node.value else { return None };
    fields.iter_mut().find(|field| field.name == name)
}

/// An element that was derived from others.
fn derived(name: &'static str, value: impl Into<Value>) -> Node {
    Node { name, place: None, value: value.into(), note: String::new() }
}

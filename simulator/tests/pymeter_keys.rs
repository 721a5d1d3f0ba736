//! New keys for `pymeter.py`, a meter that this project did not write, by class 64. It needs a Python with that program's packages.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stand outside the test functions"
)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use common::{Failure, Reader};
use dlms::axdr::Data;
use dlms::client::{Counters, GlobalKeys, Key, Security, SystemTitle};
use dlms::cosem::security_setup::{KeyId, Policy, decode_suite, decode_title, key_transfer};
use dlms::security::Suite;
use dlms::{ActionResult, Error};
use serde_json::Value;

const SETUP: &str = "0.0.43.0.0.255";
const CLIENT: SystemTitle = SystemTitle::new(*b"HEAD\0\0\0\x01");

/// The running meter; dropping it ends it.
struct Meter {
    child: Child,
    description: Value,
}

impl Meter {
    fn start() -> Self {
        let script = std::env::var("PYMETER").expect("PYMETER names pymeter.py; ./test sets it");
        let program = std::env::var("INTEROP_PYTHON").expect("INTEROP_PYTHON names a Python; ./test sets it");
        let mut child = Command::new(program)
            .arg(script)
            .args(["--port", "0", "--run-seconds", "120"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("INTEROP_PYTHON runs PYMETER");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Self { child, description: ready["meters"][0].clone() }
    }

    fn octets(&self, name: &str) -> Vec<u8> {
        let digits = self.description[name].as_str().unwrap();
        let octet = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(octet).collect()
    }

    fn key(&self, name: &str) -> Key {
        Key::try_from(&self.octets(name)[..]).unwrap()
    }

    /// Opens an association with these keys, counting from there.
    async fn open(&self, encryption: &Key, authentication: &Key, counter: u32) -> Result<Reader, Failure> {
        let keys = GlobalKeys::of_suite_0(encryption.clone(), authentication.clone());
        let counters = Counters::new(counter, counter + 100);
        let security = Security::gmac(CLIENT, keys, *b"challenge of HES", counters);
        let port = u16::try_from(self.description["port"].as_u64().unwrap()).unwrap();
        Reader::open_as(SocketAddr::from(([127, 0, 0, 1], port)), 1, security).await
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn the_security_setup_says_what_the_meter_demands() {
    let meter = Meter::start();
    let mut reader =
        meter.open(&meter.key("encryption_key"), &meter.key("authentication_key"), 1).await.unwrap();
    let policy = reader.value(64, SETUP, 2).await.unwrap();
    let demanded = Policy::decode(&policy, 0).unwrap();
    assert_eq!(demanded.requests, demanded.responses);
    assert!(demanded.requests.authenticated && demanded.requests.encrypted);
    assert_eq!(decode_suite(&reader.value(64, SETUP, 3).await.unwrap()), Ok(Suite::Zero));
    assert_eq!(decode_title(&reader.value(64, SETUP, 4).await.unwrap()), Ok(Some(CLIENT)));
    let title = decode_title(&reader.value(64, SETUP, 5).await.unwrap()).unwrap().unwrap();
    assert_eq!(title.octets()[..], meter.octets("system_title"));
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn transferred_keys_are_the_only_ones_that_open_an_association_afterwards() {
    let meter = Meter::start();
    let (old, authentication) = (meter.key("encryption_key"), meter.key("authentication_key"));
    let (new, new_authentication) = (Key::new([0x5A; 16]), Key::new([0xA5; 16]));
    let mut reader = meter.open(&old, &authentication, 1).await.unwrap();

    // Wrapped under a key that is not the meter's, nothing is changed.
    let keys = [(KeyId::UnicastEncryption, &new), (KeyId::Authentication, &new_authentication)];
    let stranger = key_transfer(&Key::new([7; 16]), &keys).unwrap();
    match reader.invoke_with(64, SETUP, 2, &stranger).await {
        Err(Failure::Protocol(Error::Action(ActionResult::ReadWriteDenied))) => {}
        other => panic!("{other:?}"),
    }
    let transfer = key_transfer(&meter.key("master_key"), &keys).unwrap();
    reader.invoke_with(64, SETUP, 2, &transfer).await.unwrap();
    drop(reader);

    assert!(meter.open(&old, &authentication, 200).await.is_err());
    assert!(meter.open(&new, &authentication, 300).await.is_err());
    let mut reader = meter.open(&new, &new_authentication, 400).await.unwrap();
    let clock = reader.value(8, "0.0.1.0.0.255", 2).await.unwrap();
    assert!(matches!(clock, Data::OctetString(_)));
}

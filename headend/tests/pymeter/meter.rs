//! `pymeter.py` as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Fixed start of the meters' clocks.
pub(crate) const NOW: &str = "2026-03-30T12:00:00Z";

/// A running meter; dropping it ends it.
pub(crate) struct Meter {
    child: Child,
    arguments: Vec<String>,
    pub(crate) description: Value,
    others: Vec<Value>,
}

impl Meter {
    /// Starts a meter on a free port with these further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::at_port(0, arguments)
    }

    /// Starts a meter on this port.
    pub(crate) fn at_port(port: u16, arguments: &[&str]) -> Self {
        let mut all: Vec<String> = ["--now", NOW, "--run-seconds", "600"].map(str::to_owned).to_vec();
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut child = python(&all)
            .args(["--port", &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("INTEROP_PYTHON runs PYMETER");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let mut meters = ready["meters"].as_array().unwrap().clone();
        let others = meters.split_off(1);
        Self { child, arguments: all, description: meters.remove(0), others }
    }

    /// Serial number, address and keys of every meter of the program, which has several with `--count`.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Value> {
        std::iter::once(&self.description).chain(&self.others)
    }

    pub(crate) fn text(&self, key: &str) -> String {
        self.description[key]
            .as_str()
            .unwrap_or_else(|| panic!("no {key} in {}", self.description))
            .to_owned()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let port = self.description["port"].as_u64().unwrap();
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    /// What a correct reader must have stored of the load profile: unix time, status and raw values of each row, by `--expect`.
    pub(crate) fn expected(&self, from: &str, to: &str) -> Vec<String> {
        self.expected_of(0, from, to)
    }

    /// The same of a meter of the program by its number.
    pub(crate) fn expected_of(&self, number: usize, from: &str, to: &str) -> Vec<String> {
        let number = number.to_string();
        let output = python(&self.arguments)
            .args(["--meter", &number, "--expect", from, to])
            .output()
            .expect("PYMETER --expect");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().skip(1).map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            // The second cell is the local time, which the first one implies.
            [&cells[..1], &cells[2..]].concat().join("|")
        });
        rows.collect()
    }

    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.end();
    }
}

fn python(arguments: &[String]) -> Command {
    let script = std::env::var("PYMETER").expect("PYMETER names pymeter.py; ./test sets it");
    let program = std::env::var("INTEROP_PYTHON").expect("INTEROP_PYTHON names a Python; ./test sets it");
    let mut command = Command::new(program);
    command.arg(script).args(arguments).stdin(Stdio::null());
    command
}

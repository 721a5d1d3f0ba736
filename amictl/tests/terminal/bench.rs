//! A head-end, a fleet whose meters it knows, and the program under test: each a process of its own.

use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, sleep},
    time::{Duration, Instant},
};

use crate::template;

static COUNT: AtomicU32 = AtomicU32::new(0);
const LIMIT: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(50);

/// Serial number of the first meter; the others follow.
const FIRST: u32 = 30_000_000;

/// A running head-end with its meters; dropping it kills both, and the database with them.
pub(crate) struct Bench {
    folder: PathBuf,
    server: String,
    listener: SocketAddr,
    /// What makes the simulator's meters those of this bench.
    meters: String,
    _headend: Running,
    _simulator: Running,
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A program that serves; dropping it kills it.
struct Running(Child);

impl Bench {
    /// With so many meters of a model.
    pub(crate) fn new(model: &str, count: u32) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("terminal-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        template::copy_to(&folder.join("data"), &program("headend"));
        let listener = free();
        let text = format!(
            "{}[api]\nlisten = \"127.0.0.1:0\"\nplaintext_role = \"engineer\"\n\
             [roles]\nplanner = false\nlistener = true\n[plan]\nsecond_look = \"0s\"\n[listener]\ntcp = \"{listener}\"\nudp = \"{listener}\"\n",
            template::section(&folder.join("data"))
        );
        std::fs::write(folder.join("headend.toml"), text).unwrap();
        let meters = format!("--model {model} --count {count} --days 1");
        let serve = format!("serve {meters} --port 0 --inventory fleet.csv --ledger ledger.jsonl");
        let simulator = Running::start(&folder, "simulator", &serve);
        let headend = Running::start(&folder, "headend", "serve --config headend.toml");
        let mut bench = Self {
            folder,
            server: String::new(),
            listener,
            meters,
            _headend: headend,
            _simulator: simulator,
        };
        bench.until("the meters serve", || bench.read("simulator.log").contains(" meters of "));
        bench.until("the head-end serves", || bench.read("headend.log").contains("API serves address="));
        let log = bench.read("headend.log");
        let address = log.split("API serves address=").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        bench.server = format!("http://{address}");
        bench.done(&format!("meters import {}", bench.folder.join("fleet.csv").display()));
        bench
    }

    pub(crate) fn serial(number: u32) -> String {
        (FIRST + number).to_string()
    }

    /// Where the relay of a meter went, by the ledger of the meters: true is closed.
    pub(crate) fn moves(&self, number: u32) -> Vec<bool> {
        let meter = format!(r#""meter":{number},"event":"relay""#);
        let ledger = self.read("ledger.jsonl");
        ledger
            .lines()
            .filter(|line| line.contains(&meter))
            .map(|line| line.contains(r#""closed":true"#))
            .collect()
    }

    /// Writes a file for the program to read, and says where it is.
    pub(crate) fn file(&self, name: &str, octets: &[u8]) -> String {
        let file = self.folder.join(name);
        std::fs::write(&file, octets).unwrap();
        file.display().to_string()
    }

    /// Lets a meter push the event of a key; each once in a test, because its counter is the second.
    pub(crate) fn push(&self, number: u32, key: &str) {
        let words = format!("push {} --meter {number} --key {key} --to {}", self.meters, self.listener);
        let output = Command::new(program("simulator")).args(words.split_whitespace()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Sends a datagram to where meters push.
    pub(crate) fn send(&self, octets: &[u8]) {
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(octets, self.listener).unwrap();
    }

    /// Runs the program with these words, and nobody at a terminal.
    pub(crate) fn run(&self, words: &str) -> Ended {
        self.amictl().args(words.split_whitespace()).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Runs it; it has to succeed.
    pub(crate) fn done(&self, words: &str) -> String {
        let ended = self.run(words);
        assert_eq!(ended.code, 0, "{words}: {ended:?}\n{}", self.read("headend.log"));
        ended.out
    }

    /// Runs it again and again until its output is not empty.
    pub(crate) fn something(&self, words: &str) -> String {
        let mut text = String::new();
        self.until(words, || {
            text = self.done(words);
            !text.is_empty()
        });
        text
    }

    /// Runs it at a terminal where a person types `answer`; `out` is everything that was on the screen.
    pub(crate) fn typed(&self, words: &str, answer: &str) -> Ended {
        let line = format!("echo {answer} | script --quiet --return --command \"$AMICTL {words}\" /dev/null");
        let mut command = Command::new("sh");
        command.args(["-c", &line]).env("AMICTL", env!("CARGO_BIN_EXE_amictl"));
        command.env("AMICTL_SERVER", &self.server).output().unwrap().into()
    }

    /// Starts a run that goes on until it is interrupted.
    pub(crate) fn follow(&self, words: &str) -> Following {
        let mut command = self.amictl();
        command.args(words.split_whitespace()).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // A thread, so that a line which does not come can be told from one that is late. It ends with the program.
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Following { child, lines }
    }

    fn amictl(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amictl"));
        command.env("AMICTL_SERVER", &self.server);
        command
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + LIMIT;
        while !is_so() {
            assert!(Instant::now() < end, "{what}\n{}", self.read("headend.log"));
            sleep(STEP);
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // After a failure it is kept to be looked at.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Running {
    fn start(folder: &Path, name: &str, words: &str) -> Self {
        let log = std::fs::File::create(folder.join(format!("{name}.log"))).unwrap();
        let mut command = Command::new(program(name));
        command.args(words.split_whitespace()).current_dir(folder).stdin(Stdio::null());
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _ = self.0.wait();
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |octets| String::from_utf8(octets).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A run that follows something; dropping it kills it.
pub(crate) struct Following {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Following {
    /// The next line that has this in it.
    pub(crate) fn line(&mut self, with: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("no line with '{with}'"));
            if line.contains(with) {
                return line;
            }
        }
    }

    /// The next token to go on from.
    pub(crate) fn token(&mut self) -> String {
        self.line("resume_token").split('"').nth(3).unwrap().to_owned()
    }

    /// Interrupts it, as Ctrl-C does, and waits for its end.
    pub(crate) fn interrupt(mut self) -> Ended {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let err = std::io::read_to_string(self.child.stderr.take().unwrap()).unwrap();
        let out = self.lines.iter().map(|line| line + "\n").collect();
        Ended { code: status.code().unwrap(), out, err }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other programs lie beside ours: `cargo nextest run --workspace` builds all of them.
fn program(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_amictl")).with_file_name(name);
    assert!(program.exists(), "{} is missing: build it with 'cargo build -p {name}'", program.display());
    program
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

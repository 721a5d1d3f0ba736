//! The program `headend` as a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::template;

static COUNT: AtomicU32 = AtomicU32::new(0);
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A running process; dropping it kills it.
pub(crate) struct Program {
    child: Child,
    folder: PathBuf,
}

impl Program {
    /// Starts planner, collector and ingest with this line in `[database]`, or with a private database when it is empty.
    pub(crate) fn start(database: &str) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("invariants-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        if database.is_empty() {
            template::copy_to(&folder.join("data"), Path::new(env!("CARGO_BIN_EXE_headend")));
        }
        let config = folder.join("headend.toml");
        let text = format!(
            "{}{database}\n[roles]\napi = false\n[plan]\ninterval = \"1s\"\nhorizon = \"3days\"\n\
             max_attempts = 2\n[collector]\nmax_sessions = 4\nresponse_timeout = \"1s\"\nline_retries = 3\n[log]\nlevel = \"trace,sqlx=info\"\n",
            template::section(&folder.join("data"))
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(folder.join("headend.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_headend"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let program = Self { child, folder };
        let until = Instant::now() + START_LIMIT;
        while !program.log().contains("the head-end runs") {
            assert!(Instant::now() < until, "{}", program.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        program
    }

    /// How another process reaches the private database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://headend@localhost/headend?host={}", self.socket())
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("headend.log")).unwrap()
    }

    pub(crate) fn sql(&self, text: &str) -> String {
        let output = self.psql(text);
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// What the database says to a statement that it must refuse.
    pub(crate) fn fails(&self, text: &str) -> String {
        let output = self.psql(text);
        assert!(!output.status.success(), "{text}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Asks the program to stop and waits until it has; it must do so by itself.
    pub(crate) fn stop(mut self) {
        assert!(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success()
        );
        let until = Instant::now() + STOP_LIMIT;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
        std::fs::remove_dir_all(&self.folder).unwrap();
    }

    fn psql(&self, text: &str) -> Output {
        let socket = self.socket();
        Command::new("psql")
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "headend",
                "-d",
                "headend",
                "-h",
                &socket,
                "-c",
                text,
            ])
            .output()
            .expect("psql")
    }

    fn socket(&self) -> String {
        let file = std::fs::read_to_string(self.folder.join("data/postgres/postmaster.pid")).unwrap();
        file.lines().nth(4).expect("the folder of the socket").to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
    }
}

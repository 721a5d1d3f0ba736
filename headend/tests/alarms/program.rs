//! The program `headend` as a process of its own, as a listener over the database of a test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::common::Database;

static COUNT: AtomicU32 = AtomicU32::new(0);
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running process; dropping it kills it.
pub(crate) struct Program {
    child: Child,
    folder: PathBuf,
    pub(crate) tcp: SocketAddr,
}

impl Program {
    pub(crate) fn listen(database: &Database) -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("alarms-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = folder.join("headend.toml");
        let socket = database.server.cluster().socket_dir().display().to_string();
        let text = format!(
            "[database]\nurl = \"postgres://headend@localhost/{}?host={socket}\"\n\
             [roles]\napi = false\nplanner = false\ncollector = false\nlistener = true\n\
             [listener]\ntcp = \"{tcp}\"\nudp = \"{tcp}\"\nalarms_per_meter = 100000\n",
            database.name
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
        let program = Self { child, folder, tcp };
        let until = Instant::now() + START_LIMIT;
        while TcpStream::connect(tcp).is_err() {
            assert!(Instant::now() < until, "{}", program.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        program
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("headend.log")).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

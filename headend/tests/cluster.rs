//! The private database server: created, started, stopped, killed, and refused where it has to be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

mod common;
mod template;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{folder, run_sql, settings};
use headend::cluster::{Cluster, Error};

/// With this variable the test binary starts a cluster in that folder and waits to be killed.
const FOLDER: &str = "HEADEND_TEST_CLUSTER";

struct Removed(std::path::PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.0);
    }
}

fn is_root() -> bool {
    run("id", &["-u"]) == "0"
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn runs(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn wait_for_end(pid: i32) {
    let started = Instant::now();
    while runs(pid) {
        assert!(started.elapsed() < Duration::from_secs(20), "process {pid} still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn data_survive_a_stop_and_nobody_else_can_connect() {
    let folder = Removed(folder());
    let cluster = Cluster::start(&settings(&folder.0)).await.unwrap();
    let pid = cluster.pid();
    let socket = cluster.socket_dir().to_path_buf();
    run_sql(&socket, "headend", "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");
    assert_eq!(run_sql(&socket, "headend", "SHOW listen_addresses"), "", "no TCP port");
    assert_eq!(run_sql(&socket, "headend", "SHOW data_checksums"), "on");
    assert_eq!(run_sql(&socket, "headend", "SHOW synchronous_commit"), "on");
    assert_eq!(run_sql(&socket, "headend", "SHOW server_encoding"), "UTF8");
    assert_eq!(run("stat", &["-c", "%a", socket.to_str().unwrap()]), "700", "only its own account may enter");
    let rules = std::fs::read_to_string(folder.0.join("postgres/pg_hba.conf")).unwrap();
    assert_eq!(rules, "local all headend peer map=headend\n");
    cluster.stop().await.unwrap();
    assert!(!runs(pid));

    let started = Instant::now();
    let cluster = Cluster::start(&settings(&folder.0)).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "a later start creates nothing");
    assert_eq!(run_sql(cluster.socket_dir(), "headend", "SELECT n FROM kept"), "42");
    let pid = cluster.pid();
    drop(cluster);
    assert!(!runs(pid), "dropping it stops the server");
}

#[tokio::test]
async fn a_folder_that_is_served_already_is_refused_by_name() {
    let folder = Removed(folder());
    let cluster = Cluster::start(&settings(&folder.0)).await.unwrap();
    let refusal = Cluster::start(&settings(&folder.0)).await.unwrap_err();
    let data_dir = folder.0.canonicalize().unwrap().join("postgres");
    assert_eq!(refusal, Error::AlreadyRunning { pid: cluster.pid(), data_dir });
    assert_eq!(run_sql(cluster.socket_dir(), "headend", "SELECT 1"), "1", "the first one is not disturbed");
}

#[tokio::test]
async fn a_killed_server_is_reported_and_the_next_start_recovers() {
    let folder = Removed(folder());
    let cluster = Cluster::start(&settings(&folder.0)).await.unwrap();
    run_sql(cluster.socket_dir(), "headend", "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    run("kill", &["-9", &cluster.pid().to_string()]);
    let ended = tokio::time::timeout(Duration::from_secs(10), cluster.ended()).await.unwrap();
    assert!(matches!(&ended, Error::Ended { status, .. } if status.contains('9')), "{ended}");
    drop(cluster);
    assert!(folder.0.join("postgres/postmaster.pid").exists(), "the lock file stayed behind");
    let cluster = start_patiently(&folder.0).await;
    assert_eq!(run_sql(cluster.socket_dir(), "headend", "SELECT n FROM kept"), "7");
}

/// The workers of a killed server need a moment to notice.
async fn start_patiently(folder: &Path) -> Cluster {
    let started = Instant::now();
    loop {
        match Cluster::start(&settings(folder)).await {
            Ok(cluster) => return cluster,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(15), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_lock_file_whose_number_belongs_to_a_stranger_is_no_obstacle() {
    let folder = Removed(folder());
    Cluster::start(&settings(&folder.0)).await.unwrap().stop().await.unwrap();
    let lock = folder.0.join("postgres/postmaster.pid");
    std::fs::write(&lock, format!("{}\n/somewhere\n", std::process::id())).unwrap();
    let cluster = Cluster::start(&settings(&folder.0)).await.unwrap();
    assert_eq!(run_sql(cluster.socket_dir(), "headend", "SELECT 1"), "1");
}

#[tokio::test]
async fn an_interrupted_creation_is_started_anew() {
    let folder = Removed(folder());
    std::fs::create_dir_all(folder.0.join("postgres.unfinished/base")).unwrap();
    std::fs::write(folder.0.join("postgres.unfinished/PG_VERSION"), "15").unwrap();
    let cluster = Cluster::start(&settings(&folder.0)).await.unwrap();
    assert_eq!(run_sql(cluster.socket_dir(), "headend", "SELECT 1"), "1");
    assert!(!folder.0.join("postgres.unfinished").exists());
}

#[tokio::test]
async fn data_of_another_version_name_the_version_that_is_missing() {
    let folder = Removed(folder());
    std::fs::create_dir_all(folder.0.join("postgres")).unwrap();
    std::fs::write(folder.0.join("postgres/PG_VERSION"), "99\n").unwrap();
    match Cluster::start(&settings(&folder.0)).await {
        Err(Error::NoServer { wanted, .. }) => assert_eq!(wanted, "99"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_folder_below_a_closed_one_is_refused_by_name() {
    if !is_root() {
        return;
    }
    let closed = Removed(folder());
    std::fs::create_dir_all(closed.0.join("data")).unwrap();
    run("chmod", &["700", closed.0.to_str().unwrap()]);
    let refusal = Cluster::start(&settings(&closed.0.join("data"))).await.unwrap_err();
    let folder = closed.0.canonicalize().unwrap();
    assert_eq!(refusal, Error::NotTraversable { user: "postgres".into(), folder });
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let folder = Removed(folder());
    let deep = folder.0.join("d".repeat(100));
    let cluster = Cluster::start(&settings(&deep)).await.unwrap();
    let socket = cluster.socket_dir().to_path_buf();
    assert!(!socket.starts_with(&folder.0), "{}", socket.display());
    assert_eq!(run_sql(&socket, "headend", "SELECT 1"), "1");
    cluster.stop().await.unwrap();
    std::fs::remove_dir_all(socket).unwrap();
}

/// Not a test of its own: see [`start_elsewhere`].
#[tokio::test]
async fn elsewhere() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let cluster = Cluster::start(&settings(Path::new(&folder))).await.unwrap();
    println!("\nserver {}", cluster.pid());
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Starts this program again, which starts a cluster; returns the process and the server's id.
fn start_elsewhere(prefix: &[&str], folder: &Path) -> (std::process::Child, i32) {
    let program = std::env::current_exe().unwrap();
    let mut words: Vec<&str> = prefix.to_vec();
    words.extend([program.to_str().unwrap(), "--exact", "elsewhere", "--nocapture"]);
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .env(FOLDER, folder)
        .current_dir("/")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pid = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("server ").map(str::to_owned));
    let Some(pid) = pid else {
        let _ended = child.kill();
        panic!("no server was started: {:?}", child.wait());
    };
    (child, pid.parse().unwrap())
}

#[test]
fn a_headend_that_is_killed_takes_its_server_along() {
    let folder = Removed(folder());
    let (mut headend, server) = start_elsewhere(&["env"], &folder.0);
    assert!(runs(server));
    headend.kill().unwrap();
    headend.wait().unwrap();
    wait_for_end(server);
    let log = std::fs::read_to_string(folder.0.join("postgres.log")).unwrap();
    assert!(!log.contains("PANIC"), "{log}");
    assert!(!folder.0.join("postgres/postmaster.pid").exists(), "it shut down in order");
}

#[test]
fn an_ordinary_user_needs_no_help_of_root() {
    if !is_root() {
        return; // then all the other tests show it
    }
    let folder = Removed(folder());
    std::fs::create_dir_all(&folder.0).unwrap();
    run("chown", &["nobody", folder.0.to_str().unwrap()]);
    let user = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
    let (mut headend, server) = start_elsewhere(&user, &folder.0);
    assert_eq!(run("ps", &["-o", "user=", "-p", &server.to_string()]), "nobody");
    headend.kill().unwrap();
    headend.wait().unwrap();
    wait_for_end(server);
}

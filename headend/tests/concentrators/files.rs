//! Result files that concentrators put into a folder: each is taken over once, and what is wrong with one has a name.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ami_proto::v1::concentrators_service_client::ConcentratorsServiceClient;
use ami_proto::v1::{ListResultFilesRequest, ResultFile, ResultState};
use jiff::{SignedDuration, Timestamp};
use p2lpc::{Device, Document, Ident, Request, Response, Span, http};
use simulator::{Backend, Concentrators};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::program::Program;
use crate::site::{config, put_model, start, until};

const DAILY: (&str, &str) = ("daily-values", "1.0.99.2.0.255");
const ENERGY: (&str, &str) = ("energy", "1.0.99.1.0.255");
/// A day in seconds.
const DAY: i64 = 86_400;

/// A folder for results, removed with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("results-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self, of: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(of)).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _already_gone = fs::remove_dir_all(&self.0);
    }
}

/// A concentrator of ten nodes, and a head-end that looks into the folder.
async fn giving(folder: &Folder, model: &str) -> (Concentrators, Program) {
    let sections = format!("[results]\nfolder = {:?}\nevery = \"1s\"\nsettle = \"1s\"\n", folder.0);
    start(10, config(Backend::P2lpc, model, 10), &sections).await
}

/// What the concentrator holds of all its nodes, from one day back to another, as a document.
async fn held(concentrators: &Concentrators, end: Timestamp, days: (i64, i64)) -> Vec<u8> {
    let mut line = TcpStream::connect(concentrators.addresses()[0]).await.unwrap();
    let span = Span { from: end.as_second() - days.0 * DAY + 1, to: end.as_second() - days.1 * DAY };
    let mut devices: Vec<Device> = Vec::new();
    for meter in concentrators.meters() {
        for (_, profile) in [DAILY, ENERGY] {
            let profile: Ident = profile.parse().unwrap();
            let request = Request::MeterProfile { meter: meter.serial(), profile, register: None, span };
            let Response::Document(document) = ask(&mut line, &request).await else { panic!("a document") };
            devices.extend(document.devices);
        }
    }
    Document { devices, ..Document::default() }.encode()
}

async fn ask(line: &mut TcpStream, request: &Request) -> Response {
    let (mut out, mut answers, mut chunk) = (Vec::new(), http::Answers::default(), [0; 4096]);
    http::post("localhost", request, &mut out);
    line.write_all(&out).await.unwrap();
    loop {
        let read = line.read(&mut chunk).await.unwrap();
        assert_ne!(read, 0);
        answers.push(&chunk[..read]);
        if let Some(answer) = answers.next_answer().unwrap() {
            return Response::read(request, &answer.body).unwrap().unwrap();
        }
    }
}

async fn files(program: &Program, quarantine_only: bool) -> Vec<ResultFile> {
    let question =
        ListResultFilesRequest { quarantine_only, page_size: 1000, ..ListResultFilesRequest::default() };
    let mut client = ConcentratorsServiceClient::new(program.channel.clone());
    client.list_result_files(question).await.unwrap().into_inner().files
}

/// Every capture of a profile, in the database and in the meters, up to an instant.
fn assert_whole(program: &Program, concentrators: &Concentrators, profile: (&str, &str), end: Timestamp) {
    for meter in concentrators.meters() {
        let stored = program.sql(&format!(
            "SELECT extract(epoch FROM r.ts)::int8, r.v0, r.v3 FROM profile_row r JOIN meter m ON m.id = r.meter_id
             JOIN profile_layout l ON l.id = r.layout_id AND obis_text(l.obis) = '{}'
             WHERE m.serial = '{}' AND r.ts <= '{end}' ORDER BY 1",
            profile.1,
            meter.serial()
        ));
        let held = meter.expected(profile.0, end - SignedDuration::from_hours(6 * 24), end).unwrap();
        let held: Vec<_> = held
            .iter()
            .map(|row| format!("{}|{}|{}", row.at.as_second(), row.values[0], row.values[3]))
            .collect();
        assert!(held.len() >= 5, "{profile:?}");
        let stored: Vec<_> = stored.lines().collect();
        assert!(
            stored.ends_with(&held.iter().map(String::as_str).collect::<Vec<_>>()),
            "{profile:?} of {meter:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_23_files_of_a_folder_are_taken_over_once() {
    let folder = Folder::new("once");
    let end = Timestamp::now();
    let (concentrators, program) = giving(&folder, "giving-once").await;
    let serial = concentrators.serials().remove(0);
    let own = folder.0.join(&serial);
    fs::create_dir(&own).unwrap();
    for (name, days) in [("1-profiles.xml", (7, 3)), ("2-profiles.xml", (3, 0))] {
        fs::write(own.join(name), held(&concentrators, end, days).await).unwrap();
    }
    until(&program, "SELECT count(*), min(state) FROM result_file", "2|taken").await;
    while !folder.names(&serial).iter().all(|name| name == "taken") {
        sleep(Duration::from_millis(100)).await;
    }
    assert_whole(&program, &concentrators, DAILY, end);
    assert_whole(&program, &concentrators, ENERGY, end);
    assert_eq!(program.sql("SELECT count(*) FROM job"), "0", "nothing was asked for");

    // A program that is killed has moved some files and not others: what it noted is neither read nor doubled again.
    let rows = "SELECT count(*), sum(captures) FROM result_file";
    let noted = program.sql(rows);
    fs::rename(own.join("taken/1-profiles.xml"), own.join("1-profiles.xml")).unwrap();
    let models = put_model(concentrators.config());
    let program = program.kill_and_restart().await;
    fs::remove_dir_all(models).unwrap();
    while folder.names(&format!("{serial}/taken")).len() < 2 {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(program.sql(rows), noted);
    assert_eq!(files(&program, true).await, []);
    program.stop().await;
    concentrators.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mt_23_files_that_are_torn_doubled_or_of_strangers_are_named_and_kept_apart() {
    let folder = Folder::new("apart");
    let (concentrators, program) = giving(&folder, "giving-apart").await;
    let serial = concentrators.serials().remove(0);
    let own = folder.0.join(&serial);
    fs::create_dir(&own).unwrap();
    let octets = held(&concentrators, Timestamp::now(), (7, 0)).await;
    fs::write(own.join("first.xml"), &octets).unwrap();
    until(&program, "SELECT count(*) FROM result_file WHERE state = 'taken'", "1").await;
    let torn = &octets[..octets.len() * 2 / 3];
    let strange = "<MeterProfile><Device DeviceID=\"4711\"><Profile Ident=\"99.2.0\" Period=\"86400\"/></Device></MeterProfile>";
    for (name, octets) in [
        ("a-torn.xml", torn),
        ("b-doubled.xml", &octets),
        ("c-strange.xml", strange.as_bytes()),
        ("d.part", torn),
    ] {
        fs::write(own.join(name), octets).unwrap();
    }
    fs::create_dir(folder.0.join("nobody")).unwrap();
    fs::write(folder.0.join("nobody/e.xml"), &octets).unwrap();
    until(&program, "SELECT count(*) FROM result_file WHERE state <> 'taken'", "3").await;
    let mut apart = files(&program, true).await;
    apart.sort_by(|one, other| one.name.cmp(&other.name));
    let shown: Vec<_> =
        apart.iter().map(|file| (file.name.as_str(), file.state(), file.captures > 0)).collect();
    let expected = [
        ("a-torn.xml", ResultState::Damaged, true),
        ("b-doubled.xml", ResultState::Doubled, false),
        ("c-strange.xml", ResultState::Refused, false),
    ];
    assert_eq!(shown, expected);
    assert!(apart[0].detail.starts_with("It is not whole"), "{}", apart[0].detail);
    assert!(apart[1].detail.contains("first.xml"), "{}", apart[1].detail);
    assert!(apart[2].detail.contains(&format!("concentrator://{serial}/4711")), "{}", apart[2].detail);
    let kept = apart.iter().map(|file| format!("{}.{}", file.name, file.id)).collect::<Vec<_>>();
    while folder.names(&format!("{serial}/quarantine")).len() < kept.len() {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(folder.names(&format!("{serial}/quarantine")), kept);
    assert!(own.join("d.part").exists() && folder.0.join("nobody/e.xml").exists(), "they wait");
    assert_eq!(program.sql("SELECT count(*) FROM profile_row_rev"), "0", "what was torn off changed nothing");
    program.stop().await;
    concentrators.shutdown().await;
}

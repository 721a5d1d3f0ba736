//! Discovery: a meter of an unknown type becomes a file that the head-end takes.

use crate::bench::Bench;

#[test]
fn a_meter_becomes_a_draft_of_its_model() {
    let bench = Bench::new("sed302", 1);
    let serial = Bench::serial(0);
    let shown = bench.done(&format!("meters discover {serial}"));
    assert!(
        shown.starts_with("name = \"draft\"\n# What a meter with serial number 30000000 shows"),
        "{shown}"
    );
    assert!(
        shown.contains("obis = \"1.0.99.1.0.255\" # load profile 1\nperiod_s = 900\ndepth = 9600\n"),
        "{shown}"
    );
    assert!(
        shown.contains("class_id = 3, scaler = 0, unit = \"Wh\" }, # active energy import (+A), total"),
        "{shown}"
    );

    let file = bench.file("mx-1.toml", b"completed by hand");
    let refused = bench.run(&format!("meters discover {serial} --output {file}"));
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("mx-1.toml exists and is left as it is"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "completed by hand");
    std::fs::remove_file(&file).unwrap();
    let written = bench.done(&format!("meters discover {serial} --output {file}"));
    assert!(written.contains("give the meter model mx-1"), "{written}");
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("name = \"mx-1\"\n"));

    let wrong = bench.run(&format!("meters discover {serial} --name Mx"));
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("model.name"), "{wrong:?}");
    let jobs = bench.done("--json jobs --kind discover");
    assert_eq!(jobs.lines().count(), 2, "{jobs}");
}

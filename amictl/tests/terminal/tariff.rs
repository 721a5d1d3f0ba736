//! Tariffs: a file is checked, compared with a meter, brought into force, and found in force.

use std::path::Path;

use crate::bench::Bench;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/tariff-example.yaml");

#[test]
fn the_example_comes_into_force() {
    let bench = Bench::new("sed302", 1);
    let serial = Bench::serial(0);
    assert_eq!(bench.done(&format!("tariff check {EXAMPLE} --model sed302")), "nothing is wrong\n");
    assert_eq!(bench.done(&format!("tariff check {EXAMPLE} --meter {serial}")), "nothing is wrong\n");

    let before = bench.run(&format!("tariff diff {EXAMPLE} {serial}"));
    assert_eq!(before.code, 1, "{before:?}");
    assert!(before.out.contains("FIRST") && before.out.contains("TOU-2027"), "{before:?}");
    assert!(before.out.contains("days of the file: 1 holiday, 2 summer workday, 3 workday"), "{before:?}");

    let pushed = bench.done(&format!("tariff push {EXAMPLE} {serial} --yes --wait --timeout 60s"));
    assert_eq!(pushed, format!("{serial}: push_tariff confirmed (tariff_active)\n"));
    assert_eq!(bench.done(&format!("tariff diff {EXAMPLE} {serial}")), "the tariff is in force\n");
    let status = bench.done(&format!("--json tariff status --meter {serial}"));
    assert_eq!(status.lines().count(), 1, "{status}");
    assert!(status.contains(r#""outcome":"tariff_active""#), "{status}");
}

#[test]
fn what_is_wrong_with_a_file_is_told_field_by_field_and_nothing_is_ordered() {
    let bench = Bench::new("sed302", 1);
    let serial = Bench::serial(0);
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let text = text.replacen("\"17:00\"", "\"05:00\"", 1).replacen("weekend: holiday", "weekend: feast", 1);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tariff-{}.yaml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let file = file.display();

    let checked = bench.run(&format!("--json tariff check {file} --model sed302"));
    assert_eq!((checked.code, checked.out.lines().count()), (2, 2), "{checked:?}");
    assert!(
        checked.out.contains(r#"{"field":"day_types.workday[2].from","problem":"is 05:00"#),
        "{checked:?}"
    );
    let pushed = bench.run(&format!("tariff push {file} {serial} --yes"));
    std::fs::remove_file(file.to_string()).unwrap();
    assert_eq!(pushed.code, 2, "{pushed:?}");
    assert!(pushed.err.contains("file.weeks.winter.weekend: there is no day type `feast`"), "{pushed:?}");
    assert_eq!(bench.done("tariff status --json"), "");
    assert_eq!(bench.run("tariff check no-such-file.yaml --model sed302").code, 2);
}

//! Firmware: an image is uploaded, installed, and found running.

use crate::bench::Bench;

#[test]
fn firmware_is_uploaded_once_and_runs_where_it_was_installed() {
    let bench = Bench::new("sed302", 2);
    let serial = Bench::serial(0);
    let image = bench.file("image.bin", &[&b"version: SIM-2.0\n"[..], &[0x5A; 20_000]].concat());
    let upload = format!("firmware upload {image} --model sed302 --version SIM-2.0 --identifier SIM-2.0");
    assert_eq!(bench.done(&upload), "sed302-SIM-2.0 is uploaded\n");
    assert_eq!(bench.done(&upload), "sed302-SIM-2.0 was uploaded before\n");

    let installed = bench.done(&format!("firmware install sed302-SIM-2.0 {serial} --yes --wait"));
    assert_eq!(installed, format!("{serial}: install_firmware confirmed (firmware_active)\n"));
    // 20,017 octets in blocks of 512.
    let status = bench.done(&format!("firmware status --meter {serial}"));
    assert!(status.contains("40/40"), "{status}");
    assert!(bench.done(&format!("read {serial} --identify")).contains("SIM-2.0"));
    let other = bench.done(&format!("read {} --identify", Bench::serial(1)));
    assert!(other.contains("SIM-1.0"), "{other}");

    let missing = bench.run(&format!("firmware install sed302-SIM-3.0 {serial} --yes"));
    assert!(missing.code == 4 && missing.err.contains("sed302-SIM-3.0"), "{missing:?}");
}

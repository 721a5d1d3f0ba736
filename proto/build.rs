//! Compiles the public contract without `protoc` and keeps its descriptors for reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 18] = [
    "ami/v1/alarms.proto",
    "ami/v1/billing.proto",
    "ami/v1/clearing.proto",
    "ami/v1/clocks.proto",
    "ami/v1/collection.proto",
    "ami/v1/commands.proto",
    "ami/v1/common.proto",
    "ami/v1/concentrators.proto",
    "ami/v1/credit.proto",
    "ami/v1/diagnostics.proto",
    "ami/v1/events.proto",
    "ami/v1/firmware.proto",
    "ami/v1/inventory.proto",
    "ami/v1/jobs.proto",
    "ami/v1/parameters.proto",
    "ami/v1/readings.proto",
    "ami/v1/switch.proto",
    "ami/v1/tariff.proto",
];

/// Messages that hold secrets; `src/secret.rs` writes their `Debug`.
const SECRET: [&str; 2] = ["ami.v1.Credentials", "ami.v1.ImportMetersRequest"];

fn main() -> Result<(), Box<dyn Error>> {
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("ami.v1.descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().skip_debug(SECRET).compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=ami");
    Ok(())
}

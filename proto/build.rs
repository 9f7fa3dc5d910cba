//! Generates the messages and services of `huren.v1` with protox: no protoc to install.

use std::{error::Error, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    let files = [
        "record",
        "registry",
        "disclosure",
        "issuance",
        "federation",
        "verification",
        "operator",
        "audit",
        "recognition",
        "registers",
        "monitoring",
        "statistics",
    ]
    .map(|name| format!("huren/v1/{name}.proto"));
    println!("cargo::rerun-if-changed=huren");
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let services = std::env::var_os("CARGO_FEATURE_SERVICES").is_some();
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    // So that the same answer has the same bytes.
    config.btree_map([".huren.v1.RecognitionFinding.about"]);
    tonic_prost_build::configure()
        .build_client(services)
        .build_server(services)
        .codec_path("crate::codec::Codec")
        .bytes(".huren.v1.GetPackagesResponse.entries")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}

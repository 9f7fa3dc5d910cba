//! Records what this release says and is told, for the next one to be tried against: once for
//! each release, when its version is set.
//!
//! `cargo run -p huren-tests --example record_release`

use std::{path::Path, sync::Arc};

use huren_tests::{Federation, Honest, release::Recording, store};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/huren/releases");
    let federation = Federation::start(|_| store(), |_, _| Arc::new(Honest)).await;
    let recording = Recording::make(&federation).await;
    recording.write(&folder)?;
    println!(
        "release {}: {} calls in {}",
        recording.release,
        recording.calls.len(),
        folder.display()
    );
    Ok(())
}

//! What a member of one release says and is told, byte for byte: recorded once for each release,
//! so that the next one is tried against it. Members upgrade one after the other; for that time
//! nodes of two releases understand each other.
//!
//! `cargo run -p huren-tests --example record_release` writes the recording of this release.

mod door;
mod member;
mod story;

use std::{fs, io, path::Path};

use huren_node::engine::{Clock as _, Engine};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde::{Deserialize, Serialize};

pub use door::{As, Door};
pub use member::RecordedMember;
pub use story::{HOME, Question, play, questions};

use crate::Federation;

/// The calls that a member of a release answered, and how.
#[derive(Debug, Serialize, Deserialize)]
pub struct Recording {
    /// Which release.
    pub release: String,
    /// When, in seconds since 1970, by the members' clock.
    pub at: u64,
    /// In the order in which they were made.
    pub calls: Vec<Call>,
}

/// A call and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Who calls.
    pub by: As,
    /// Which, such as `/huren.v1.FederationService/GetHeads`.
    pub path: String,
    /// The message that it was called with.
    #[serde(with = "text")]
    pub request: Vec<u8>,
    /// What came back.
    pub answer: Answer,
}

/// What comes back from a call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Messages; of a stream that goes on, the first.
    Messages(Vec<Bytes>),
    /// The stable reason code of a refusal.
    Refused(String),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes(#[serde(with = "text")] pub Vec<u8>);

impl Recording {
    /// Reads the recording of a release from the folder of all of them.
    ///
    /// # Errors
    /// If it is not there, or is none.
    pub fn read(folder: &Path, release: &str) -> io::Result<Self> {
        let text = fs::read(folder.join(format!("{release}.json")))?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    }

    /// Plays the story and asks every question, as this release.
    ///
    /// # Panics
    /// If the story cannot be played.
    pub async fn make(federation: &Federation) -> Self {
        play(federation).await;
        let door = Door::of(federation.engine(HOME)).await;
        let mut calls = Vec::new();
        for (by, path, request) in questions(federation) {
            let answer = door.call(by, &path, request.clone()).await;
            calls.push(Call {
                by,
                path,
                request,
                answer,
            });
        }
        Self {
            release: env!("CARGO_PKG_VERSION").into(),
            at: federation.clock.now(),
            calls,
        }
    }

    /// Writes it, and beside it the description of this release's messages.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        text.push('\n');
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{}.json", self.release)), text)?;
        fs::write(
            folder.join(format!("{}.binpb", self.release)),
            description(),
        )
    }
}

/// This release's messages, without where they stand in which source.
fn description() -> Vec<u8> {
    let mut all = FileDescriptorSet::decode(huren_proto::DESCRIPTORS).expect("our descriptors");
    for file in &mut all.file {
        file.source_code_info = None;
    }
    all.encode_to_vec()
}

/// The largest size of a log that an engine has published.
fn size(engine: &Engine, origin: &huren_core::checkpoint::Origin) -> u64 {
    let entry = engine.book().entry(origin);
    entry.expect("every member has every log").state.head.size
}

/// Bytes as base64.
mod text {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_STANDARD.decode(text).map_err(D::Error::custom)
    }
}

//! What a test plays on: a federation in a folder of its own, and what is shown of it when the
//! test fails.

use std::path::Path;

use anyhow::Result;
use huren::local::{LocalNode, federate};
use huren_core::codes::Region;
use tempfile::TempDir;

use crate::plan::Plan;

/// The tool, which has the node in it.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_huren");

/// Heads are published at once.
pub(crate) const PUBLISH_AT_ONCE: (&str, &str) = ("HUREN_REPLICATION__HOLD_PUBLISH_MS", "0");

/// Heads wait for a quorum that never forms, longer than any process of these tests lives.
pub(crate) const HOLD_HEADS: (&str, &str) = ("HUREN_REPLICATION__HOLD_PUBLISH_MS", "60000");

/// Zhejiang, which writes, and Shanghai, which replicates. Each needs the other's cosignature.
pub(crate) struct Stage {
    folder: TempDir,
    pub(crate) home: LocalNode,
    pub(crate) replica: LocalNode,
}

impl Stage {
    fn set() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut nodes = federate(folder.path(), &[Region::SHANGHAI, Region::ZHEJIANG], 1)?;
        let (home, replica) = (nodes.remove(1), nodes.remove(0));
        Ok(Self {
            folder,
            home,
            replica,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Plays a test. If it fails, the seed, the ends of the nodes' logs and the folder remain.
pub(crate) async fn play(test: &str, story: impl AsyncFnOnce(&mut Stage, &mut Plan) -> Result<()>) {
    let mut plan = Plan::of(test);
    let mut stage = Stage::set().expect("a federation");
    let Err(error) = story(&mut stage, &mut plan).await else {
        return;
    };
    stage.home.show_log();
    stage.replica.show_log();
    let seed = plan.how_to_repeat();
    let folder = stage.folder.keep();
    panic!("{test}, {seed}, in {}: {error:#}", folder.display());
}

/// Starts a node and waits until it is ready.
pub(crate) async fn start(node: &mut LocalNode, settings: &[(&str, &str)]) -> Result<()> {
    node.start(Path::new(PROGRAM), settings)?;
    node.ready().await
}

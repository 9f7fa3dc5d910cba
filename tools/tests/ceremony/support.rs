//! Runs `huren` and reads what it says.

use std::{path::Path, process::Command};

use serde_json::Value;

pub(crate) const HUREN: &str = env!("CARGO_BIN_EXE_huren");

/// A table on which the files of a ceremony lie.
pub(crate) struct Table {
    pub(crate) folder: tempfile::TempDir,
}

impl Table {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    /// Runs a command in the folder; its JSON, or what it says to standard error.
    pub(crate) fn run(&self, line: &str) -> Result<Value, String> {
        let output = Command::new(HUREN)
            .args(line.split(' '))
            .arg("--json")
            .current_dir(self.folder.path())
            .output()
            .expect("a program");
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// What a command says to people.
    pub(crate) fn says(&self, line: &str) -> String {
        let output = Command::new(HUREN)
            .args(line.split(' '))
            .current_dir(self.folder.path())
            .output()
            .expect("a program");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn done(&self, line: &str) -> Value {
        self.run(line)
            .unwrap_or_else(|said| panic!("{line}: {said}"))
    }

    /// A command that is refused with this code.
    pub(crate) fn refused(&self, code: &str, line: &str) {
        let said = self.run(line).expect_err(line);
        assert!(said.contains(code), "{line}: {said}");
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        Path::exists(&self.path(name))
    }
}

/// The codes of what a proposal changes.
pub(crate) fn codes(told: &Value) -> Vec<&str> {
    let changes = told["changes"].as_array().expect("changes");
    changes
        .iter()
        .filter_map(|change| change["code"].as_str())
        .collect()
}

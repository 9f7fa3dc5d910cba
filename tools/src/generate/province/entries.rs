//! The registers' files: one for each kind, in the order in which they are submitted.

use std::{fs, path::Path};

use anyhow::Context as _;
use huren_core::{codes::Region, registry};
use huren_proto::v1::Kind;
use serde_json::{Value, json};

/// Entries of one kind.
pub(super) struct Entries {
    kind: Kind,
    values: Vec<Value>,
}

impl Entries {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            values: Vec::new(),
        }
    }

    /// Takes an entry in, in the form in which a node keeps it.
    ///
    /// # Errors
    /// If a node would refuse it.
    pub(super) fn add<E: registry::Entry>(
        &mut self,
        province: Region,
        effective_date: u32,
        entry: &E,
    ) -> anyhow::Result<()> {
        let bytes = entry.encode_to_vec();
        let body = registry::submit(self.kind, &bytes, &province, province);
        let body = body.map_err(|faults| {
            anyhow::anyhow!("an invented entry is refused: {:?} {faults:?}", self.kind)
        })?;
        let entry = crate::registry::body(self.kind, &body)?;
        let value = json!({"effective_date": effective_date, "entry": entry});
        self.values.push(value);
        Ok(())
    }
}

/// All files.
pub(super) struct Files {
    province: Region,
    kinds: Vec<Entries>,
}

impl Files {
    pub(super) fn new(province: Region) -> Self {
        Self {
            province,
            kinds: Vec::new(),
        }
    }

    pub(super) fn province(&self) -> Region {
        self.province
    }

    pub(super) fn push(&mut self, entries: Entries) {
        self.kinds.push(entries);
    }

    /// Entries that are JSON already, all of one kind and from the first day on.
    pub(super) fn all(&mut self, (kind, values): (Kind, Value)) -> anyhow::Result<()> {
        let values = values.as_array().context("a list of entries")?.iter();
        let dated =
            |entry: &Value| json!({"effective_date": super::super::REGISTERS_FROM, "entry": entry});
        self.kinds.push(Entries {
            kind,
            values: values.map(dated).collect(),
        });
        Ok(())
    }

    /// Writes the files `KIND.json`, and says how many entries each has.
    pub(super) fn write(self, folder: &Path) -> anyhow::Result<Vec<(&'static str, u64)>> {
        let mut written = Vec::new();
        for Entries { kind, values } in self.kinds {
            let name = registry::of(kind).context("a kind of the registers")?.name;
            let file = folder.join(format!("{name}.json"));
            // One entry on each line: such a file can be read, compared and cut.
            let lines: Vec<String> = values.iter().map(Value::to_string).collect();
            fs::write(&file, format!("[\n{}\n]\n", lines.join(",\n")))
                .with_context(|| format!("无法写入 / cannot write {}", file.display()))?;
            written.push((name, values.len() as u64));
        }
        Ok(written)
    }
}

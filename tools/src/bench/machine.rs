//! What the benchmark ran on, as far as the system tells.

use std::{fs, num::NonZero, path::Path, thread};

use serde::{Deserialize, Serialize};

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// The processor's name.
    pub(super) cpu: String,
    /// Which of the instructions it has that matter here.
    pub(super) instructions: Vec<String>,
    /// Cores that this process may use.
    pub(super) cores: usize,
    /// Memory in MiB.
    pub(super) memory_mib: u64,
    /// Kernel and its version.
    pub(super) system: String,
    /// The file system of the folder that was written to.
    pub(super) file_system: String,
}

/// Instructions that signatures, hashes and seals are faster with.
const INSTRUCTIONS: [&str; 4] = ["avx2", "avx512ifma", "sha_ni", "aes"];

impl Machine {
    /// This machine (Linux: proc(5); elsewhere little is told).
    pub(super) fn this(folder: &Path) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let flags = value(&cpu, "flags").unwrap_or_default();
        let has = |name: &&str| flags.split(' ').any(|flag| flag == *name);
        let kibibytes = value(&memory, "MemTotal").and_then(|text| text.strip_suffix(" kB"));
        let kernel = read("/proc/sys/kernel/osrelease");
        Self {
            cpu: value(&cpu, "model name")
                .unwrap_or(std::env::consts::ARCH)
                .to_owned(),
            instructions: INSTRUCTIONS
                .iter()
                .filter(|name| has(name))
                .map(|name| (*name).to_owned())
                .collect(),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            memory_mib: kibibytes
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or_default()
                / 1024,
            system: format!("{} {}", std::env::consts::OS, kernel.trim())
                .trim()
                .to_owned(),
            file_system: file_system(&read("/proc/mounts"), folder)
                .unwrap_or("?")
                .to_owned(),
        }
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        format!(
            "{}（{}），{} 核 cores，{} MiB，{}，{}",
            self.cpu,
            self.instructions.join(" "),
            self.cores,
            self.memory_mib,
            self.system,
            self.file_system
        )
    }
}

/// The first value of a name in lines of `name : value`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let of = |line: &'a str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    };
    text.lines().find_map(of)
}

/// The type of what is mounted nearest to a folder.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let mut parts = line.split(' ').skip(1);
        Some((Path::new(parts.next()?), parts.next()?))
    };
    let mounts = mounts.lines().filter_map(mount);
    let above = mounts.filter(|(at, _)| folder.starts_with(at));
    above
        .max_by_key(|(at, _)| at.components().count())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/tmpx")), Some("ext4"));
        assert_eq!(file_system("", Path::new("/tmp")), None);
    }

    #[test]
    fn values_are_found_by_their_whole_name() {
        let text = "model\t\t: 17\nmodel name\t: A CPU\n";
        assert_eq!(value(text, "model name"), Some("A CPU"));
        assert_eq!(value(text, "name"), None);
    }
}

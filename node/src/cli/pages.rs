//! What shells and readers of manuals are given of a program: completions, and man pages of every
//! command that `--help` shows.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Args, Command};
use clap_complete::Shell;

/// For which shell.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// 哪一种 shell / which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Where to.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// 写入此文件夹 / folder that they are written to.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

impl CompletionsArgs {
    /// Prints the script that completes a program's commands.
    ///
    /// # Errors
    /// If nobody takes it.
    pub fn print(&self, mut program: Command) -> io::Result<()> {
        let name = program.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, name, &mut script);
        io::stdout().write_all(&script)
    }
}

impl ManArgs {
    /// Writes a man page (section 1) for a program and for each of its commands.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write(&self, program: Command) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        clap_mangen::generate_to(program, &self.dir)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::NodeArgs;

    #[test]
    fn every_command_that_is_shown_has_its_page() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("man");
        ManArgs { dir: dir.clone() }
            .write(NodeArgs::command())
            .unwrap();
        let mut expected = Vec::new();
        names("huren-node", &NodeArgs::command(), &mut expected);
        assert!(expected.contains(&"huren-node-config-check.1".to_owned()));
        let mut found: Vec<String> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        let page = fs::read_to_string(dir.join("huren-node-doctor.1")).unwrap();
        assert!(page.contains(".TH huren-node-doctor 1") && page.contains("退出码"));
    }

    /// The pages that a command and those below it have.
    fn names(name: &str, command: &Command, found: &mut Vec<String>) {
        found.push(format!("{name}.1"));
        for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            names(&format!("{name}-{}", below.get_name()), below, found);
        }
    }
}

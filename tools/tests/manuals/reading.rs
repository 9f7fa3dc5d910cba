//! Manuals as files: their blocks of shell, and the commands in their text.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of the repository that people read.
pub(crate) struct Manual {
    /// Its path in the repository.
    pub(crate) name: String,
    text: String,
}

/// A line of a block, joined with the lines that continue it.
pub(crate) struct Command {
    /// Where it stands, for people.
    pub(crate) place: String,
    /// As it is written, with its comment.
    pub(crate) text: String,
}

/// The folder that holds everything.
pub(crate) fn workspace() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    workspace.canonicalize().expect("the workspace")
}

/// All manuals, in the order in which somebody who installs a node reads them.
pub(crate) fn manuals() -> Vec<Manual> {
    let (mut found, workspace) = (Vec::new(), workspace());
    collect(&workspace, &workspace, &mut found);
    found.sort_by_cached_key(|manual: &Manual| {
        let first = ["README.md", "node/HANDBOOK.md"];
        let place = first.iter().position(|name| *name == manual.name);
        (place.unwrap_or(first.len()), manual.name.clone())
    });
    found
}

fn collect(folder: &Path, workspace: &Path, found: &mut Vec<Manual>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                collect(&path, workspace, found);
            }
        } else if name.ends_with(".md") {
            let name = path.strip_prefix(workspace).expect("a path below it");
            let name = name.display().to_string();
            let text = fs::read_to_string(&path).expect("a manual");
            found.push(Manual { name, text });
        }
    }
}

impl Manual {
    /// Its blocks of shell.
    pub(crate) fn blocks(&self) -> Vec<Vec<Command>> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().zip(1..);
        while let Some((line, _)) = lines.next() {
            let Some(language) = line.trim().strip_prefix("```") else {
                continue;
            };
            let within = lines.by_ref().take_while(|(line, _)| line.trim() != "```");
            let within: Vec<(&str, usize)> = within.collect();
            if language == "sh" {
                blocks.push(self.commands(&within));
            }
        }
        blocks
    }

    fn commands(&self, lines: &[(&str, usize)]) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut begun = String::new();
        for (line, number) in lines {
            begun += line.trim();
            if let Some(begin) = begun.strip_suffix('\\') {
                begun = begin.to_owned();
                continue;
            }
            let text = std::mem::take(&mut begun);
            if !text.is_empty() && !text.starts_with('#') {
                let place = format!("{}:{number}", self.name);
                commands.push(Command { place, text });
            }
        }
        commands
    }

    /// Every text that may hold commands of ours: lines of blocks, and what stands between backticks.
    pub(crate) fn texts(&self) -> Vec<String> {
        let blocks = self.blocks().into_iter().flatten();
        let mut texts: Vec<String> = blocks.map(|command| command.text).collect();
        let mut within = false;
        let prose = self.text.lines().filter(|line| {
            let fence = line.trim().starts_with("```");
            within ^= fence;
            !fence && !within
        });
        let prose = prose.collect::<Vec<_>>().join("\n");
        // A backtick that is alone spoils its own paragraph or row, and nothing else.
        let parts = prose.split("\n\n");
        for part in parts.flat_map(|part| part.split("\n|")) {
            let spans = part.split('`').skip(1).step_by(2);
            texts.extend(spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        texts
    }
}

/// The words of each simple command in a text: of what `&&`, `|` and `;` join, without `sudo`,
/// redirections and comments.
pub(crate) fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote, mut redirected) = (None::<String>, None, false);
    for c in text.chars().chain([' ']) {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ' | '&' | '|' | ';' | '<' | '>') => {
                if let Some(word) = word.take()
                    && !std::mem::take(&mut redirected)
                    && let Some(command) = commands.last_mut()
                {
                    command.push(word);
                }
                match c {
                    '<' | '>' => redirected = true,
                    '&' | '|' | ';' => commands.push(Vec::new()),
                    _ => {}
                }
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    for command in &mut commands {
        if command.first().is_some_and(|word| word == "sudo") {
            let by_whom = command.get(1).is_some_and(|word| word == "-u");
            command.drain(..if by_whom { 3 } else { 1 });
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// The exit codes that a line's comment allows beside 0: the numbers behind "exit code".
pub(crate) fn stated_codes(text: &str) -> Vec<i32> {
    let Some((_, stated)) = text.split_once("exit code") else {
        return vec![0];
    };
    let numbers = stated.split(|c: char| !c.is_ascii_digit());
    let numbers = numbers.filter_map(|number| number.parse().ok());
    numbers.chain([0]).collect()
}

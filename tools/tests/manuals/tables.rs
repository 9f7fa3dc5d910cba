//! What the manuals leave to their readers: what has to be there first, what a placeholder stands for,
//! and where commands are run that cannot be run here.

/// What is run before anything else.
pub(crate) fn first() -> impl Iterator<Item = &'static str> {
    lines(include_str!("before.txt")).take_while(|line| !line.starts_with("> "))
}

/// The beginning of a line, and the script that is run before it.
pub(crate) fn before() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut found: Vec<(_, Vec<_>)> = Vec::new();
    for line in lines(include_str!("before.txt")) {
        if let Some(beginning) = line.strip_prefix("> ") {
            found.push((beginning, Vec::new()));
        } else if let Some((_, script)) = found.last_mut() {
            script.push(line);
        }
    }
    found
}

/// A placeholder, and the shell that says what stands for it.
pub(crate) fn stands_for() -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(include_str!("stands_for.txt")).filter_map(|line| line.split_once(" => "))
}

/// The beginning of a line, the file that runs it, and words by which it does so.
pub(crate) fn elsewhere() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    lines(include_str!("elsewhere.txt")).filter_map(|line| {
        let (beginning, rest) = line.split_once(" => ")?;
        let (file, words) = rest.split_once(": ")?;
        Some((beginning, file, words))
    })
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

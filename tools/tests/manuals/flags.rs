//! Commands as manuals write them, held against the programs' own definitions. Values may be missing
//! or stand for others (`FILE`, `…`); subcommands and flags have to be there.

use clap::{Command, CommandFactory as _, Parser as _};

/// Reads a command of ours as the program itself does.
pub(crate) fn parse(words: &[String]) -> Result<(), clap::Error> {
    match words[0].as_str() {
        "huren" => huren::cli::Cli::try_parse_from(words).map(drop),
        "huren-node" => huren_node::cli::NodeArgs::try_parse_from(words).map(drop),
        _ => Ok(()),
    }
}

/// Checks the words of a command that is one of ours, or begins with a subcommand of ours and has flags.
pub(crate) fn check(words: &[String]) -> Result<(), String> {
    let tool = huren::cli::Cli::command();
    let node = huren_node::cli::NodeArgs::command();
    let Some((program, rest)) = words.split_first() else {
        return Ok(());
    };
    match program.as_str() {
        "huren" => follow(&tool, rest),
        "huren-node" => follow(&node, rest),
        // As tables and texts abbreviate: `serve --accept-loss SIZE`.
        word if words.iter().any(|word| word.starts_with("--")) => {
            let of = [&tool, &node].map(|program| (program, program.find_subcommand(word)));
            let known = of.iter().filter(|(_, subcommand)| subcommand.is_some());
            let mut tried = known.map(|(program, _)| follow(program, words));
            let first = tried.next().unwrap_or(Ok(()));
            first.or_else(|what| tried.next().unwrap_or(Err(what)))
        }
        _ => Ok(()),
    }
}

fn follow(program: &Command, words: &[String]) -> Result<(), String> {
    let mut at = program;
    // Those that subcommands take too.
    let mut flags: Vec<&str> = longs(program).collect();
    flags.extend(["help", "version"]);
    for word in words.iter().take_while(|word| *word != "--") {
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or_default();
            if !flags.contains(&flag) && !longs(at).any(|known| known == flag) {
                return Err(format!("{} has no --{flag}", at.get_name()));
            }
        } else if let Some(subcommand) = at.find_subcommand(word) {
            at = subcommand;
        } else if at.has_subcommands() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            return Err(format!("{} has no command {word}", at.get_name()));
        }
    }
    Ok(())
}

fn longs(command: &Command) -> impl Iterator<Item = &str> {
    let names = command.get_arguments();
    let names = names.filter_map(|argument| argument.get_long_and_visible_aliases());
    names.flatten()
}

//! Every command in the manuals is run, here or by the test that a table names: a federation of four
//! provinces lives under the names that the manuals use, and their blocks are played in it in order.

#[cfg(test)]
mod flags;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{
        flags,
        reading::{self, Command, Manual},
        tables,
        world::World,
    };

    /// Wherever a manual names a command of ours, in a block or in the text: its subcommands and flags
    /// are there.
    #[test]
    fn no_manual_names_a_flag_that_is_not_there() {
        let (mut seen, mut wrong) = (0, Vec::new());
        for manual in reading::manuals() {
            for text in manual.texts() {
                for command in reading::simple_commands(&text) {
                    seen += usize::from(command[0].starts_with("huren"));
                    if let Err(what) = flags::check(&command) {
                        wrong.push(format!("{}: `{text}`: {what}", manual.name));
                    }
                }
            }
        }
        assert!(seen > 100, "the manuals are read: {seen}");
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_command_does_what_its_manual_says() {
        let mut world = World::new().await;
        let mut ran = 0;
        for block in reading::manuals().iter().flat_map(Manual::blocks) {
            world.enter(&block);
            for command in block.iter().filter(|command| !is_run_elsewhere(command)) {
                world.run(command).await;
                ran += 1;
            }
        }
        assert!(ran > 60, "the manuals are read: {ran}");
    }

    fn is_run_elsewhere(command: &Command) -> bool {
        tables::elsewhere().any(|(beginning, ..)| command.text.starts_with(beginning))
    }

    /// What is not run here is run where the table says; and no table keeps what no manual says any more.
    #[test]
    fn what_is_not_run_here_is_run_elsewhere() {
        for (beginning, file, words) in tables::elsewhere() {
            let text = fs::read_to_string(reading::workspace().join(file)).expect(file);
            for word in words.split(' ') {
                assert!(
                    text.contains(word),
                    "{file} does not run {beginning}: no {word}"
                );
            }
        }
        let manuals = reading::manuals();
        let commands = || manuals.iter().flat_map(Manual::blocks).flatten();
        let begins = tables::before().into_iter().map(|(beginning, _)| beginning);
        for beginning in begins.chain(tables::elsewhere().map(|(beginning, ..)| beginning)) {
            let found = commands().any(|command| command.text.starts_with(beginning));
            assert!(found, "no manual says any more: {beginning}");
        }
        for (written, _) in tables::stands_for() {
            let found = commands().any(|command| command.text.contains(written));
            assert!(found, "no manual says any more: {written}");
        }
        for command in commands().filter(is_run_elsewhere) {
            for words in reading::simple_commands(&command.text) {
                let parsed = flags::parse(&words);
                assert!(
                    parsed.is_ok(),
                    "{}: {}: {parsed:?}",
                    command.place,
                    command.text
                );
            }
        }
    }
}

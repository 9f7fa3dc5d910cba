//! What became faster or slower between two reports.

use std::fmt::Write as _;

use super::{
    figures::Figure,
    report::{Report, Samples},
};

/// What is made of two measurements of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Better,
    Worse,
    /// Within the tolerance, or the samples of both overlap.
    Same,
}

/// A comparison of two reports.
pub(super) struct Comparison {
    /// As a person reads it.
    pub(super) text: String,
    /// Whether anything of which something is asked became worse.
    pub(super) is_worse: bool,
}

/// Compares what both reports measured at the same sizes. `tolerance` is a share: changes within it
/// count for nothing.
pub(super) fn compare(old: &Report, new: &Report, tolerance: f64) -> Comparison {
    let (mut text, mut is_worse) = (String::new(), false);
    for (what, old, new) in [
        ("机器 machine", old.machine.line(), new.machine.line()),
        (
            "数据库 database",
            old.database.clone(),
            new.database.clone(),
        ),
        (
            "设置 settings",
            format!("{:?}", old.settings),
            format!("{:?}", new.settings),
        ),
    ] {
        if old != new {
            let _ = writeln!(text, "⚠ {what} 不同 differs:\n  {old}\n  {new}");
        }
    }
    for new_size in &new.sizes {
        let Some(old_size) = old
            .sizes
            .iter()
            .find(|size| size.records == new_size.records)
        else {
            continue;
        };
        let _ = writeln!(text, "\n{} 条记录 records", new_size.records);
        for (figure, samples) in new_size.measured() {
            let Some(before) = old_size.figures.get(figure.id) else {
                continue;
            };
            let change = change(figure, before, samples, tolerance);
            let is_asked = !figure.goals.is_empty() || figure.growth.is_some();
            is_worse |= is_asked && change == Change::Worse;
            let sign = match change {
                Change::Better => "↑",
                Change::Worse if is_asked => "✗",
                Change::Worse => "↓",
                Change::Same => "=",
            };
            let _ = writeln!(
                text,
                "{sign} {:>14} → {:>14}  {:>+7.1}%  {} {}",
                figure.unit.show(before.median()),
                figure.unit.show(samples.median()),
                (samples.median() / before.median() - 1.0) * 100.0,
                figure.name.0,
                figure.name.1
            );
        }
    }
    Comparison { text, is_worse }
}

fn change(figure: &Figure, old: &Samples, new: &Samples, tolerance: f64) -> Change {
    let (before, after) = (old.median(), new.median());
    if (after / before - 1.0).abs() <= tolerance {
        return Change::Same;
    }
    let ((old_least, old_most), (new_least, new_most)) = (old.range(), new.range());
    let overlap = old_least <= new_most && new_least <= old_most;
    if overlap && old.len() > 1 && new.len() > 1 {
        return Change::Same;
    }
    if (after > before) == figure.unit.is_rate() {
        Change::Better
    } else {
        Change::Worse
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    fn compared(old: f64, new: f64, id: &'static str) -> Comparison {
        let of = |value| report(&[(1_000, &[(id, value)])]);
        compare(&of(old), &of(new), 0.1)
    }

    #[test]
    fn worse_is_less_of_a_rate_and_more_of_anything_else() {
        assert!(compared(100.0, 80.0, "import").is_worse);
        assert!(!compared(100.0, 120.0, "import").is_worse);
        assert!(compared(1.0, 1.2, "recovery").is_worse);
        assert!(!compared(1.0, 0.8, "recovery").is_worse);
        assert!(!compared(100.0, 95.0, "import").is_worse);
        // What a machine can do is nothing that this program does worse.
        let slower = compared(100.0, 50.0, "sign");
        assert!(
            !slower.is_worse && slower.text.contains("↓"),
            "{}",
            slower.text
        );
    }

    #[test]
    fn samples_that_overlap_say_nothing() {
        let twice = |a, b| {
            let mut both = report(&[(1_000, &[("import", a)])]);
            both.sizes[0].add([("import", b)]);
            both
        };
        assert!(!compare(&twice(100.0, 200.0), &twice(90.0, 110.0), 0.1).is_worse);
        assert!(compare(&twice(180.0, 200.0), &twice(90.0, 110.0), 0.1).is_worse);
    }

    #[test]
    fn another_machine_is_said() {
        let (old, mut new) = (report(&[(1, &[])]), report(&[(1, &[])]));
        new.machine.cores = 64;
        assert!(compare(&old, &new, 0.1).text.contains("machine"));
    }
}

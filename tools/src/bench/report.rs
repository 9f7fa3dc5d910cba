//! A report: what was measured, on what, and how often.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{
    figures::{FIGURES, Figure, Goal, Reading, figure_named},
    machine::Machine,
};

/// The form of a report.
const FORM: &str = "huren/bench/v1";

/// What was measured in one run of the benchmark.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    form: String,
    /// Version of this program.
    pub(super) huren: String,
    pub(super) machine: Machine,
    /// The database of the nodes, with its version.
    pub(super) database: String,
    pub(super) settings: Settings,
    /// By size, ascending.
    pub(super) sizes: Vec<Size>,
}

/// What the figures depend on beside the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Rounds whose median counts.
    pub(super) repeat: u16,
    /// Questions of a scenario.
    pub(super) questions: u32,
    /// Calls under way at a time.
    pub(super) in_flight: u16,
    /// Streams that a batch comes over.
    pub(super) streams: u16,
    /// Records a second at the steady pace.
    pub(super) pace: u32,
    pub(super) seed: u64,
    /// Bytes of each node's cache of tiles.
    pub(super) cache_bytes: u64,
}

/// The figures of one size.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Size {
    pub(super) records: u32,
    /// Samples by the name of the figure.
    pub(super) figures: BTreeMap<String, Samples>,
}

/// What was measured of one figure, in order of the rounds.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// The middle one, or the mean of the two in the middle.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
            (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => (below + above) / 2.0,
            (_, Some(middle)) => *middle,
            _ => f64::NAN,
        }
    }

    /// The least and the greatest.
    pub(super) fn range(&self) -> (f64, f64) {
        let fold = |start: f64, pick: fn(f64, f64) -> f64| self.0.iter().copied().fold(start, pick);
        (
            fold(f64::INFINITY, f64::min),
            fold(f64::NEG_INFINITY, f64::max),
        )
    }

    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl Size {
    /// Adds the readings of a round.
    pub(super) fn add(&mut self, readings: impl IntoIterator<Item = Reading>) {
        for (id, value) in readings {
            self.figures.entry(id.to_owned()).or_default().0.push(value);
        }
    }

    /// The median of a figure, if it was measured.
    pub(super) fn median(&self, id: &str) -> Option<f64> {
        self.figures.get(id).map(Samples::median)
    }

    /// Which figures were measured, in their order.
    pub(super) fn measured(&self) -> impl Iterator<Item = (&'static Figure, &Samples)> {
        FIGURES
            .iter()
            .filter_map(|figure| Some((figure, self.figures.get(figure.id)?)))
    }

    /// Whether everything is reached that is asked of a figure, as far as what it is to be compared
    /// with was measured; `None` if nothing can be judged.
    pub(super) fn is_reached(&self, figure: &Figure) -> Option<bool> {
        let value = self.median(figure.id)?;
        let judged = figure.goals.iter().filter_map(|goal| {
            let bound = match goal {
                Goal::Value(bound) => *bound,
                Goal::Share(of, share) => self.median(of)? * share,
            };
            Some(if figure.unit.is_rate() {
                value >= bound
            } else {
                value <= bound
            })
        });
        judged.reduce(|all, this| all && this)
    }
}

/// How a figure changes from the smallest size to the largest.
pub(super) struct Growth {
    pub(super) figure: &'static Figure,
    pub(super) ratio: f64,
    pub(super) is_reached: bool,
}

impl Report {
    pub(super) fn new(machine: Machine, database: String, settings: Settings) -> Self {
        Self {
            form: FORM.to_owned(),
            huren: env!("CARGO_PKG_VERSION").to_owned(),
            machine,
            database,
            settings,
            sizes: Vec::new(),
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    /// If the file is none of this program's form, or names a figure that is not known.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = || {
            format!(
                "不是测速报告 / no report of a benchmark: {}",
                path.display()
            )
        };
        let text = std::fs::read(path).with_context(|| path.display().to_string())?;
        let report: Self = serde_json::from_slice(&text).with_context(name)?;
        ensure!(report.form == FORM, "{}: form {}", name(), report.form);
        ensure!(!report.sizes.is_empty(), name());
        for (id, samples) in report.sizes.iter().flat_map(|size| &size.figures) {
            let known = figure_named(id).is_some() && samples.len() > 0;
            ensure!(known, "{}: {id}", name());
        }
        Ok(report)
    }

    /// The growth that has a bound, if more than one size was measured.
    pub(super) fn growth(&self) -> Vec<Growth> {
        let (Some(least), Some(most)) = (self.sizes.first(), self.sizes.last()) else {
            return Vec::new();
        };
        if least.records == most.records {
            return Vec::new();
        }
        let grown = |figure: &'static Figure| {
            let bound = figure.growth?;
            let ratio = most.median(figure.id)? / least.median(figure.id)?;
            let is_reached = if figure.unit.is_rate() {
                ratio >= bound
            } else {
                ratio <= bound
            };
            Some(Growth {
                figure,
                ratio,
                is_reached,
            })
        };
        FIGURES.iter().filter_map(grown).collect()
    }
}

/// `✓` or `✗`, or nothing where nothing is asked.
pub(super) const fn mark(reached: Option<bool>) -> &'static str {
    match reached {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn report(readings: &[(u32, &[Reading])]) -> Report {
        let settings = Settings {
            repeat: 1,
            questions: 10,
            in_flight: 64,
            streams: 2,
            pace: 2_000,
            seed: 1,
            cache_bytes: 1 << 25,
        };
        let machine = Machine {
            cpu: "A <CPU> & Co".into(),
            cores: 2,
            ..Machine::default()
        };
        let mut report = Report::new(machine, "SQLite 3".into(), settings);
        for (records, readings) in readings {
            let mut size = Size {
                records: *records,
                ..Size::default()
            };
            size.add(readings.iter().copied());
            report.sizes.push(size);
        }
        report
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(Samples(vec![3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples(vec![4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(Samples(vec![7.0]).range(), (7.0, 7.0));
    }

    #[test]
    fn goals_are_judged_where_what_they_name_was_measured() {
        let reached = |id: &str, readings: &[Reading]| {
            report(&[(1_000, readings)]).sizes[0].is_reached(figure_named(id).unwrap())
        };
        assert_eq!(
            reached("verify", &[("verify", 6.0), ("empty", 10.0)]),
            Some(true)
        );
        assert_eq!(
            reached("verify", &[("verify", 4.0), ("empty", 10.0)]),
            Some(false)
        );
        assert_eq!(reached("verify", &[("verify", 4.0)]), None);
        assert_eq!(reached("recovery", &[("recovery", 1.9)]), Some(true));
        assert_eq!(reached("recovery", &[("recovery", 2.1)]), Some(false));
        // One of two goals alone can be judged.
        assert_eq!(reached("import", &[("import", 31_000.0)]), Some(true));
        let short = [("import", 31_000.0), ("pg_copy", 100_000.0)];
        assert_eq!(reached("import", &short), Some(false));
    }

    #[test]
    fn growth_is_from_the_smallest_size_to_the_largest() {
        let of = |few: f64, many: f64| {
            report(&[
                (1_000, &[("bootstrap", few)]),
                (10_000, &[("bootstrap", many)]),
            ])
        };
        assert!(of(10.0, 8.0).growth()[0].is_reached);
        assert!(!of(10.0, 6.0).growth()[0].is_reached);
        assert!(
            report(&[(1_000, &[("bootstrap", 10.0)])])
                .growth()
                .is_empty()
        );
    }

    #[test]
    fn a_report_reads_back_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let written = report(&[(1_000, &[("import", 31_000.5)])]);
        std::fs::write(&path, serde_json::to_vec(&written).unwrap()).unwrap();
        assert_eq!(Report::read(&path).unwrap(), written);
        for (from, to) in [
            ("huren/bench/v1", "huren/bench/v2"),
            ("\"import\"", "\"speed\""),
        ] {
            let other = serde_json::to_string(&written).unwrap().replace(from, to);
            std::fs::write(&path, other).unwrap();
            let error = Report::read(&path).unwrap_err().to_string();
            assert!(error.contains("no report of a benchmark"), "{error}");
        }
    }
}

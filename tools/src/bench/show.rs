//! Reports as people read them: on a terminal, and as a Markdown table.

use std::fmt::{self, Write as _};

use super::figures::{Figure, Goal, Unit, figure_named};
use super::report::{Report, Samples, Settings, Size, mark};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.line())?;
        writeln!(f, "{}", self.setting())?;
        for size in &self.sizes {
            writeln!(
                f,
                "\n{} 条记录 records",
                Unit::Rate.show(size.records.into()).trim_end_matches(" /s")
            )?;
            for (figure, samples) in size.measured() {
                let (zh, en) = figure.name;
                let mark = mark(size.is_reached(figure));
                writeln!(
                    f,
                    "{mark:1} {:>14}  {zh} {en}{}",
                    shown(figure, samples),
                    spread(figure, samples)
                )?;
                for line in beside(size, figure) {
                    writeln!(f, "                    {line}")?;
                }
            }
        }
        let growth = self.growth();
        if !growth.is_empty() {
            writeln!(f, "\n最大规模与最小规模之比 largest size against smallest")?;
        }
        for grown in growth {
            let bound = grown.figure.growth.unwrap_or_default();
            let sign = if grown.figure.unit.is_rate() {
                '≥'
            } else {
                '≤'
            };
            writeln!(
                f,
                "{} {:>14}  {} {}（{sign} {bound}）",
                mark(Some(grown.is_reached)),
                format!("× {:.2}", grown.ratio),
                grown.figure.name.0,
                grown.figure.name.1,
            )?;
        }
        Ok(())
    }
}

impl Report {
    /// What the nodes ran with, in one line.
    fn setting(&self) -> String {
        let Settings {
            repeat,
            in_flight,
            cache_bytes,
            ..
        } = &self.settings;
        format!(
            "huren {}，{}，每次提交都落盘 every commit synced，{repeat} 轮中位数 median of {repeat}，{in_flight} 个在途 in \
             flight，瓦片缓存 tile cache {} MiB",
            self.huren,
            self.database,
            cache_bytes >> 20
        )
    }
}

fn shown(figure: &Figure, samples: &Samples) -> String {
    figure.unit.show(samples.median())
}

/// The range of the samples, if there are several.
fn spread(figure: &Figure, samples: &Samples) -> String {
    if samples.len() < 2 {
        return String::new();
    }
    let (least, most) = samples.range();
    let symbol = figure.unit.symbol();
    let short = |value: f64| {
        figure
            .unit
            .show(value)
            .trim_end_matches(symbol)
            .trim()
            .to_owned()
    };
    format!(" ({}–{})", short(least), short(most))
}

/// What stands beside a figure, and what is asked of it.
fn beside(size: &Size, figure: &Figure) -> Vec<String> {
    let Some(value) = size.median(figure.id) else {
        return Vec::new();
    };
    let goal_of = |id: &str| {
        figure.goals.iter().find_map(|goal| match goal {
            Goal::Share(of, share) if *of == id => Some(*share),
            _ => None,
        })
    };
    let sign = if figure.unit.is_rate() { '≥' } else { '≤' };
    let mut lines = Vec::new();
    for goal in figure.goals {
        if let Goal::Value(bound) = goal {
            lines.push(format!("目标 goal {sign} {}", figure.unit.show(*bound)));
        }
    }
    for id in figure.beside {
        let (Some(other), Some(limit)) = (figure_named(id), size.median(id)) else {
            continue;
        };
        let mut line = format!(
            "{:.2} × {}（{} {}）",
            value / limit,
            other.unit.show(limit),
            other.name.0,
            other.name.1
        );
        if let Some(share) = goal_of(id) {
            let _ = write!(line, "，目标 goal {sign} {share}");
        }
        lines.push(line);
    }
    lines
}

/// One table for all reports: a column for each database and size.
pub(super) fn markdown(reports: &[Report]) -> String {
    let columns: Vec<(&Report, &Size)> = reports
        .iter()
        .flat_map(|report| report.sizes.iter().map(move |size| (report, size)))
        .collect();
    let mut text = String::new();
    for report in reports {
        let _ = writeln!(text, "- {}；{}", report.machine.line(), report.setting());
    }
    let head = columns
        .iter()
        .map(|(report, size)| format!("{}, {}", report.database, size.records));
    let _ = writeln!(
        text,
        "\n| 指标 figure | {} |",
        head.collect::<Vec<_>>().join(" | ")
    );
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(columns.len()));
    for figure in super::figures::FIGURES {
        let cell = |(_, size): &(&Report, &Size)| {
            let samples = size.figures.get(figure.id)?;
            let mut cell = format!(
                "{} {}",
                shown(figure, samples),
                mark(size.is_reached(figure))
            );
            for id in figure.beside {
                if let Some(limit) = size.median(id) {
                    let _ = write!(cell, "<br>{:.2} × `{id}`", samples.median() / limit);
                }
            }
            Some(cell.trim_end().to_owned())
        };
        let cells: Vec<Option<String>> = columns.iter().map(cell).collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let cells: Vec<String> = cells
            .into_iter()
            .map(|cell| cell.unwrap_or_else(|| "–".into()))
            .collect();
        let (zh, en) = figure.name;
        let _ = writeln!(
            text,
            "| {zh} {en} `{}` | {} |",
            figure.id,
            cells.join(" | ")
        );
    }
    for report in reports {
        for grown in report.growth() {
            let _ = writeln!(
                text,
                "\n{} `{}`：最大规模与最小规模之比 largest size against smallest × {:.2} {}",
                report.database,
                grown.figure.id,
                grown.ratio,
                mark(Some(grown.is_reached))
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    #[test]
    fn a_table_has_a_column_for_each_size_and_a_row_for_what_was_measured() {
        let one = report(&[
            (
                1_000,
                &[
                    ("import", 31_000.0),
                    ("pg_copy", 62_000.0),
                    ("bootstrap", 20_000.0),
                ],
            ),
            (10_000, &[("import", 29_000.0), ("bootstrap", 10_000.0)]),
        ]);
        let table = markdown(&[one]);
        let lines: Vec<&str> = table.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(
            lines,
            [
                "| 指标 figure | SQLite 3, 1000 | SQLite 3, 10000 |",
                "| --- | ---: | ---: |",
                "| 导入：CSV 至持久确认 import, CSV to DURABLE `import` | 31,000 /s ✓<br>0.50 × `pg_copy` | 29,000 /s ✗ |",
                "| 自空库复制：验证、入库、折叠、披露 bootstrap: verified, stored, folded, disclosed `bootstrap` | 20,000 /s | 10,000 /s |",
                "| PostgreSQL COPY 同样的行 PostgreSQL COPY, same rows `pg_copy` | 62,000 /s | – |",
            ]
        );
        assert!(table.contains("× 0.50 ✗"), "{table}");
    }

    #[test]
    fn a_terminal_shows_goals_and_what_stands_beside() {
        let text = report(&[(
            1_000,
            &[("verify", 6_000.0), ("empty", 20_000.0), ("recovery", 0.5)],
        )])
        .to_string();
        assert!(text.contains("✗       6,000 /s"), "{text}");
        assert!(text.contains("0.30 × 20,000 /s"), "{text}");
        assert!(text.contains("✓         0.50 s"), "{text}");
    }
}

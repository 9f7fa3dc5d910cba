//! A report as a chart: every rate as a bar, beside the bars of what bounds it.

use std::fmt::Write as _;

use super::{
    figures::figure_named,
    report::{Report, Size, mark},
};

/// Geometry, in pixels.
const WIDTH: f64 = 1000.0;
const LABEL: f64 = 440.0;
const VALUE: f64 = 110.0;
const ROW: f64 = 18.0;
const GAP: f64 = 10.0;

/// A chart in SVG: of each rate one group of bars, the longest of a group the full width.
pub(super) fn svg(report: &Report) -> String {
    let (mut body, mut y) = (String::new(), 30.0);
    line(&mut body, y, "title", &report.machine.line());
    y += ROW;
    line(
        &mut body,
        y,
        "note",
        &format!("huren {}, {}", report.huren, report.database),
    );
    y += ROW + GAP;
    for size in &report.sizes {
        line(
            &mut body,
            y + 12.0,
            "title",
            &format!("{} 条记录 records", size.records),
        );
        y += ROW + GAP;
        for group in groups(size) {
            y = bars(&mut body, y, &group) + GAP;
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"huren bench\">\n<style>\ntext {{ font: 12px system-ui, sans-serif; fill: #222 }}\n\
         .title {{ font-weight: 600 }}\n.note {{ fill: #666 }}\n.own {{ fill: #0b6e4f }}\n\
         .limit {{ fill: #b9c4c9 }}\n</style>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         {body}</svg>\n",
        height = y + 10.0
    )
}

/// A bar: its label, its value, the value in words, and how it is drawn.
struct Bar {
    label: String,
    value: f64,
    words: String,
    class: &'static str,
}

/// The rates of a size that have something beside them.
fn groups(size: &Size) -> Vec<Vec<Bar>> {
    let group = |id: &'static str, value: f64| {
        let figure = figure_named(id)?;
        let mut bars = vec![Bar {
            label: format!("{} {}", figure.name.0, figure.name.1),
            value,
            words: format!(
                "{} {}",
                figure.unit.show(value),
                mark(size.is_reached(figure))
            ),
            class: "own",
        }];
        for other in figure.beside {
            if let (Some(limit), Some(value)) = (figure_named(other), size.median(other)) {
                bars.push(Bar {
                    label: format!("{} {}", limit.name.0, limit.name.1),
                    value,
                    words: limit.unit.show(value),
                    class: "limit",
                });
            }
        }
        (bars.len() > 1).then_some(bars)
    };
    size.measured()
        .filter(|(figure, _)| figure.unit.is_rate())
        .filter_map(|(figure, samples)| group(figure.id, samples.median()))
        .collect()
}

/// Draws a group; gives where the next one begins.
fn bars(body: &mut String, mut y: f64, group: &[Bar]) -> f64 {
    let longest = group
        .iter()
        .map(|bar| bar.value)
        .fold(f64::MIN_POSITIVE, f64::max);
    for bar in group {
        let width = (bar.value / longest * (WIDTH - LABEL - VALUE)).max(1.0);
        let _ = writeln!(
            body,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" class=\"{}\">{}</text>\
             <rect x=\"{LABEL:.0}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"{:.0}\" class=\"{}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            LABEL - 8.0,
            y + 12.0,
            if bar.class == "own" { "title" } else { "note" },
            escaped(&bar.label),
            y + 1.0,
            ROW - 4.0,
            bar.class,
            LABEL + width + 6.0,
            y + 12.0,
            escaped(&bar.words)
        );
        y += ROW;
    }
    y
}

fn line(body: &mut String, y: f64, class: &str, text: &str) {
    let _ = writeln!(
        body,
        "<text x=\"10\" y=\"{y:.0}\" class=\"{class}\">{}</text>",
        escaped(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::report;

    #[test]
    fn the_longest_bar_of_a_group_is_the_full_width() {
        let chart = svg(&report(&[(
            1_000,
            &[("verify", 5_000.0), ("empty", 20_000.0), ("recovery", 1.0)],
        )]));
        assert!(chart.contains("width=\"450.0\""), "{chart}");
        assert!(chart.contains("width=\"112.5\""), "{chart}");
        assert!(chart.contains("A &lt;CPU&gt; &amp; Co"), "{chart}");
        // What is no rate has no bar.
        assert!(!chart.contains("kill -9"), "{chart}");
        assert_eq!(chart.matches("<rect").count(), 3);
    }
}

//! What an answer looks like in public, and as a map.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{codes::Region, data};

use super::{Row, Table};

/// The settings of statistics as they stand in their file.
pub(crate) const FILE: &str = include_str!("../../data/statistics.json");

/// What the file of settings says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    smallest_cell: u64,
}

/// The fewest certificates or persons that a public figure may be about.
pub fn smallest_cell() -> u64 {
    #[expect(
        clippy::expect_used,
        reason = "`data::check` reads the file that is compiled in before it is used"
    )]
    static SMALLEST: LazyLock<Settings> =
        LazyLock::new(|| data::settings(FILE).expect("the settings of statistics"));
    SMALLEST.smallest_cell
}

/// Leaves out what is about fewer than so many. Where one line of several is left out, the
/// total would tell it, so the smallest of the others goes too.
pub fn suppress(table: &mut Table, fewest: u64) {
    for row in table.rows.iter_mut().chain([&mut table.total]) {
        row.is_suppressed = row.is_about_fewer_than(fewest);
    }
    let mut periods: Vec<_> = table.rows.iter().map(|row| row.period).collect();
    periods.sort_unstable();
    periods.dedup();
    for period in periods {
        let mut rows: Vec<&mut Row> = table.rows.iter_mut().collect();
        rows.retain(|row| row.period == period);
        if rows.iter().filter(|row| row.is_suppressed).count() == 1 {
            let others = rows.into_iter().filter(|row| !row.is_suppressed);
            if let Some(smallest) = others.min_by_key(|row| row.certificates) {
                smallest.is_suppressed = true;
            }
        }
    }
    for row in table.rows.iter_mut().chain([&mut table.total]) {
        if row.is_suppressed {
            (row.certificates_new, row.certificates) = (0, 0);
            (row.persons_new, row.persons) = (0, 0);
        }
    }
}

impl Row {
    fn is_about_fewer_than(&self, fewest: u64) -> bool {
        let few = |number: u64| number > 0 && number < fewest;
        few(self.certificates_new)
            || few(self.certificates)
            || few(self.persons)
            || few(self.persons_new.unsigned_abs())
    }
}

/// The lines of an answer by region as GeoJSON (RFC 7946): one feature for each, found by the
/// six-digit code. Their geometry is null, for whoever draws has boundaries of their own.
pub fn geo_json(table: &Table) -> Value {
    let features = table.rows.iter().map(|row| {
        let code = row.region.clone().unwrap_or_default();
        let region = Region::parse(&code).ok();
        let figures = match row.is_suppressed {
            true => Value::Null,
            false => json!({
                "certificates_new": row.certificates_new,
                "certificates": row.certificates,
                "persons_new": row.persons_new,
                "persons": row.persons,
            }),
        };
        json!({
            "type": "Feature",
            "id": code,
            "geometry": null,
            "properties": {
                "region": code,
                "name": region.and_then(Region::name),
                "track": row.track,
                "level": row.level,
                "thing": row.thing,
                "period": row.period.map(super::Month::number),
                "suppressed": row.is_suppressed,
                "figures": figures,
            },
        })
    });
    json!({ "type": "FeatureCollection", "features": features.collect::<Vec<_>>() })
}

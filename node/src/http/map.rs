//! 技能人才数字地图: how many skilled people there are where, as a grid of equal tiles, one for each
//! city. Such a grid needs no surveyed boundaries.

use axum::Router;
use huren_core::codes::{Level, Region, RegionLevel};
use serde_json::{Map, Value, json};

use super::scripted;

/// `/map`.
pub fn routes() -> Router {
    let facts = format!("const FACTS = {};", facts());
    let scripts = [
        include_str!("dom.js"),
        include_str!("ask.js"),
        include_str!("chart.js"),
        &facts,
        include_str!("map/map.js"),
    ];
    let template = include_str!("map/map.html");
    scripted::asking("/map", template, include_str!("map/map.css"), &scripts)
}

/// What the script knows of codes: the tables of the core.
fn facts() -> Value {
    let cities = Region::listed(RegionLevel::City).map(|city| {
        // A municipality is its one city.
        let name = match city.province() {
            Region::SHANGHAI => Region::SHANGHAI.full_name(),
            _ => city.name().unwrap_or_default().to_owned(),
        };
        (city.to_string(), name.into())
    });
    let levels = (1..=8).filter_map(|ordinal| {
        let level = Level::from_ordinal(ordinal)?;
        Some((ordinal.to_string(), level.to_string().into()))
    });
    json!({
        "cities": cities.collect::<Map<_, _>>(),
        "levels": levels.collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_city_has_a_tile_of_its_own() {
        let script = include_str!("map/map.js");
        let (_, grid) = script.split_once("const GRID = `").unwrap();
        let (grid, _) = grid.split_once('`').unwrap();
        let mut placed: Vec<&str> = grid
            .split_whitespace()
            .filter(|tile| *tile != "·")
            .collect();
        placed.sort_unstable();
        let mut cities: Vec<String> = Region::listed(RegionLevel::City)
            .map(|city| city.to_string())
            .collect();
        cities.sort_unstable();
        assert_eq!(placed, cities);
    }
}

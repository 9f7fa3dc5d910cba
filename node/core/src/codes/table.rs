//! Reading the tables that are compiled in from `data`.

/// The rows of a comma-separated table after its header. The tables are our own and hold no
/// quoted fields, which a test checks, so splitting is all the parsing they need.
pub(super) fn rows(csv: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    csv.lines()
        .skip(1)
        .filter(|line| !line.is_empty())
        .map(|line| line.split(',').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_the_columns_of_its_header() {
        for csv in [
            include_str!("../../data/provinces.csv"),
            include_str!("../../data/regions.csv"),
            include_str!("../../data/counties.csv"),
            include_str!("../../data/occupations.csv"),
            include_str!("../../data/levels.csv"),
        ] {
            let columns = csv.lines().next().unwrap().split(',').count();
            assert!(!csv.contains('"'));
            assert!(rows(csv).all(|row| row.len() == columns));
        }
    }
}

//! Occupations through the editions.

use huren_proto::v1::{OccupationCatalogue, OccupationCrosswalk, OccupationRelation};

use super::super::{Dated, crosswalk::*};
use crate::codes::Date;

fn step(
    from_edition: u32,
    from: &str,
    to: &str,
    relation: OccupationRelation,
) -> OccupationCrosswalk {
    OccupationCrosswalk {
        from_edition,
        from: from.into(),
        to: to.into(),
        relation: relation.into(),
    }
}

fn entry(
    index: u64,
    edition: u32,
    crosswalk: Vec<OccupationCrosswalk>,
) -> Dated<OccupationCatalogue> {
    Dated {
        index,
        effective_date: edition * 10_000 + 1_001,
        entry: OccupationCatalogue {
            edition,
            part: 1,
            parts: 1,
            crosswalk,
            ..OccupationCatalogue::default()
        },
    }
}

fn containing(
    rows: &[Dated<OccupationCatalogue>],
    date: u32,
    edition: u32,
    code: &str,
) -> Vec<(u32, String)> {
    let crosswalk = Crosswalk::as_of(rows, Date::from_yyyymmdd(date).unwrap());
    let occupation = occupation_key(edition, code);
    crosswalk.containing(occupation).into_iter().collect()
}

const TODAY: u32 = 20_261_101;

#[test]
fn a_part_is_contained_and_not_the_other_way_round() {
    use OccupationRelation::{Ended, Merged, Same, Split};
    let rows = [entry(
        1,
        2022,
        vec![
            step(2015, "6-31-01-10", "6-31-07-01", Same),
            step(2015, "4-01-02-03", "4-01-06-02", Split),
            step(2015, "4-03-02-05", "4-03-02-07", Merged),
            step(2015, "4-03-02-06", "", Ended),
        ],
    )];
    let check = |edition: u32, code: &str, others: &[(u32, &str)]| {
        let own = (edition, code);
        let mut expected: Vec<_> = others.iter().chain([&own]).collect();
        expected.sort_unstable();
        let found = containing(&rows, TODAY, edition, code);
        let found: Vec<_> = found.iter().map(|(e, c)| (*e, c.as_str())).collect();
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected,
            "{edition} {code}"
        );
    };
    // Robots are a famous case: the code of 2015 names something else today.
    check(2022, "6-31-07-01", &[(2015, "6-31-01-10")]);
    check(2015, "6-31-01-10", &[(2022, "6-31-07-01")]);
    check(2022, "6-31-01-10", &[]);
    check(2022, "4-01-06-02", &[(2015, "4-01-02-03")]);
    check(2015, "4-01-02-03", &[]);
    check(2015, "4-03-02-05", &[(2022, "4-03-02-07")]);
    check(2022, "4-03-02-07", &[]);
    check(2015, "4-03-02-06", &[]);
}

#[test]
fn editions_lead_on_to_each_other_and_jobs_are_left_out() {
    let same = OccupationRelation::Same;
    let rows = [
        entry(1, 2015, vec![step(1999, "6-07-06-05", "6-31-01-03", same)]),
        entry(2, 2022, vec![step(2015, "6-31-01-03", "6-31-01-04", same)]),
    ];
    let all = [
        (1999, "6-07-06-05".to_owned()),
        (2015, "6-31-01-03".to_owned()),
        (2022, "6-31-01-04".to_owned()),
    ];
    assert_eq!(containing(&rows, TODAY, 1999, "6-07-06-05"), all);
    assert_eq!(containing(&rows, TODAY, 2022, "6-31-01-04-002"), all);
    // Before the edition came out nobody knew.
    assert_eq!(containing(&rows, 20_220_930, 1999, "6-07-06-05"), all[..2]);
    // What is entered anew takes the place of what stood there.
    let anew = entry(3, 2022, vec![step(2015, "6-31-01-05", "6-31-01-04", same)]);
    let rows = [rows[0].clone(), rows[1].clone(), anew];
    assert_eq!(containing(&rows, TODAY, 1999, "6-07-06-05"), all[..2]);
}

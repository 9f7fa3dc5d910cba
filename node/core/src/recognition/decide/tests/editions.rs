//! Occupations that scopes and standards name as another edition does.

use super::*;

/// What scopes and standards call otherwise in another edition is the same occupation.
#[test]
fn occupations_are_found_through_the_editions() {
    use v1::OccupationRelation::{Merged, Same, Split};
    let crosswalk = |relation: v1::OccupationRelation| v1::OccupationCatalogue {
        edition: 2022,
        part: 1,
        parts: 1,
        crosswalk: vec![v1::OccupationCrosswalk {
            from_edition: 2015,
            from: "4-03-02-05".into(),
            to: "4-03-02-01".into(),
            relation: relation.into(),
        }],
        ..Default::default()
    };
    let old = |relation| {
        move |_: &mut Case, r: &mut Registers| {
            let scope = &mut r.institution[0].entry.scopes[0];
            (scope.edition, scope.occupation) = (2015, "4-03-02-05".into());
            let standard = &mut r.standards[0].entry;
            (standard.occupation_edition, standard.occupation) = (2015, "4-03-02-05".into());
            r.occupations = vec![placed(9, 20_221_001, crosswalk(relation))];
        }
    };
    check(old(Same), Recognized, &[]);
    check(old(Split), Recognized, &[]);
    // Of what it was merged from, its scope is a part alone.
    let unknown = [Rule::DirectoryAbsent, Rule::StandardAbsent];
    check(old(Merged), Undetermined, &unknown);
    let later = |case: &mut Case, r: &mut Registers| {
        old(Same)(case, r);
        r.occupations[0].effective_date = 20_270_101;
    };
    check(later, Undetermined, &unknown);
    // Another occupation of that edition is outside of the scope.
    let other = |case: &mut Case, r: &mut Registers| {
        old(Same)(case, r);
        r.institution[0].entry.scopes[0].occupation = "4-03-02-06".into();
    };
    check(other, Not, &[Rule::ScopeOccupation]);
    // A standard of its own name comes first.
    let own = |case: &mut Case, r: &mut Registers| {
        old(Same)(case, r);
        let mut own = r.standards[0].clone();
        own.entry.occupation_edition = 2022;
        own.entry.occupation = "4-03-02-01".into();
        own.entry.code = "X".into();
        own.index = 30;
        r.standards.push(own);
    };
    check(own, Not, &[Rule::StandardUnfiled]);
}

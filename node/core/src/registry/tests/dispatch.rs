//! Draws of experts: random, avoidance, rotation.

use huren_proto::v1::*;
use proptest::prelude::*;

use super::{
    super::experts::{Assignment, Avoided, Candidate, allows, draw_experts},
    samples,
};
use crate::codes::{Date, Occupation};

/// An expert as the tests make them up.
#[derive(Clone, Debug)]
struct Person {
    name: String,
    expert: Expert,
    qualifications: Vec<ExpertQualification>,
    has_bad_credit: bool,
    rounds: Vec<u32>,
}

impl Person {
    /// Number `n`, with nothing that speaks against a dispatch.
    fn new(n: usize) -> Self {
        let code = format!("KP-{n:04}");
        Self {
            name: format!("33/{code}"),
            qualifications: vec![ExpertQualification {
                expert: code.clone(),
                ..samples::expert_qualification()
            }],
            expert: Expert {
                code,
                ..samples::expert()
            },
            has_bad_credit: false,
            rounds: Vec::new(),
        }
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            name: &self.name,
            expert: &self.expert,
            qualifications: &self.qualifications,
            has_bad_credit: self.has_bad_credit,
            rounds: &self.rounds,
        }
    }
}

fn tea() -> Occupation {
    Occupation::parse(2022, "4-03-02-07").unwrap()
}

fn assignment(occupation: &Occupation) -> Assignment<'_> {
    Assignment {
        institution: samples::INSTITUTION,
        region: "330106",
        round: 10,
        rest: 3,
        team: ExpertTeam::Assessor,
        occupation: Some(occupation),
        date: Date::from_yyyymmdd(20_240_615).unwrap(),
    }
}

#[test]
fn who_is_left_out_and_why() {
    let occupation = tea();
    let check = |change: fn(&mut Person), expected: Option<Avoided>| {
        let mut person = Person::new(1);
        change(&mut person);
        let drawn = draw_experts(&[1; 32], &assignment(&occupation), &[person.candidate()], 1);
        let avoided = drawn.avoided.first().map(|(_, reason)| *reason);
        assert_eq!(avoided, expected, "{person:?}");
        assert_eq!(drawn.experts.is_empty(), expected.is_some());
    };
    check(|_| {}, None);
    check(
        |p| p.expert.state = ExpertState::Suspended.into(),
        Some(Avoided::NotActive),
    );
    check(
        |p| p.expert.state = ExpertState::Ended.into(),
        Some(Avoided::NotActive),
    );
    check(
        |p| p.expert.teams = vec![ExpertTeam::Referee.into()],
        Some(Avoided::NotActive),
    );
    check(|p| p.qualifications.clear(), Some(Avoided::NotQualified));
    check(
        |p| p.qualifications[0].expert = "KP-0002".into(),
        Some(Avoided::NotQualified),
    );
    check(
        |p| p.qualifications[0].valid_to = 20_240_614,
        Some(Avoided::NotQualified),
    );
    check(|p| p.qualifications[0].valid_to = 20_240_615, None);
    check(
        |p| p.expert.employer = samples::INSTITUTION.into(),
        Some(Avoided::Employer),
    );
    check(
        |p| p.expert.trained.push(samples::INSTITUTION.into()),
        Some(Avoided::Trained),
    );
    check(|p| p.has_bad_credit = true, Some(Avoided::Credit));
    check(|p| p.rounds = vec![6], None);
    check(|p| p.rounds = vec![7], Some(Avoided::Rotation));
    check(|p| p.rounds = vec![9], Some(Avoided::Rotation));
    check(|p| p.rounds = vec![1, 12], Some(Avoided::Rotation));
    let codes: std::collections::BTreeSet<_> = [
        Avoided::NotActive,
        Avoided::NotQualified,
        Avoided::Employer,
        Avoided::Trained,
        Avoided::Credit,
        Avoided::Rotation,
    ]
    .map(Avoided::code)
    .into();
    assert_eq!(codes.len(), 6);
}

#[test]
fn what_a_qualification_allows() {
    let occupation = tea();
    let other = Occupation::parse(2022, "6-18-02-04").unwrap();
    let check = |change: fn(&mut ExpertQualification), asked: Option<&Occupation>, on, expected| {
        let mut qualification = samples::expert_qualification();
        change(&mut qualification);
        let date = Date::from_yyyymmdd(on).unwrap();
        let outcome = allows(&qualification, ExpertTeam::Assessor, asked, date);
        assert_eq!(outcome, expected, "{qualification:?}");
    };
    check(|_| {}, Some(&occupation), 20_240_615, true);
    check(|_| {}, None, 20_240_615, true);
    check(|_| {}, Some(&other), 20_240_615, false);
    check(|q| q.occupations.clear(), Some(&other), 20_240_615, true);
    check(|_| {}, None, 20_230_531, false);
    check(|_| {}, None, 20_230_601, true);
    check(|_| {}, None, 20_260_531, true);
    check(|_| {}, None, 20_260_601, false);
    check(
        |q| q.state = QualificationState::Revoked.into(),
        None,
        20_240_615,
        false,
    );
    check(
        |q| q.team = ExpertTeam::Referee.into(),
        None,
        20_240_615,
        false,
    );
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let person = (
        prop::sample::select(vec!["", samples::INSTITUTION, "S000033010007"]),
        prop::sample::subsequence(vec![samples::INSTITUTION, "S000033010007"], 0..=2),
        prop::bool::weighted(0.2),
        prop::sample::select(vec![20_240_101, 20_240_614, 20_240_615, 20_270_101]),
        prop::collection::vec(1u32..=12, 0..3),
        prop::sample::select(vec!["31", "32", "33", "34"]),
    );
    prop::collection::vec(person, 0..40).prop_map(|people| {
        let people = people.into_iter().enumerate();
        let made = people.map(
            |(n, (employer, trained, bad, valid_to, rounds, province))| {
                let mut person = Person::new(n);
                person.name = format!("{province}/{}", person.expert.code);
                person.expert.employer = employer.into();
                person.expert.trained = trained.into_iter().map(Into::into).collect();
                person.has_bad_credit = bad;
                person.qualifications[0].valid_to = valid_to;
                person.rounds = rounds;
                person
            },
        );
        made.collect()
    })
}

proptest! {
    #[test]
    fn random_avoidance_and_rotation_hold(
        seed: [u8; 32],
        (people, shuffled) in people()
            .prop_flat_map(|people| (Just(people.clone()), Just(people).prop_shuffle())),
        count in 0usize..12,
    ) {
        let occupation = tea();
        let assignment = assignment(&occupation);
        let candidates: Vec<_> = people.iter().map(Person::candidate).collect();
        let drawn = draw_experts(&seed, &assignment, &candidates, count);
        for place in &drawn.experts {
            let person = &people[*place];
            // 回避.
            prop_assert_ne!(person.expert.employer.as_str(), samples::INSTITUTION);
            prop_assert!(person.expert.trained.iter().all(|code| code != samples::INSTITUTION));
            prop_assert!(!person.has_bad_credit);
            prop_assert!(person.qualifications[0].valid_to >= 20_240_615);
            // 轮换.
            prop_assert!(person.rounds.iter().all(|round| round.abs_diff(10) > 3));
        }
        // Nobody is lost, and nobody is left out who could be drawn.
        prop_assert_eq!(drawn.candidate_count + drawn.avoided.len(), people.len());
        prop_assert_eq!(drawn.experts.len(), count.min(drawn.candidate_count));
        // 随机: seed and candidates decide, whatever the order.
        let again: Vec<_> = shuffled.iter().map(Person::candidate).collect();
        let other = draw_experts(&seed, &assignment, &again, count);
        let names = |places: &[usize], of: &[Person]| -> Vec<String> {
            places.iter().map(|place| of[*place].name.clone()).collect()
        };
        prop_assert_eq!(names(&drawn.experts, &people), names(&other.experts, &shuffled));
        prop_assert_eq!(drawn.candidates, other.candidates);
    }
}

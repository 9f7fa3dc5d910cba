//! What one person's certificates add to the cells.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Basis, Cell, Counts, Cut, Fact, IssueDay, Month, Months, Place, Places, places::Moves,
};

/// What is to be added to cells.
#[derive(Debug, Default)]
pub struct Deltas {
    sums: BTreeMap<Cell, Months>,
    issues: BTreeMap<IssueDay, Moves>,
}

/// What is to be added to one cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// To its sums.
    Sums(Months),
    /// To the leaves that it holds.
    Issues(Moves),
}

impl Change {
    /// What the cell holds afterwards; `None` if what it held cannot be read.
    pub fn onto(self, held: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Sums(more) => {
                let mut months = Months::from_bytes(held)?;
                months.add_all(&more);
                Some(months.to_bytes())
            }
            Self::Issues(moves) => Some(moves.onto(Places::from_bytes(held)?).to_bytes()),
        }
    }
}

impl Deltas {
    /// The cells that change, by their keys, with what is added to each.
    pub fn into_changes(self) -> impl Iterator<Item = (String, Change)> {
        let sums = self.sums.into_iter();
        let sums = sums.filter(|(_, months)| !months.is_empty());
        let sums = sums.map(|(cell, months)| (cell.key(), Change::Sums(months)));
        let issues = self.issues.into_iter();
        sums.chain(issues.map(|(day, moves)| (day.key(), Change::Issues(moves))))
    }

    /// A certificate is another day's than it was.
    pub fn moved(&mut self, place: &Place, before: Option<IssueDay>, after: Option<IssueDay>) {
        if before != after {
            for (day, is_there) in [(before, false), (after, true)] {
                if let Some(day) = day {
                    let moves = self.issues.entry(day).or_default();
                    moves.put(place.clone(), is_there);
                }
            }
        }
    }

    fn add(&mut self, cell: Cell, month: Month, counts: Counts) {
        self.sums.entry(cell).or_default().add(month, counts);
    }
}

/// The certificates of one person; or one certificate of somebody who is not known, who counts as
/// no person then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    facts: Vec<Fact>,
    is_person: bool,
}

impl Life {
    /// The certificates of one person, in any order.
    pub fn of_person(facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut facts: Vec<Fact> = facts.into_iter().collect();
        // Which of two equal ones is taken for the person makes no difference then.
        facts.sort_unstable();
        Self {
            facts,
            is_person: true,
        }
    }

    /// A certificate whose holder is not known.
    pub fn of_nobody(fact: Option<Fact>) -> Self {
        Self {
            facts: fact.into_iter().collect(),
            is_person: false,
        }
    }

    /// Adds the difference between what was counted and what is to be.
    pub fn change(before: &Self, after: &Self, deltas: &mut Deltas) {
        if before != after {
            before.count(deltas, Counts::negated);
            after.count(deltas, |counts| counts);
        }
    }

    fn count(&self, deltas: &mut Deltas, sign: impl Fn(Counts) -> Counts) {
        for cut in Cut::ALL {
            for grain in cut.grains() {
                for basis in Basis::ALL {
                    for (month, fact, counts) in self.events(basis) {
                        deltas.add(Cell::of(fact, cut, grain, basis), month, sign(counts));
                    }
                }
            }
        }
    }

    /// What happens in which month, by the certificate whose cells it happens to.
    fn events(&self, basis: Basis) -> Vec<(Month, &Fact, Counts)> {
        let mut events = Vec::new();
        for fact in &self.facts {
            for (turn, month) in fact.turns.iter().enumerate() {
                let counts = match turn {
                    0 => Counts {
                        issued: 1,
                        ..Counts::default()
                    },
                    turn => Counts {
                        ended: if turn % 2 == 1 { 1 } else { -1 },
                        ..Counts::default()
                    },
                };
                events.push((*month, fact, counts));
            }
        }
        if self.is_person {
            self.moves(basis, &mut events);
        }
        events
    }

    /// Where the person is counted from which month on: by the certificate of the highest level
    /// that is in force then, once on every basis.
    fn moves<'a>(&'a self, basis: Basis, events: &mut Vec<(Month, &'a Fact, Counts)>) {
        let turns = self.facts.iter().flat_map(|fact| fact.turns.iter());
        let months: BTreeSet<Month> = turns.copied().collect();
        let mut at: Option<&Fact> = None;
        for month in months {
            let in_force = self.facts.iter().filter(|fact| fact.is_in_force(month));
            let next = in_force.max_by_key(|fact| {
                let knows_region = fact.regions[basis as usize].is_some();
                (fact.level, knows_region, fact.first(), *fact)
            });
            let moved = [(at, -1), (next, 1)];
            for (fact, persons) in moved.into_iter().filter(|_| next != at) {
                let counts = Counts {
                    persons,
                    ..Counts::default()
                };
                events.extend(fact.map(|fact| (month, fact, counts)));
            }
            at = next;
        }
    }
}

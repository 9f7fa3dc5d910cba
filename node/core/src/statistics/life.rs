//! What one person's certificates add to the cells.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    Basis, Cell, Counts, Cut, Fact, IssueDay, Month, Months, Place, Places, places::Moves,
};

/// What is to be added to cells.
#[derive(Debug, Default)]
pub struct Deltas {
    sums: HashMap<Cell, Months>,
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
    /// The cells that change, by their keys, with what is added to each; in no order.
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

    fn add(&mut self, cell: Cell, months: &Months) {
        self.sums.entry(cell).or_default().add_all(months);
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
        for basis in Basis::ALL {
            // Whatever cells a certificate counts in, the same happens to all of them.
            for (fact, months) in self.facts.iter().zip(self.months(basis, &sign)) {
                for cut in Cut::ALL {
                    for grain in cut.grains() {
                        deltas.add(Cell::of(fact, cut, grain, basis), &months);
                    }
                }
            }
        }
    }

    /// What happens in which month to the cells of each certificate.
    fn months(&self, basis: Basis, sign: impl Fn(Counts) -> Counts) -> Vec<Months> {
        let mut months = vec![Months::default(); self.facts.len()];
        for (fact, months) in self.facts.iter().zip(&mut months) {
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
                months.add(*month, sign(counts));
            }
        }
        for (month, at, persons) in self.moves(basis) {
            let counts = Counts {
                persons,
                ..Counts::default()
            };
            months[at].add(month, sign(counts));
        }
        months
    }

    /// Where the person is counted from which month on, as +1, and where no more, as -1: by the
    /// certificate of the highest level that is in force then, once on every basis.
    fn moves(&self, basis: Basis) -> Vec<(Month, usize, i64)> {
        let mut moves = Vec::new();
        if !self.is_person {
            return moves;
        }
        let turns = self.facts.iter().flat_map(|fact| fact.turns.iter());
        let months: BTreeSet<Month> = turns.copied().collect();
        let mut at: Option<usize> = None;
        for month in months {
            let in_force = (self.facts.iter().enumerate()).filter(|(_, f)| f.is_in_force(month));
            let next = in_force.max_by_key(|(_, fact)| {
                let knows_region = fact.regions[basis as usize].is_some();
                (fact.level, knows_region, fact.first(), *fact)
            });
            let next = next.map(|(at, _)| at);
            if next != at {
                moves.extend(at.map(|at| (month, at, -1)));
                moves.extend(next.map(|next| (month, next, 1)));
            }
            at = next;
        }
        moves
    }
}

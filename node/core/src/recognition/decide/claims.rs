//! Whether a subsidy was claimed before.

use super::{Findings, Question, Registers, Rule};
use crate::{merkle::Hash, registry::claims::standing};

/// Claims that stand on the day asked about, for the certificate or another of the holder's of
/// the same occupation and level, wherever they were made: the asking region's own count too, as
/// it alone knows whether the claim is the one that it is asking about.
pub(super) fn claims(question: &Question<'_>, registers: &Registers, findings: &mut Findings<'_>) {
    let case = question.case;
    let Some(as_of) = question.as_of.filter(|_| case.asks_for_claims()) else {
        return;
    };
    let logs = registers.claims.values();
    let mut found: Vec<[String; 4]> = logs
        .flat_map(|rows| standing(rows, as_of))
        .filter_map(|claim| {
            let leaf = Hash::from_slice(&claim.certificate)?.to_hex();
            let whose = if leaf == case.leaf && claim.origin == case.home_log {
                "this"
            } else if case.others_claimed.contains(&leaf) {
                "other"
            } else {
                return None;
            };
            let state = claim.state().as_str_name();
            let state = state.trim_start_matches("CLAIM_STATE_").to_lowercase();
            Some([
                claim.claimed_on.to_string(),
                claim.region.clone(),
                state,
                whose.to_owned(),
            ])
        })
        .collect();
    if found.is_empty() {
        return;
    }
    // By day and region, whichever log came first.
    found.sort_unstable();
    let column = |at: usize| {
        let cells: Vec<&str> = found.iter().map(|claim| claim[at].as_str()).collect();
        cells.join(",")
    };
    let about = [
        ("claimed_on", column(0)),
        ("region", column(1)),
        ("state", column(2)),
        ("certificate", column(3)),
    ];
    findings.add(Rule::DuplicateClaim, about);
}

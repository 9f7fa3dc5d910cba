//! Files of decisions on recognition.

use huren_core::recognition::{Registers, Rules, Statement, decide};

use crate::text;

/// What is read is decided again without fail, and twice alike; who changes a decision and not
/// what it rests on is found out.
pub fn decision(bytes: &[u8]) {
    let Some((_, statement)) = text(bytes).and_then(|text| Statement::read(text).ok()) else {
        return;
    };
    let Some(rules) = Rules::of_version(&statement.decision.rules) else {
        assert!(statement.replay().is_err());
        return;
    };
    let again = || {
        let registers = Registers::read(&statement.case, &statement.evidence);
        decide(&statement.case, &registers, rules)
    };
    let decided = again();
    assert_eq!(decided, again());
    assert_eq!(statement.replay().is_ok(), decided == statement.decision);
}

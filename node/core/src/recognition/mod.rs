//! Recognition: whether a region recognises a certificate of another, as what, and why.
//!
//! One pure function, [`decide`], of what the certificate says ([`Case`]), of what the registers
//! hold ([`Registers`]) and of a versioned table of rules ([`Rules`]). It evaluates every rule,
//! whatever the others say, and names what it lacks: never 'not recognised' for lack of data.

mod case;
mod decide;
mod digest;
mod file;
mod library;
mod registers;
mod rules;

pub use case::Case;
pub use decide::{Decision, Finding, Outcome, decide};
pub use file::{DecisionError, Statement};
pub use library::Library;
pub use registers::{Evidence, Registers};
pub use rules::{Effect, Rule, RuleClass, RuleText, Rules, RulesError};

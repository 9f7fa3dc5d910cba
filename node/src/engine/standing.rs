//! What members were refused for, and until when they are not asked for it again: growing,
//! jittered pauses for each member, log and kind of answer, so that others are asked instead
//! and nobody else's answers suffer.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use huren_core::checkpoint::Origin;

use super::clock::{Random, random};

/// The longest pause, in seconds.
const LONGEST: u64 = 512;

/// A kind of answer that a member gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    /// Heads, and the evidence in them. Listening has pauses of its own.
    Heads,
    /// Consistency proofs.
    Proofs,
    /// Entry packages.
    Packages,
    /// Disclosures.
    Disclosures,
    /// Trust lists.
    TrustLists,
}

/// What one member was refused for since this node started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// How often.
    pub count: u64,
    /// The reason code of the last one; empty if there was none.
    pub last: String,
}

/// Bounded: one entry for each member, log of the trust list and kind of answer.
#[derive(Default)]
pub(super) struct Standing(Mutex<State>);

#[derive(Default)]
struct State {
    members: BTreeMap<String, Refusals>,
    pauses: BTreeMap<(String, Origin, Answer), Pause>,
}

struct Pause {
    in_a_row: u32,
    /// Seconds since 1970 by the own clock.
    seconds: Range<u64>,
}

impl Standing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an answer that is wrong, and pauses.
    pub(super) fn refuse(
        &self,
        (region, origin, answer): (&str, &Origin, Answer),
        code: &str,
        now: u64,
        source: &dyn Random,
    ) {
        tracing::warn!(peer = region, %origin, code, "a member's answer is refused");
        let labels = [("region", region.to_owned()), ("code", code.to_owned())];
        metrics::counter!("huren_peer_refusals_total", &labels).increment(1);
        let mut state = self.state();
        let refusals = state.members.entry(region.to_owned()).or_default();
        refusals.count += 1;
        code.clone_into(&mut refusals.last);
        let key = (region.to_owned(), origin.clone(), answer);
        let pause = state.pauses.entry(key).or_insert(Pause {
            in_a_row: 0,
            seconds: 0..0,
        });
        pause.in_a_row = pause.in_a_row.saturating_add(1);
        let longest = LONGEST.min(1u64.checked_shl(pause.in_a_row).unwrap_or(LONGEST));
        let jitter = u64::from_le_bytes(random(source)) % (longest / 2 + 1);
        pause.seconds = now..now + longest / 2 + jitter;
    }

    /// Notes an answer that is right: the next wrong one is the first again.
    pub(super) fn accept(&self, (region, origin, answer): (&str, &Origin, Answer)) {
        let key = (region.to_owned(), origin.clone(), answer);
        self.state().pauses.remove(&key);
    }

    /// Whether a member is asked for that now.
    pub(super) fn is_asked(
        &self,
        (region, origin, answer): (&str, &Origin, Answer),
        now: u64,
    ) -> bool {
        let key = (region.to_owned(), origin.clone(), answer);
        let state = self.state();
        // Before its beginning the clock was set back: that must not make a pause longer.
        let pause = state.pauses.get(&key);
        pause.is_none_or(|pause| !pause.seconds.contains(&now))
    }

    /// What a member was refused for.
    pub(super) fn refusals(&self, region: &str) -> Refusals {
        self.state()
            .members
            .get(region)
            .cloned()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    /// The first second at which a member is asked again.
    fn asked_again(standing: &Standing, who: (&str, &Origin, Answer), now: u64) -> u64 {
        let mut seconds = now..now + 1000;
        seconds.find(|at| standing.is_asked(who, *at)).unwrap()
    }

    #[test]
    fn pauses_grow_to_a_limit_and_end_with_a_right_answer() {
        let origin: Origin = "huren.zj.example/log/33".parse().unwrap();
        let who = ("33", &origin, Answer::Packages);
        for jitter in [0, 1, 0xff] {
            let standing = Standing::default();
            assert!(standing.is_asked(who, 1000));
            let mut longest = 0;
            for refused in 0..99 {
                standing.refuse(who, "PACKAGE_PROOF", 1000, &Fixed(jitter));
                let pause = asked_again(&standing, who, 1000) - 1000;
                let least = if refused < 8 { 1 << refused } else { 256 };
                assert!((least..=2 * least).contains(&pause), "{refused}: {pause}");
                longest = longest.max(pause);
            }
            assert!(longest <= LONGEST);
            for other in [
                ("31", &origin, Answer::Packages),
                ("33", &origin, Answer::Proofs),
            ] {
                assert!(standing.is_asked(other, 1000), "one answer alone");
            }
            for earlier in [1, 999] {
                assert!(standing.is_asked(who, earlier), "the clock was set back");
            }
            let told = standing.refusals("33");
            assert_eq!((told.count, told.last.as_str()), (99, "PACKAGE_PROOF"));
            standing.accept(who);
            assert!(standing.is_asked(who, 1000));
            assert_eq!(standing.refusals("33").count, 99);
            assert_eq!(standing.refusals("31"), Refusals::default());
        }
    }
}

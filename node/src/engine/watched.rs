//! Decisions that somebody relies on: each is decided again when something that it may rest on
//! moved, and told when it is another one than before.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use huren_core::{checkpoint::Origin, codes::Date};
use huren_proto::v1;
use prost::Message as _;
use tokio::sync::watch;

use super::{DecideError, Engine, Entry};

/// Decisions that one stream watches at most.
const MAX_WATCHED: usize = 1_000;
/// Bytes that a watched question has at most: it is kept for as long as the stream is open.
const MAX_QUESTION_BYTES: usize = 4_096;
/// Decided again at a time.
const AT_ONCE: usize = 16;
/// Between two rounds of looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Without news the day and the age of the evidence are looked at.
const QUIET: Duration = Duration::from_secs(30);
/// Seconds between two looks for which another member is asked, or which the store failed.
const SPARING: u64 = 60;

/// Why a decision is not watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// Another one has that name.
    #[error("a decision of that client_ref is watched already")]
    RefTaken,
    /// No room for it.
    #[error("1000 decisions are watched on a stream at most: open another one")]
    Limit,
    /// Too long to be kept.
    #[error("a watched question has 4096 bytes at most")]
    TooLong,
    /// Nothing is decided.
    #[error(transparent)]
    Decide(#[from] DecideError),
}

impl WatchError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RefTaken => "WATCH_REF_TAKEN",
            Self::Limit => "WATCH_LIMIT",
            Self::TooLong => "WATCH_TOO_LONG",
            Self::Decide(error) => error.code(),
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::RefTaken => "该 client_ref 已在关注中。",
            Self::Limit => "一条流最多关注 1000 项决定，请另开一条。",
            Self::TooLong => "关注的问题最长 4096 字节。",
            Self::Decide(error) => error.zh(),
        }
    }
}

/// The decisions that one stream watches. It holds a question and a digest of each, and answers
/// of one round of looks that nobody took yet: a slow watcher costs no more.
pub struct Watch {
    engine: Arc<Engine>,
    changes: watch::Receiver<u64>,
    watched: BTreeMap<u64, Watched>,
    /// What decisions could rest on when they were last compared with it.
    seen: Seen,
    /// To be decided again, by `client_ref`.
    due: VecDeque<u64>,
    /// Changed, and not given yet.
    changed: VecDeque<v1::DecideResponse>,
    /// When the next round of looks may begin, in seconds since 1970.
    next_round: u64,
}

struct Watched {
    asked: v1::DecideRequest,
    /// Of the decision that was given last, or that the watcher had before.
    digest: Vec<u8>,
    /// Largest age of a log that the question accepts, in seconds.
    max_age: u64,
    /// Which logs were younger than that at the last look, in the book's order.
    fresh: Vec<bool>,
    /// Whether something moved since.
    is_behind: bool,
    /// When it may be looked at again, in seconds since 1970.
    not_before: u64,
}

/// What decisions can rest on: nothing else of the book changes any.
#[derive(PartialEq)]
struct Seen {
    /// The day, for questions that name none.
    day: Date,
    trust_list: u64,
    logs: Vec<(Origin, [u64; 3], [bool; 2])>,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            changes: engine.book.changes(),
            seen: Seen::now(&engine),
            watched: BTreeMap::new(),
            due: VecDeque::new(),
            changed: VecDeque::new(),
            next_round: 0,
            engine,
        }
    }

    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Adds a decision, and gives it if it is another one than the watcher had.
    ///
    /// # Errors
    /// [`WatchError`]: nothing was added.
    pub async fn add(
        &mut self,
        request: v1::WatchDecisionsRequest,
    ) -> Result<Option<v1::DecideResponse>, WatchError> {
        let asked = request.question.unwrap_or_default();
        let question = asked.question.clone().unwrap_or_default();
        if self.watched.contains_key(&question.client_ref) {
            return Err(WatchError::RefTaken);
        }
        if self.watched.len() >= MAX_WATCHED {
            return Err(WatchError::Limit);
        }
        if asked.encoded_len() > MAX_QUESTION_BYTES {
            return Err(WatchError::TooLong);
        }
        let max_age = self.engine.question(&question).map_err(DecideError::from)?;
        let max_age = max_age.max_age;
        let mut watched = Watched {
            asked,
            digest: request.last,
            max_age,
            fresh: Vec::new(),
            is_behind: false,
            not_before: 0,
        };
        let looked = Looked::at(&self.engine, &watched).await;
        let decided = watched.take(looked)?;
        self.watched.insert(question.client_ref, watched);
        Ok(decided)
    }

    /// Waits until a watched decision is another one than it was, and gives it. Nothing is lost
    /// if it is not waited for to the end.
    pub async fn changed(&mut self) -> v1::DecideResponse {
        loop {
            if let Some(changed) = self.changed.pop_front() {
                return changed;
            }
            if self.due.is_empty() {
                self.moved().await;
            } else {
                self.look().await;
            }
        }
    }

    /// Decides the next few of those that are due.
    async fn look(&mut self) {
        let next: Vec<u64> = self.due.iter().take(AT_ONCE).copied().collect();
        let watched = next.iter().filter_map(|name| self.watched.get(name));
        let looks = join_all(watched.map(|watched| Looked::at(&self.engine, watched))).await;
        // Nothing waits from here on: who is cut off before this decides the same again.
        for (name, looked) in next.iter().zip(looks) {
            self.due.pop_front();
            let Some(watched) = self.watched.get_mut(name) else {
                continue;
            };
            match watched.take(looked) {
                Ok(changed) => self.changed.extend(changed),
                Err(error) => {
                    tracing::warn!(%error, "a watched decision is looked at again later");
                    watched.is_behind = true;
                    watched.not_before = self.engine.clock.now() + SPARING;
                }
            }
        }
    }

    /// Waits until some are due.
    async fn moved(&mut self) {
        loop {
            while self.engine.clock.now() < self.next_round {
                self.engine.clock.sleep(PAUSE).await;
            }
            self.changes.mark_unchanged();
            self.compare();
            if !self.due.is_empty() {
                self.next_round = self.engine.clock.now() + PAUSE.as_secs();
                return;
            }
            tokio::select! {
                biased;
                _ = self.changes.changed() => {}
                () = self.engine.clock.sleep(QUIET) => {}
            }
        }
    }

    /// Finds out which are due.
    fn compare(&mut self) {
        let (now, seen) = (self.engine.clock.now(), Seen::now(&self.engine));
        let has_moved = seen != self.seen;
        self.seen = seen;
        let logs = self.engine.book.entries();
        for (name, watched) in &mut self.watched {
            watched.is_behind |= has_moved || watched.fresh != fresh(&logs, watched.max_age, now);
            if watched.is_behind && watched.not_before <= now {
                self.due.push_back(*name);
            }
        }
    }
}

impl Seen {
    fn now(engine: &Engine) -> Self {
        let logs = engine.book.entries();
        let log = |entry: &Arc<Entry>| {
            let view = &entry.view;
            // What is folded is in the registers, what is stated in the verdicts; and a quorum
            // makes certain what was pending.
            let sizes = [entry.state.folded, view.size, view.witnessed_size];
            (view.origin.clone(), sizes, [view.frozen, view.withheld])
        };
        Self {
            day: Date::today_in_shanghai(engine.clock.now().cast_signed()),
            trust_list: engine.trust().newest().list.version,
            logs: logs.iter().map(log).collect(),
        }
    }
}

/// Which logs are young enough.
fn fresh(logs: &[Arc<Entry>], max_age: u64, now: u64) -> Vec<bool> {
    let ages = logs.iter().map(|entry| entry.view.age(now));
    ages.map(|age| age.is_some_and(|age| age <= max_age))
        .collect()
}

/// What a look found.
struct Looked {
    decided: Result<v1::DecideResponse, DecideError>,
    fresh: Vec<bool>,
    not_before: u64,
}

impl Looked {
    async fn at(engine: &Engine, watched: &Watched) -> Self {
        let now = engine.clock.now();
        let fresh = fresh(&engine.book.entries(), watched.max_age, now);
        let decided = engine.decide(watched.asked.clone()).await;
        let answer = decided.as_ref().ok().and_then(|d| d.answer.as_ref());
        let not_before = match answer {
            Some(answer) if engine.asked_home(answer) => now + SPARING,
            _ => 0,
        };
        Self {
            decided,
            fresh,
            not_before,
        }
    }
}

impl Watched {
    /// Takes in what a look found, and gives the decision if it is another one.
    fn take(&mut self, looked: Looked) -> Result<Option<v1::DecideResponse>, DecideError> {
        let decided = looked.decided?;
        (self.fresh, self.not_before) = (looked.fresh, looked.not_before);
        self.is_behind = false;
        if decided.digest == self.digest {
            return Ok(None);
        }
        self.digest.clone_from(&decided.digest);
        Ok(Some(decided))
    }
}

impl Engine {
    /// Whether another member was asked for an answer, or would have been could it be reached.
    fn asked_home(&self, answer: &v1::VerifyResponse) -> bool {
        let unreachable = huren_core::reason::Reason::HomeUnreachable.code();
        answer.answered_by != self.region.to_string()
            || answer.reasons.iter().any(|r| r.code == unreachable)
    }
}

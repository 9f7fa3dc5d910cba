//! What happened, in order. Two runs of a seed are the same if their traces are.

use std::{
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

/// The events of a run. Clones are the same trace.
#[derive(Clone)]
pub(super) struct Trace(Arc<Mutex<Events>>);

struct Events {
    start: Instant,
    hasher: DefaultHasher,
    count: u64,
    last: VecDeque<String>,
    /// Events that are kept to be shown when something breaks.
    kept: usize,
}

impl Trace {
    /// A trace that begins now.
    pub(super) fn new(kept: usize) -> Self {
        Self(Arc::new(Mutex::new(Events {
            start: Instant::now(),
            hasher: DefaultHasher::new(),
            count: 0,
            last: VecDeque::new(),
            kept,
        })))
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an event down with its virtual time.
    pub(super) fn note(&self, event: fmt::Arguments<'_>) {
        let line = self.note_quietly(event);
        let mut events = self.events();
        if events.last.len() == events.kept {
            events.last.pop_front();
        }
        events.last.push_back(line);
    }

    /// Writes an event down that tells those nothing who look for what broke.
    pub(super) fn note_quietly(&self, event: fmt::Arguments<'_>) -> String {
        let mut events = self.events();
        let line = format!("{:>9} ms  {event}", events.start.elapsed().as_millis());
        events.hasher.write(line.as_bytes());
        events.count += 1;
        line
    }

    /// Digest and number of all events.
    pub(super) fn digest(&self) -> (u64, u64) {
        let events = self.events();
        (events.hasher.finish(), events.count)
    }

    /// The last events, one a line.
    pub(super) fn tail(&self) -> String {
        let events = self.events();
        let lines: Vec<&str> = events.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

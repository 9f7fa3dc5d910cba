//! Idempotency keys (draft-ietf-httpapi-idempotency-key-header-07): a caller that got no answer
//! sends the request again, and nothing is done twice.
//!
//! What is submitted is recognised by its content, in the log, for ever: there a key adds that one
//! stands for one request. What would act twice is refused under a key that has done it, or may
//! have. Keys are remembered in the memory of this process, a day at most: a token that was made
//! twice all the same stands in the list of tokens.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use moka::{policy::EvictionPolicy, sync::Cache};
use sha2::{Digest as _, Sha256};

use super::{
    calls::{Again, Call},
    problem::Problem,
};
use crate::engine::Clock;

/// The header.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Keys that are remembered: what was not used for longest gives way.
const KEYS: u64 = 65_536;

/// For how long a key counts, in seconds.
const LIFE: u64 = 24 * 60 * 60;

/// Longest key, in characters.
const LONGEST: usize = 128;

/// What was asked under which key.
pub(super) struct Idempotency {
    seen: Cache<Key, Seen>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy)]
struct Seen {
    request: [u8; 32],
    at: u64,
}

/// A caller's key.
pub(super) type Key = [u8; 32];

impl Idempotency {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            seen: Cache::builder()
                .max_capacity(KEYS)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            clock,
        }
    }

    /// Takes a request under the key that it names, and returns that if it is new; none if there
    /// is none, or if it is of no consequence.
    ///
    /// # Errors
    /// What speaks against carrying it out.
    pub(super) fn take(
        &self,
        call: &Call,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Option<Key>, Problem> {
        let Some(key) = headers
            .get(HEADER)
            .filter(|_| call.again != Again::Harmless)
        else {
            return Ok(None);
        };
        let key = key.as_bytes();
        let is_fit = (1..=LONGEST).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !is_fit {
            return Err(Problem::KEY_MALFORMED);
        }
        // Each caller has keys of its own. Of its token only the hash is kept.
        let caller = headers.get(header::AUTHORIZATION);
        let caller = caller.map_or(&[][..], |value| value.as_bytes());
        let key = digest(&[caller, key]);
        let now = self.clock.now();
        let asked = Seen {
            request: digest(&[call.path.as_bytes(), body]),
            at: now,
        };
        let is_over = |seen: &Seen| now.saturating_sub(seen.at) >= LIFE;
        let entry = self.seen.entry(key).or_insert_with_if(|| asked, is_over);
        let (is_new, before) = (entry.is_fresh(), entry.into_value());
        match call.again {
            _ if before.request != asked.request => Err(Problem::KEY_REUSED),
            Again::Refused if !is_new => Err(Problem::DONE_BEFORE),
            _ => Ok(is_new.then_some(key)),
        }
    }

    /// Nothing was done under that new key, so it may be asked again.
    pub(super) fn forget(&self, key: &Key) {
        self.seen.invalidate(key);
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use async_trait::async_trait;
    use axum::http::HeaderValue;

    use super::{super::calls::CALLS, *};

    #[derive(Default)]
    struct Hands(AtomicU64);

    #[async_trait]
    impl Clock for Hands {
        fn now(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        async fn sleep(&self, _: Duration) {}
    }

    fn headers(caller: &'static str, key: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(caller));
        headers.insert(HEADER, HeaderValue::from_static(key));
        headers
    }

    fn call(rpc: &str) -> &'static Call {
        CALLS.iter().find(|call| call.rpc.ends_with(rpc)).unwrap()
    }

    #[test]
    fn a_key_stands_for_one_request_of_one_caller() {
        let (clock, submit) = (Arc::new(Hands::default()), call("/Submit"));
        let keys = Idempotency::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let take = |caller, key, body: &str| {
            let taken = keys.take(submit, &headers(caller, key), body.as_bytes());
            taken.map(|key| key.is_some())
        };
        assert_eq!(take("a", "1", "x"), Ok(true));
        assert_eq!(take("a", "1", "x"), Ok(false));
        assert_eq!(take("a", "1", "y"), Err(Problem::KEY_REUSED));
        assert_eq!(take("b", "1", "y"), Ok(true));
        assert_eq!(take("a", "2", "y"), Ok(true));
        // A day later it is another's.
        clock.0.store(LIFE, Ordering::Relaxed);
        assert_eq!(take("a", "1", "y"), Ok(true));
        assert_eq!(take("a", "1", "x"), Err(Problem::KEY_REUSED));
        assert_eq!(take("a", "", "x"), Err(Problem::KEY_MALFORMED));
        assert_eq!(take("a", "a b", "x"), Err(Problem::KEY_MALFORMED));
        let none = keys.take(submit, &HeaderMap::new(), b"x");
        assert_eq!(none, Ok(None));
        let asks = keys.take(call("/Verify"), &headers("a", "1"), b"z");
        assert_eq!(asks, Ok(None));
    }

    #[test]
    fn what_would_act_twice_is_done_once_and_again_if_it_was_not() {
        let create = call("/CreateToken");
        let keys = Idempotency::new(Arc::new(Hands::default()));
        let headers = headers("a", "1");
        let key = keys.take(create, &headers, b"x").unwrap().unwrap();
        assert_eq!(keys.take(create, &headers, b"x"), Err(Problem::DONE_BEFORE));
        keys.forget(&key);
        assert_eq!(keys.take(create, &headers, b"x"), Ok(Some(key)));
    }
}

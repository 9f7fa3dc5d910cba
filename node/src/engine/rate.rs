//! How often somebody may ask: a token bucket for each, in memory that never grows.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

/// Buckets. Clients that fall into the same one share it, which can only make it stricter;
/// which ones do cannot be predicted from outside, as the hash is keyed.
const BUCKETS: usize = 1 << 14;

#[derive(Clone, Copy)]
struct Bucket {
    shares: u64,
    filled_at: u64,
}

/// Limits questions by client.
pub struct RateLimit<S = RandomState> {
    buckets: Box<[Mutex<Bucket>]>,
    /// Questions in a span: also the shares that each second brings.
    questions: u64,
    /// Seconds of the span: also the shares of a question.
    seconds: u64,
    hasher: S,
}

impl RateLimit {
    /// Allows each client that many questions in a span of so many seconds, all at once if it
    /// likes.
    pub fn new(questions: u32, seconds: u32) -> Self {
        Self::with_hasher(questions, seconds, RandomState::new())
    }
}

impl<S: BuildHasher> RateLimit<S> {
    fn with_hasher(questions: u32, seconds: u32, hasher: S) -> Self {
        let (questions, seconds) = (questions.max(1).into(), seconds.max(1).into());
        let full = Bucket {
            shares: questions * seconds,
            filled_at: 0,
        };
        let buckets = (0..BUCKETS).map(|_| Mutex::new(full)).collect();
        Self {
            buckets,
            questions,
            seconds,
            hasher,
        }
    }

    /// Takes a question from the client's bucket at that time (seconds since 1970).
    ///
    /// # Errors
    /// With an empty bucket: the seconds until there is a question in it.
    pub fn take(&self, client: &impl Hash, now: u64) -> Result<(), u64> {
        let hash = self.hasher.hash_one(client);
        let position = usize::try_from(hash % BUCKETS as u64).unwrap_or_default();
        // A bucket is two numbers, whole at any time: a panic elsewhere leaves it usable.
        let mut bucket = self.buckets[position]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_sub(bucket.filled_at);
        let brought = elapsed.saturating_mul(self.questions);
        let full = self.questions * self.seconds;
        bucket.shares = bucket.shares.saturating_add(brought).min(full);
        // Also when the clock was set back: otherwise the bucket would stay empty until it
        // comes to where it was.
        bucket.filled_at = now;
        match bucket.shares.checked_sub(self.seconds) {
            Some(left) => {
                bucket.shares = left;
                Ok(())
            }
            None => Err((self.seconds - bucket.shares).div_ceil(self.questions)),
        }
    }
}

/// What one client without a name has: an IPv4 address, or an IPv6 network of 64 bits (RFC 6177).
pub fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => {
            let network = v6.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, DefaultHasher};

    use super::*;

    type FixedHasher = BuildHasherDefault<DefaultHasher>;

    fn limit(per_minute: u32) -> RateLimit<FixedHasher> {
        RateLimit::with_hasher(per_minute, 60, FixedHasher::default())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_minute_s_questions_at_once_and_then_as_time_brings_them() {
        let limit = limit(30);
        let client = ip("192.0.2.1");
        for _ in 0..30 {
            assert_eq!(limit.take(&client, 1000), Ok(()));
        }
        assert_eq!(limit.take(&client, 1000), Err(2));
        assert_eq!(limit.take(&client, 1001), Err(1));
        assert_eq!(limit.take(&client, 1002), Ok(()));
        assert_eq!(limit.take(&client, 1002), Err(2));
    }

    #[test]
    fn a_long_pause_brings_no_more_than_a_minute_s_questions() {
        let limit = limit(2);
        let client = ip("192.0.2.1");
        for _ in 0..2 {
            assert_eq!(limit.take(&client, u64::MAX), Ok(()));
        }
        assert_eq!(limit.take(&client, u64::MAX), Err(30));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let limit = limit(1);
        let client = ip("192.0.2.1");
        assert_eq!(limit.take(&client, 5000), Ok(()));
        assert_eq!(limit.take(&client, 1000), Err(60));
        assert_eq!(limit.take(&client, 1060), Ok(()));
    }

    #[test]
    fn many_a_second_are_a_second_s_at_once() {
        let limit = RateLimit::with_hasher(20_000, 1, FixedHasher::default());
        for now in [1000, 1001] {
            for _ in 0..20_000 {
                assert_eq!(limit.take(&"member:33", now), Ok(()));
            }
            assert_eq!(limit.take(&"member:33", now), Err(1));
        }
    }

    #[test]
    fn clients_are_told_apart_by_network() {
        let check = |one, other, same| {
            let limit = limit(1);
            assert_eq!(limit.take(&network(ip(one)), 7), Ok(()));
            assert_eq!(
                limit.take(&network(ip(other)), 7).is_err(),
                same,
                "{one} {other}"
            );
        };
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("2001:db8::1", "2001:db8::2", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
    }
}

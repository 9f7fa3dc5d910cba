//! What the machine does when nothing but one primitive runs.

use std::{
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::figures::Reading;

/// Bytes that a record's signature covers, about.
const MESSAGE: usize = 300;
/// How long each primitive is measured.
const SPAN: Duration = Duration::from_millis(1_500);

/// Signatures a second, on all cores together: made, then checked.
pub(super) fn measure() -> Result<[Reading; 2]> {
    let key = SigningKey::from_bytes(&[7; 32]);
    let verifying: VerifyingKey = key.verifying_key();
    let messages: Vec<[u8; MESSAGE]> = (0..64).map(|nth| [nth; MESSAGE]).collect();
    let signed: Vec<_> = messages.iter().map(|m| (m, key.sign(m))).collect();
    let sign = on_all_cores(|nth| {
        std::hint::black_box(key.sign(&messages[nth % messages.len()]));
        Ok(())
    })?;
    let verify = on_all_cores(|nth| {
        let (message, signature) = &signed[nth % signed.len()];
        Ok(verifying.verify_strict(*message, signature)?)
    })?;
    Ok([("sign", sign), ("verify_strict", verify)])
}

/// How often a second all cores together do `work`.
fn on_all_cores(work: impl Fn(usize) -> Result<()> + Sync) -> Result<f64> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let begin = Instant::now();
    let counts = thread::scope(|scope| {
        let one = || {
            let mut count = 0;
            while count % 64 != 0 || begin.elapsed() < SPAN {
                work(count)?;
                count += 1;
            }
            anyhow::Ok(count)
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Result<usize>>| {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread panicked"))?
        };
        threads.into_iter().map(join).sum::<Result<usize>>()
    })?;
    Ok(counts as f64 / begin.elapsed().as_secs_f64())
}

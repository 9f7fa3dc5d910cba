//! Witnesses outside of the federation, to which a province submits its own log.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use huren_core::{
    checkpoint::SignedCheckpoint,
    codes::Region,
    cosign::{Cosigner, verify_cosignature},
    merkle,
    trust::ForeignWitness,
    witness::AddCheckpoint,
};
use huren_node::engine::{Clock, Engine, PeerError, Witness};
use huren_tests::{Federation, Honest, Lie, ManualClock, REGIONS, certificate, origin};

const HOME: Region = Region::ZHEJIANG;

/// What a witness does instead of cosigning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Cosigns with another key.
    OtherKey,
    /// Cosigns something else.
    OtherTree,
    Nonsense,
    /// Says that it cosigned more than there is.
    Ahead,
    /// Goes on naming other sizes.
    Fickle,
    Refuses,
    Silent,
}

/// A witness as C2SP `tlog-witness` has it, or one that is not.
struct Foreign {
    key: Cosigner,
    manner: Manner,
    clock: Arc<ManualClock>,
    /// Size and root that it cosigned last.
    latest: Mutex<(u64, Option<merkle::Hash>)>,
    asked: AtomicUsize,
}

impl Foreign {
    fn new(seed: u8, manner: Manner, clock: &Arc<ManualClock>) -> Arc<Self> {
        let name = format!("witness-{seed}.example").parse().expect("a name");
        Arc::new(Self {
            key: Cosigner::from_seed(name, &[seed; 32]),
            manner,
            clock: Arc::clone(clock),
            latest: Mutex::default(),
            asked: AtomicUsize::default(),
        })
    }

    fn entry(&self, name: &str) -> ForeignWitness {
        ForeignWitness {
            name: name.into(),
            key: self.key.verifier_key().to_string(),
            url: String::new(),
            tls_ca: String::new(),
            counts: true,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn line(&self, by: &Cosigner, of: &SignedCheckpoint) -> String {
        let mut cosigned = of.clone();
        let cosignature = by
            .cosign(of.checkpoint(), self.clock.now())
            .expect("a time");
        cosigned.add(cosignature).expect("room");
        let note = cosigned.to_string();
        format!("{}\n", note.lines().last().expect("a line"))
    }

    /// Whether a checkpoint bears its cosignature.
    fn has_cosigned(&self, note: &[u8]) -> bool {
        let Ok(signed) = SignedCheckpoint::parse(note) else {
            return false;
        };
        let (text, key) = (signed.note().text(), self.key.verifier_key());
        let mut signatures = signed.note().signatures().iter();
        signatures.any(|signature| verify_cosignature(text, signature, key).is_ok())
    }
}

#[async_trait]
impl Witness for Foreign {
    async fn add_checkpoint(&self, body: String) -> Result<(u16, Vec<u8>), PeerError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) as u64;
        let request: AddCheckpoint = body.parse().expect("a request");
        let (size, root) = {
            let checkpoint = request.checkpoint.checkpoint();
            (checkpoint.size, checkpoint.root)
        };
        let other = Cosigner::from_seed("other.example".parse().expect("a name"), &[99; 32]);
        let (status, answer) = match self.manner {
            Manner::Silent => return Err(PeerError::Unreachable),
            Manner::Refuses => (403, "no\n".to_owned()),
            Manner::Nonsense => (200, "yes\n".to_owned()),
            Manner::Ahead => (409, format!("{}\n", size + 1)),
            Manner::Fickle => (409, format!("{}\n", asked % size.max(1))),
            Manner::OtherKey => (200, self.line(&other, &request.checkpoint)),
            Manner::OtherTree => {
                let mut checkpoint = request.checkpoint.checkpoint().clone();
                checkpoint.size += 1;
                let signer = huren_tests::outside_signer();
                let forged = SignedCheckpoint::sign(checkpoint, &signer).expect("a note");
                (200, self.line(&self.key, &forged))
            }
            Manner::Honest => {
                let mut latest = self.latest.lock().expect("a lock");
                if request.old_size != latest.0 {
                    (409, format!("{}\n", latest.0))
                } else {
                    if let (old, Some(before)) = *latest {
                        let proof = &request.proof;
                        merkle::verify_consistency(old, size, &before, &root, proof)
                            .expect("a proof from what it cosigned");
                    }
                    *latest = (size, Some(root));
                    (200, self.line(&self.key, &request.checkpoint))
                }
            }
        };
        Ok((status, answer.into_bytes()))
    }
}

async fn federation() -> Federation {
    let honest = |_, _| -> Arc<dyn Lie> { Arc::new(Honest) };
    Federation::start(|_| huren_tests::store(), honest).await
}

/// The federation names witnesses, and Zhejiang's node reaches them.
async fn name(federation: &Federation, witnesses: &[(&str, &Arc<Foreign>)]) {
    let version = federation.engine(HOME).trust().newest().list.version + 1;
    let note = federation.next_list(HOME, |list| {
        list.witnesses = witnesses.iter().map(|(name, w)| w.entry(name)).collect();
    });
    for at in REGIONS {
        federation.install(at, &note).await;
    }
    federation.until_adopted(version).await;
    let reached = witnesses
        .iter()
        .map(|(name, w)| ((*name).to_owned(), Arc::clone(*w) as Arc<dyn Witness>));
    federation.engine(HOME).set_witnesses(reached.collect());
}

async fn submit(federation: &Federation, serial: u32) -> u64 {
    let submitted = federation.engine(HOME).submit(&certificate(serial)).await;
    submitted.expect("in order").expect("in the log").size
}

/// Waits until what the quorum vouches for has a size and that witness's cosignature.
async fn until_cosigned(federation: &Federation, by: &Foreign, size: u64) {
    federation
        .until(HOME, |engine| {
            let entry = engine.book().entry(&origin(HOME)).expect("its own log");
            entry.view.witnessed_size >= size && by.has_cosigned(&entry.state.notes.witnessed)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_cosignature_is_gathered_and_counts_in_the_quorum() {
    let mut federation = federation().await;
    let witness = Foreign::new(7, Manner::Honest, &federation.clock);
    name(&federation, &[("w", &witness)]).await;
    let size = submit(&federation, 1).await;
    until_cosigned(&federation, &witness, size).await;
    // Two of three members are away: the third and it make two.
    for away in [REGIONS[0], REGIONS[1]] {
        federation.stop(away).await;
    }
    let size = submit(&federation, 2).await;
    until_cosigned(&federation, &witness, size).await;
    let later = REGIONS[3];
    federation.until_known(later, HOME, size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_witness_says_from_where_to_prove() {
    let mut federation = federation().await;
    let witness = Foreign::new(7, Manner::Honest, &federation.clock);
    name(&federation, &[("w", &witness)]).await;
    let size = submit(&federation, 1).await;
    until_cosigned(&federation, &witness, size).await;
    federation.restart(HOME).await;
    let reached = [("w".to_owned(), Arc::clone(&witness) as Arc<dyn Witness>)];
    federation.engine(HOME).set_witnesses(reached.into());
    federation.until(HOME, Engine::is_writable).await;
    let size = submit(&federation, 2).await;
    until_cosigned(&federation, &witness, size).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_cosign_changes_nothing_and_others_are_asked() {
    for manner in [
        Manner::OtherKey,
        Manner::OtherTree,
        Manner::Nonsense,
        Manner::Ahead,
        Manner::Fickle,
        Manner::Refuses,
        Manner::Silent,
    ] {
        let federation = federation().await;
        let liar = Foreign::new(7, manner, &federation.clock);
        let honest = Foreign::new(8, Manner::Honest, &federation.clock);
        name(&federation, &[("liar", &liar), ("w", &honest)]).await;
        let size = submit(&federation, 1).await;
        until_cosigned(&federation, &honest, size).await;
        federation.until(HOME, |_| liar.asked() > 0).await;
        let entry = federation.entry(HOME, HOME);
        assert!(
            !liar.has_cosigned(&entry.state.notes.witnessed),
            "{manner:?}"
        );
        assert!(!entry.view.frozen, "{manner:?}");
        // A list without it ends it.
        name(&federation, &[("w", &honest)]).await;
        let asked = liar.asked();
        let size = submit(&federation, 2).await;
        until_cosigned(&federation, &honest, size).await;
        assert_eq!(liar.asked(), asked, "{manner:?}");
    }
}

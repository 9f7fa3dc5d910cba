//! The restore drill. A member loses its database and gets a backup back; meanwhile somebody's
//! disclosures were erased. Until the member knows that, it shows none of those that it restored;
//! and the own log signs nothing that it did not hold.

use std::{fs, path::PathBuf, sync::Arc};

use huren_core::{audit::Actor, codes::Region, status_list::Purpose};
use huren_node::{
    backup::Wanted,
    engine::{Clock as _, Engine, ShareError, StatusListError},
};
use huren_proto::v1;
use huren_store::{Sqlite, Store};
use huren_tests::{Federation, Lie, Machine, REGIONS, erasure, origin, question};

use crate::{
    recovery::{Watch, takes_nothing},
    support::{
        HOME, OTHER, answer, empty_store, is_valid_at, is_valid_everywhere, issue, issued, says,
        submit, until_known_everywhere,
    },
};

/// Holds less than the others.
const LAGGING: Region = Region::ANHUI;

/// Not home: once as itself, once as a replica of home.
const WHERE: [Region; 2] = [HOME, OTHER];

struct Drill {
    federation: Federation,
    watch: Watch,
    machine: Machine,
    /// Of the member whose database is lost.
    database: Arc<Sqlite>,
    at: Region,
}

impl Drill {
    /// Certificates 1 to 3 of home's and one elsewhere are known everywhere.
    async fn at(at: Region) -> Self {
        let machine = Machine::of(at);
        let database = machine.open().await;
        let given = Arc::clone(&database);
        let store = move |region| -> Arc<dyn Store> {
            if region == at {
                given.clone()
            } else {
                empty_store(region)
            }
        };
        let watch = Watch::default();
        let lie = watch.clone();
        let lie = move |_, _| Arc::new(lie.clone()) as Arc<dyn Lie>;
        let federation = Federation::start(store, lie).await;
        issued(&federation, 3).await;
        for of in REGIONS {
            // So that every log has disclosures to withhold.
            federation.until_known(at, of, 1).await;
        }
        Self {
            federation,
            watch,
            machine,
            database,
            at,
        }
    }

    async fn back_up(&self) -> PathBuf {
        let now = self.federation.clock.now();
        self.machine.back_up(now).await.expect("a backup")
    }

    /// The second certificate is erased and a fourth one issued, while one member is away.
    async fn go_on(&mut self) {
        self.federation.stop(LAGGING).await;
        submit(&self.federation, HOME, &erasure(2)).await;
        let last = issue(&self.federation, HOME, 4).await;
        for at in REGIONS.into_iter().filter(|at| *at != LAGGING) {
            self.federation.until_known(at, HOME, last.index + 1).await;
        }
    }

    /// Its database is lost, and a backup restored in its place.
    async fn restore(&mut self, backup: &std::path::Path, wanted: Wanted) {
        self.federation.stop(self.at).await;
        self.database.close().await;
        self.machine.lose_database();
        let now = self.federation.clock.now();
        let restored = self.machine.restore(backup, wanted, now).await;
        restored.expect("a restored database");
        self.database = self.machine.open().await;
        let store = Arc::clone(&self.database);
        self.federation.replace_store(self.at, store);
    }

    async fn stop_others(&mut self) {
        for other in REGIONS.into_iter().filter(|other| *other != self.at) {
            self.federation.stop(other).await;
        }
    }

    async fn open(&mut self, region: Region) {
        self.federation.open(region).await.expect("an engine");
    }

    fn engine(&self) -> &Engine {
        self.federation.engine(self.at)
    }

    async fn answer(&self, serial: u32) -> v1::VerifyResponse {
        answer(&self.federation, self.at, (HOME, serial)).await
    }

    /// Nothing that was restored is shown to anybody.
    async fn shows_nothing(&self) {
        // The own log needs nobody where nothing was appended since the backup.
        let owed = REGIONS
            .into_iter()
            .filter(|of| *of == HOME || *of != self.at);
        let owed: Vec<String> = owed.map(|of| of.to_string()).collect();
        let withheld = self.engine().withheld();
        assert!(owed.iter().all(|of| withheld.contains(of)), "{withheld:?}");
        for serial in 1..=3 {
            for name in ["张三", "李四", ""] {
                let asked = self.engine().verify(question(serial, name)).await;
                let answer = asked.expect("an answer");
                assert_eq!(answer.verdict(), v1::Verdict::Unknown);
                assert_eq!(answer.last_known(), v1::Verdict::Unspecified);
                assert!(
                    says(&answer, "RESTORED_NOT_CAUGHT_UP"),
                    "{:?}",
                    answer.reasons
                );
                assert!(answer.certificate.is_empty() && answer.receipt.is_empty());
            }
        }
        let entry = self.federation.entry(self.at, HOME);
        assert!(entry.state.disclosed > 0);
        assert_eq!(
            self.federation
                .engine(self.at)
                .book()
                .head(&entry)
                .disclosed_size,
            0,
            "no member asks for them"
        );
        let given = self.engine().disclosures(&origin(HOME), 0..1).await;
        assert!(given.is_err(), "and who does gets none");
        if self.at == HOME {
            let all = v1::ShareCertificatesRequest {
                until_index: 1,
                ..Default::default()
            };
            let shared = self.engine().sharing(&all, &Actor::Machine).await;
            assert!(matches!(shared, Err(ShareError::Withheld)));
            // Nor is anybody told that nothing was revoked since.
            let list = self.engine().status_list(Purpose::Revocation, 0).await;
            assert!(matches!(list, Err(StatusListError::Doubtful)), "{list:?}");
        }
        let status = self.engine().status().await.expect("a status");
        for log in status.logs {
            let extent = log.extent.expect("an extent");
            let is_owed = owed.contains(&extent.region);
            assert!(!is_owed || log.last_error == "RESTORED_NOT_CAUGHT_UP");
        }
    }

    /// Waits until it has caught up; the erased certificate is never shown meanwhile.
    async fn catches_up(&self) {
        let caught_up = async |engine: &Engine| {
            let done = engine.withheld().is_empty();
            let answer = engine.verify(question(2, "张三")).await;
            let answer = answer.expect("an answer");
            assert_eq!(
                answer.verdict(),
                v1::Verdict::Unknown,
                "{:?}",
                answer.reasons
            );
            assert!(answer.certificate.is_empty() && answer.receipt.is_empty());
            done
        };
        self.federation.until_found(self.at, caught_up).await;
        assert!(says(&self.answer(2).await, "ERASED"));
        for serial in [1, 3] {
            is_valid_at(&self.federation, self.at, (HOME, serial)).await;
        }
        is_valid_at(&self.federation, self.at, (OTHER, 1)).await;
    }

    /// Everybody is there again and issues.
    async fn goes_on(&mut self) {
        for region in REGIONS {
            if !self.federation.runs(region) {
                self.open(region).await;
            }
        }
        self.federation.until(HOME, Engine::is_writable).await;
        let next = issue(&self.federation, HOME, 5).await;
        until_known_everywhere(&self.federation, HOME, next).await;
        for serial in [1, 5] {
            is_valid_everywhere(&self.federation, (HOME, serial)).await;
        }
    }
}

/// First nobody is there to ask, then the one who has not heard of the erasure, then one who has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasures_since_the_backup_are_honoured_before_anything_is_shown() {
    for at in WHERE {
        let mut drill = Drill::at(at).await;
        let backup = drill.back_up().await;
        drill.go_on().await;
        drill.stop_others().await;
        drill.restore(&backup, Wanted::Everything).await;

        drill.open(at).await;
        drill.shows_nothing().await;
        drill.open(LAGGING).await;
        drill.federation.until_known(at, LAGGING, 1).await;
        let before = drill.watch.times();
        let asked = |_: &Engine| drill.watch.times() > before + 12;
        drill.federation.until(at, asked).await;
        drill.shows_nothing().await;
        if at == HOME {
            takes_nothing(&drill.federation).await;
        }

        drill.open(Region::JIANGSU).await;
        drill.catches_up().await;
        is_valid_at(&drill.federation, at, (HOME, 4)).await;
        // It remembers.
        drill.federation.restart(at).await;
        assert!(drill.engine().withheld().is_empty());
        drill.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_everybody_there_it_takes_no_operator() {
    for at in WHERE {
        let mut drill = Drill::at(at).await;
        let backup = drill.back_up().await;
        drill.go_on().await;
        drill.restore(&backup, Wanted::Everything).await;
        drill.open(at).await;
        drill.catches_up().await;
        drill.goes_on().await;
    }
}

/// A backup that is as new as what was signed needs nobody for the own log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_the_last_state_needs_nobody_for_the_own_log() {
    let mut drill = Drill::at(HOME).await;
    let backup = drill.back_up().await;
    drill.stop_others().await;
    drill.restore(&backup, Wanted::Everything).await;
    drill.open(HOME).await;
    drill.federation.until(HOME, Engine::is_writable).await;
    is_valid_at(&drill.federation, HOME, (HOME, 2)).await;
    let elsewhere = answer(&drill.federation, HOME, (OTHER, 1)).await;
    assert!(says(&elsewhere, "RESTORED_NOT_CAUGHT_UP"));
    // The index of submissions came back with the personal part.
    assert!(
        submit(&drill.federation, HOME, &huren_tests::certificate(3))
            .await
            .duplicate
    );
    drill.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_holds_is_not_signed_anew_and_the_rest_is_answered() {
    let mut drill = Drill::at(HOME).await;
    let size = drill.federation.entry(HOME, HOME).state.head.size;
    let backup = drill.back_up().await;
    drill.stop_others().await;
    issue(&drill.federation, HOME, 4).await;
    drill.restore(&backup, Wanted::Everything).await;
    for other in REGIONS.into_iter().filter(|other| *other != HOME) {
        drill.open(other).await;
    }
    drill.open(HOME).await;
    let is_lost = async |engine: &Engine| {
        let status = engine.status().await.expect("a status");
        status.logs.iter().any(|log| log.last_error == "LOG_LOST")
    };
    drill.federation.until_found(HOME, is_lost).await;
    drill
        .federation
        .until(HOME, |engine| engine.withheld() == ["33"])
        .await;
    takes_nothing(&drill.federation).await;
    is_valid_at(&drill.federation, HOME, (OTHER, 1)).await;
    assert!(says(&drill.answer(1).await, "RESTORED_NOT_CAUGHT_UP"));

    // Given up by order, which is also an order to show what is left.
    drill.federation.accept_loss(HOME, Some(size));
    drill.federation.restart(HOME).await;
    drill.federation.until(HOME, Engine::is_writable).await;
    is_valid_at(&drill.federation, HOME, (HOME, 1)).await;
    drill.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_personal_part_disclosures_are_fetched_again() {
    for at in WHERE {
        let mut drill = Drill::at(at).await;
        let backup = drill.back_up().await;
        drill.go_on().await;
        drill.stop_others().await;
        fs::remove_file(backup.join("personal.age")).expect("a file");
        drill.restore(&backup, Wanted::PublicOnly).await;
        drill.open(at).await;
        assert_eq!(drill.federation.entry(at, HOME).state.disclosed, 0);
        let answer = drill.answer(1).await;
        assert_eq!(
            answer.verdict(),
            v1::Verdict::Unknown,
            "neither valid nor 'not found'"
        );
        for other in REGIONS.into_iter().filter(|other| *other != at) {
            drill.open(other).await;
        }
        let size = drill
            .federation
            .entry(Region::JIANGSU, HOME)
            .state
            .head
            .size;
        drill.federation.until_known(at, HOME, size).await;
        drill.federation.until_known(at, OTHER, 2).await;
        for serial in [1, 3, 4] {
            is_valid_at(&drill.federation, at, (HOME, serial)).await;
        }
        assert_ne!(drill.answer(2).await.verdict(), v1::Verdict::Valid);
        drill.goes_on().await;
    }
}

/// Whoever copies an old file back by hand gets the same, as the high-water file tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_copied_back_by_hand_is_found_out() {
    let mut drill = Drill::at(HOME).await;
    let backup = drill.back_up().await;
    drill.go_on().await;
    drill.stop_others().await;
    drill.restore(&backup, Wanted::Everything).await;
    for of in REGIONS {
        let unmarked = drill.database.put_restored(&origin(of), None).await;
        unmarked.expect("a store");
    }
    drill.open(HOME).await;
    drill.shows_nothing().await;
    for other in REGIONS.into_iter().filter(|other| *other != HOME) {
        drill.open(other).await;
    }
    drill.catches_up().await;
    drill.goes_on().await;
}

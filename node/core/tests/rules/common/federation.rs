//! The members, their keys and the trust lists that name them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    checkpoint::Origin,
    codes::Region,
    cosign::Cosigner,
    keys::RecordSigner,
    note::{Note, NoteSigner},
    trust::{LogKey, Member, RecordKey, RootKeys, RootRole, TrustChain, TrustList},
};

use super::Writer;

/// The secret seed of a role: names in a row, so that no two roles share one.
pub(crate) fn seed(role: &str, region: &str) -> [u8; 32] {
    let mut seed = [b'.'; 32];
    for (byte, from) in seed
        .iter_mut()
        .zip(format!("huren-test/{role}/{region}").bytes())
    {
        *byte = from;
    }
    seed
}

/// A member with all its secret keys.
pub(crate) struct Province {
    pub(crate) region: Region,
    pub(crate) origin: Origin,
    pub(crate) log: NoteSigner,
    pub(crate) witness: Cosigner,
    pub(crate) mirror: Cosigner,
    pub(crate) answer: NoteSigner,
    /// May sign every kind for the whole province.
    pub(crate) record: RecordSigner,
    /// May sign certificates and their changes for one county.
    pub(crate) county: RecordSigner,
}

impl Province {
    fn new(region: Region) -> Self {
        let code = region.to_string();
        let origin: Origin = format!("huren.example/log/{code}").parse().unwrap();
        let name = |role: &str| format!("huren.example/{role}/{code}").parse().unwrap();
        let note = |role: &str| NoteSigner::from_seed(name(role), &seed(role, &code));
        let cosigner = |role: &str| Cosigner::from_seed(name(role), &seed(role, &code));
        Self {
            region,
            log: NoteSigner::from_seed(origin.as_str().parse().unwrap(), &seed("log", &code)),
            origin,
            witness: cosigner("witness"),
            mirror: cosigner("mirror"),
            answer: note("answer"),
            record: RecordSigner::from_seed(&seed("record", &code)),
            county: RecordSigner::from_seed(&seed("county", &code)),
        }
    }

    /// The county that the county key writes for.
    pub(crate) fn county_region(&self) -> Region {
        Region::parse(&format!("{}0206", self.region)).unwrap()
    }

    pub(crate) fn writer(&self) -> Writer<'_> {
        Writer::new(
            &self.origin,
            seed("record", &self.region.to_string()),
            self.region,
        )
    }

    pub(crate) fn county_writer(&self) -> Writer<'_> {
        Writer::new(
            &self.origin,
            seed("county", &self.region.to_string()),
            self.county_region(),
        )
    }

    /// As it stands in the trust list.
    pub(crate) fn member(&self) -> Member {
        let region = self.region.to_string();
        Member {
            name: format!("province {region}"),
            origin: self.origin.to_string(),
            grpc: format!("https://{region}.huren.example:7443"),
            http: format!("https://{region}.huren.example"),
            log_keys: vec![LogKey {
                key: self.log.verifier_key().to_string(),
                from_index: 0,
                until_index: None,
            }],
            witness_key: self.witness.verifier_key().to_string(),
            mirror_key: self.mirror.verifier_key().to_string(),
            answer_keys: vec![self.answer.verifier_key().to_string()],
            record_keys: vec![
                record_key(&self.record, &["*"], self.region),
                record_key(
                    &self.county,
                    &["certificate", "status_change"],
                    self.county_region(),
                ),
            ],
            tls_keys: Vec::new(),
            tls_ca: String::new(),
            region,
        }
    }
}

pub(crate) fn record_key(signer: &RecordSigner, kinds: &[&str], region: Region) -> RecordKey {
    RecordKey {
        alg: signer.algorithm().name().to_owned(),
        public_key: BASE64_STANDARD.encode(signer.public_key()),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        regions: vec![region.to_string()],
        from_index: 0,
        until_index: None,
    }
}

/// The federation: provinces 31 to 34, and three root keys of which two must sign.
pub(crate) struct Federation {
    pub(crate) provinces: Vec<Province>,
    pub(crate) roots: Vec<NoteSigner>,
}

impl Federation {
    pub(crate) fn new() -> Self {
        let regions = [
            Region::SHANGHAI,
            Region::JIANGSU,
            Region::ZHEJIANG,
            Region::ANHUI,
        ];
        Self {
            provinces: regions.into_iter().map(Province::new).collect(),
            roots: ["1", "2", "3"].map(Self::root).into(),
        }
    }

    pub(crate) fn root(number: &str) -> NoteSigner {
        let name = format!("huren.example/root/{number}").parse().unwrap();
        NoteSigner::from_seed(name, &seed("root", number))
    }

    pub(crate) fn province(&self, code: &str) -> &Province {
        self.provinces
            .iter()
            .find(|p| p.region.to_string() == code)
            .unwrap()
    }

    pub(crate) fn root_role(&self) -> RootRole {
        let keys = self
            .roots
            .iter()
            .map(|root| root.verifier_key().to_string())
            .collect();
        RootRole { threshold: 2, keys }
    }

    pub(crate) fn root_keys(&self) -> RootKeys {
        RootKeys::new(&self.root_role()).unwrap()
    }

    /// Version 1, without signatures.
    pub(crate) fn list(&self) -> TrustList {
        TrustList {
            version: 1,
            previous: String::new(),
            issued: "2025-01-01T00:00:00Z".parse().unwrap(),
            expires: "2027-01-01T00:00:00Z".parse().unwrap(),
            root: self.root_role(),
            quorum: 2,
            members: self.provinces.iter().map(Province::member).collect(),
            former_members: Vec::new(),
        }
    }

    /// The chain of version 1 alone.
    pub(crate) fn chain(&self) -> TrustChain {
        self.chain_of(&self.list())
    }

    /// The chain of one list, signed by two root keys.
    pub(crate) fn chain_of(&self, list: &TrustList) -> TrustChain {
        let note = sign(list, &self.roots[..2]);
        TrustChain::verify(&self.root_keys(), [note.as_bytes()]).unwrap()
    }

    /// A chain extended by what `change` makes of its newest list.
    pub(crate) fn extend(
        &self,
        chain: &TrustChain,
        change: impl FnOnce(&mut TrustList),
    ) -> TrustChain {
        let mut list = successor(chain);
        change(&mut list);
        chain
            .extended(sign(&list, &self.roots[..2]).as_bytes())
            .unwrap()
    }
}

/// The newest list again, as the next version.
pub(crate) fn successor(chain: &TrustChain) -> TrustList {
    let newest = chain.newest();
    let (version, previous) = (newest.list.version + 1, newest.digest.to_hex());
    TrustList {
        version,
        previous,
        ..newest.list.clone()
    }
}

/// The list as a note under these signatures, in this order.
pub(crate) fn sign<'a>(
    list: &TrustList,
    signers: impl IntoIterator<Item = &'a NoteSigner>,
) -> String {
    sign_text(list.to_text().unwrap(), signers)
}

pub(crate) fn sign_text<'a>(
    text: String,
    signers: impl IntoIterator<Item = &'a NoteSigner>,
) -> String {
    let mut note = Note::new(text).unwrap();
    for signer in signers {
        note.add(signer.sign(note.text())).unwrap();
    }
    note.to_string()
}

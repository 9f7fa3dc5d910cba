//! What the committed vectors say that their keys have signed. Nobody here holds those keys
//! but for the answer key, so nothing else may ever verify.

use std::sync::LazyLock;

use huren_core::{
    disclosure::{Group, GroupDigests, Opening, Salt, Values},
    note::VerifierKey,
    receipt::{Checked, Receipt, verify},
    tlog_proof::TlogProof,
    trust::{RootKeys, TrustChain},
};
use serde_json::Value;

/// The vectors of records.
pub(crate) static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let vectors = read(include_str!("../../vectors/huren/record-v1.json"));
    list(&vectors["records"])
        .iter()
        .map(|vector| Record {
            leaf: bytes(&vector["leaf"]),
            record: bytes(&vector["record"]),
            origin: string(&vector["origin"]).to_owned(),
            public_key: bytes(&vector["public_key"]),
        })
        .collect()
});

/// A leaf that was signed.
pub(crate) struct Record {
    pub(crate) leaf: Vec<u8>,
    pub(crate) record: Vec<u8>,
    pub(crate) origin: String,
    pub(crate) public_key: Vec<u8>,
}

/// The openings of the certificate in the vectors, and its digests.
pub(crate) static OPENINGS: LazyLock<(Vec<Opening>, GroupDigests)> = LazyLock::new(|| {
    let vectors = read(include_str!("../../vectors/huren/digest-v1.json"));
    let openings: Vec<Opening> = list(&vectors["groups"])
        .iter()
        .map(|vector| {
            let number = vector["number"]
                .as_i64()
                .and_then(|n| i32::try_from(n).ok());
            let values = vector["values"].as_object().expect("values");
            Opening {
                group: number.and_then(Group::from_number).expect("a group"),
                salt: Salt(bytes(&vector["salt"]).try_into().expect("a salt")),
                values: Some(Values::new(values.iter().map(|(k, v)| (k, string(v))))),
            }
        })
        .collect();
    let digests = GroupDigests::of(&openings);
    (openings, digests)
});

/// The chain of trust lists in the vectors and the root keys from which it verifies.
pub(crate) static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let vectors = read(include_str!("../../vectors/huren/trust-list-v1.json"));
    let roots_text = string(&vectors["roots"]).to_owned();
    let roots: RootKeys = roots_text.parse().expect("root keys");
    let lists = list(&vectors["lists"]).iter();
    let notes: Vec<String> = lists.map(|l| string(&l["note"]).to_owned()).collect();
    let chain = TrustChain::verify(&roots, notes.iter().map(String::as_bytes)).expect("a chain");
    Trust {
        roots_text,
        roots,
        notes,
        chain,
    }
});

/// Trust lists that were signed.
pub(crate) struct Trust {
    pub(crate) roots_text: String,
    pub(crate) roots: RootKeys,
    pub(crate) notes: Vec<String>,
    pub(crate) chain: TrustChain,
}

/// The receipt in the vectors.
pub(crate) static RECEIPT: LazyLock<GoodReceipt> = LazyLock::new(|| {
    let vectors = read(include_str!("../../vectors/huren/receipt-v1.json"));
    let json = string(&vectors["receipt"]).to_owned();
    let roots: RootKeys = string(&vectors["roots"]).parse().expect("root keys");
    let receipt: Receipt = serde_json::from_str(&json).expect("a receipt");
    let proof = TlogProof::parse(&receipt.proven.certificate.proof).expect("a proof");
    let notes = receipt.proven.trust_lists.iter().map(String::as_bytes);
    GoodReceipt {
        checked: verify(json.as_bytes(), &roots).expect("a genuine receipt"),
        chain: TrustChain::verify(&roots, notes).expect("a chain"),
        json,
        roots,
        receipt,
        proof,
    }
});

/// A receipt that is genuine.
pub(crate) struct GoodReceipt {
    pub(crate) json: String,
    pub(crate) roots: RootKeys,
    pub(crate) receipt: Receipt,
    pub(crate) checked: Checked,
    pub(crate) chain: TrustChain,
    /// Of the certificate.
    pub(crate) proof: TlogProof,
}

impl GoodReceipt {
    /// The key of the log that proves it.
    pub(crate) fn log_key(&self) -> VerifierKey {
        let member = self.chain.newest().list.member_of(&self.checked.origin);
        let key = &member.expect("a member").log_keys[0].key;
        key.parse().expect("a key")
    }
}

fn read(json: &str) -> Value {
    serde_json::from_str(json).expect("vectors")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn string(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(string(value)).expect("hexadecimal")
}

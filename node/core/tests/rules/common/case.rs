//! A certificate in a log of Zhejiang's, and receipts about it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    checkpoint::SignedCheckpoint,
    disclosure::{Group, Opening, Values},
    merkle::Hash,
    note::NoteSigner,
    reason::Reason,
    receipt::{Assertion, Extent, Proven, ProvenLeaf, Receipt, question_digest},
    trust::TrustChain,
    verdict::Verdict,
};
use huren_proto::v1::{self, StatusAction};

use super::{
    Federation, INSTITUTION, Log, NOW, NUMBER, Writer, evidence::with_field, institution_writer,
    openings,
};

const QUESTION_SALT: [u8; 16] = [0x51; 16];

/// A log with a certificate and its changes.
pub(crate) struct Case<'a> {
    pub(crate) federation: &'a Federation,
    pub(crate) chain: TrustChain,
    pub(crate) log: Log<'a>,
    /// The certificate's index and what opens it.
    pub(crate) certificate: (u64, Vec<Opening>),
    /// The same of its changes.
    pub(crate) changes: Vec<(u64, Vec<Opening>)>,
    /// If an institution signed the certificate: index of the entry that names its key.
    pub(crate) entry: Option<u64>,
}

impl<'a> Case<'a> {
    /// A certificate of the province's own.
    pub(crate) fn new(federation: &'a Federation) -> Self {
        Self::written_by(federation, federation.province("33").writer())
    }

    pub(crate) fn written_by(federation: &'a Federation, writer: Writer<'_>) -> Self {
        let (chain, province) = (federation.chain(), federation.province("33"));
        let mut log = Log::new(province);
        log.append(province.writer().adoption(1, chain.newest().digest));
        log.append(province.writer().institution("3302000000001"));
        let open = openings(NUMBER, 0);
        let index = log.append(writer.certificate(&open));
        log.append(
            province
                .writer()
                .certificate(&openings("Y000133020600243000002", 50)),
        );
        Self {
            federation,
            chain,
            log,
            certificate: (index, open),
            changes: Vec::new(),
            entry: None,
        }
    }

    /// A certificate that an institution signed with its SM2 key.
    pub(crate) fn institutional(federation: &'a Federation) -> Self {
        let (chain, province) = (federation.chain(), federation.province("33"));
        let mut log = Log::new(province);
        log.append(province.writer().adoption(1, chain.newest().digest));
        let writer = institution_writer(province);
        let entry = province.writer().entry(
            INSTITUTION,
            v1::InstitutionState::Active,
            &[&writer.signer()],
        );
        let entry = log.append(entry);
        log.append(province.writer().institution("3302000000001"));
        let open = with_field("institution_code", INSTITUTION, 0);
        let index = log.append(writer.certificate(&open));
        Self {
            federation,
            chain,
            log,
            certificate: (index, open),
            changes: Vec::new(),
            entry: Some(entry),
        }
    }

    pub(crate) fn target(&self) -> Hash {
        self.log.leaf(self.certificate.0)
    }

    /// What the next change names as the one before it.
    pub(crate) fn previous(&self) -> Option<Hash> {
        self.changes.last().map(|(index, _)| self.log.leaf(*index))
    }

    pub(crate) fn change(&mut self, action: StatusAction, replaced: Vec<Opening>) {
        let writer = self.log.province.writer();
        let leaf = writer.change(action, self.target(), self.previous(), &replaced);
        self.append(leaf, replaced);
    }

    /// Appends any leaf as a change.
    pub(crate) fn append(&mut self, leaf: Vec<u8>, replaced: Vec<Opening>) {
        let index = self.log.append(leaf);
        self.changes.push((index, replaced));
    }

    /// The newest checkpoint, cosigned by a quorum.
    pub(crate) fn cosigned(&self) -> SignedCheckpoint {
        let (shanghai, jiangsu) = (
            self.federation.province("31"),
            self.federation.province("32"),
        );
        self.log.cosigned(
            self.log.size(),
            &[(&shanghai.witness, NOW), (&jiangsu.mirror, NOW - 30)],
        )
    }

    pub(crate) fn proven(
        &self,
        (index, open): &(u64, Vec<Opening>),
        head: &SignedCheckpoint,
    ) -> ProvenLeaf {
        let disclosed = open
            .iter()
            .filter(|opening| opening.group == Group::Certificate);
        ProvenLeaf {
            leaf: BASE64_STANDARD.encode(&self.log.leaves[usize::try_from(*index).unwrap()]),
            proof: self.log.proof(*index, head).to_string(),
            disclosed: disclosed.cloned().collect(),
        }
    }

    pub(crate) fn assertion(&self, verdict: Verdict, reasons: &[Reason]) -> Assertion {
        let name = Values::new([("name", "张三")]);
        let hex = |(index, _): &(u64, _)| self.log.leaf(*index).to_hex();
        let as_of_date = "2025-06-01".to_owned();
        Assertion {
            answered_by: "32".to_owned(),
            time: "2025-06-01T00:00:00Z".to_owned(),
            question: question_digest(&QUESTION_SALT, NUMBER, Some(&name), &[], &as_of_date),
            as_of_date,
            certificate: self.target().to_hex(),
            statuses: self.changes.iter().map(hex).collect(),
            institution: self.entry.map(|at| self.log.leaf(at).to_hex()),
            verdict,
            last_known: None,
            reasons: reasons.iter().map(|reason| (*reason).into()).collect(),
            as_of: vec![Extent {
                origin: self.log.province.origin.to_string(),
                region: "33".to_owned(),
                size: self.log.size(),
                witnessed_size: self.log.size(),
                age_seconds: Some(30),
                frozen: false,
            }],
            trust_list_version: self.chain.newest().list.version,
            rules: "huren/0.1.0".to_owned(),
        }
    }

    /// A receipt under a checkpoint, with an assertion signed by a key.
    pub(crate) fn receipt_of(
        &self,
        head: &SignedCheckpoint,
        assertion: &Assertion,
        signer: &NoteSigner,
    ) -> Receipt {
        Receipt {
            format: Receipt::FORMAT.to_owned(),
            proven: Proven {
                certificate: self.proven(&self.certificate, head),
                statuses: self
                    .changes
                    .iter()
                    .map(|change| self.proven(change, head))
                    .collect(),
                trust_lists: self.chain.lists().iter().map(|list| list.note()).collect(),
                institution: self.entry.map(|at| self.proven(&(at, Vec::new()), head)),
            },
            asserted: assertion.sign(signer).unwrap(),
            question_salt: "51".repeat(16),
        }
    }

    /// The receipt that Jiangsu's node would give.
    pub(crate) fn receipt(&self, verdict: Verdict, reasons: &[Reason]) -> Receipt {
        let answer = &self.federation.province("32").answer;
        self.receipt_of(&self.cosigned(), &self.assertion(verdict, reasons), answer)
    }

    /// A certificate that was corrected to level 4, and its receipt.
    pub(crate) fn corrected(federation: &'a Federation) -> (Self, Receipt) {
        let mut case = Self::new(federation);
        case.change(StatusAction::Correct, correction("4"));
        let receipt = case.receipt(Verdict::Valid, &[Reason::InForce, Reason::StatusCorrected]);
        (case, receipt)
    }
}

/// What opens a correction of the certificate's level.
pub(crate) fn correction(level: &str) -> Vec<Opening> {
    let mut corrected = openings(NUMBER, 200);
    corrected.truncate(1);
    let fields = corrected[0]
        .values
        .iter()
        .flat_map(Values::iter)
        .filter(|(n, _)| *n != "level");
    let values = Values::new(fields.chain([("level", level)]));
    corrected[0].values = Some(values);
    corrected
}

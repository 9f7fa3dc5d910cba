//! Stable reason codes of verdicts, with their sentences.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $zh:literal, $en:literal;)*) => {
        /// Why a verdict is what it is. Codes never change meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// All reasons, in the order in which answers list them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The reason of a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }

            /// The code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The sentence in Chinese.
            pub const fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh),* }
            }

            /// The sentence in English.
            pub const fn en(self) -> &'static str {
                match self { $(Self::$name => $en),* }
            }
        }
    };
}

reasons! {
    /// Nothing speaks against it.
    InForce = "IN_FORCE", "证书真实有效。", "The certificate is genuine and in force.";
    /// No log holds it.
    NotFound = "NOT_FOUND", "在所列日志范围内未查到该证书编号。", "No such certificate number in the logs up to the sizes stated.";
    /// The presented holder is another.
    HolderMismatch = "HOLDER_MISMATCH", "所提供的持证人信息与证书不符。", "The presented holder is not the holder of this certificate.";
    /// Revoked.
    StatusRevoked = "STATUS_REVOKED", "证书已被撤销。", "The certificate has been revoked.";
    /// Void.
    StatusVoid = "STATUS_VOID", "证书已作废。", "The certificate is void.";
    /// Suspended.
    StatusSuspended = "STATUS_SUSPENDED", "证书正在核查，暂停使用。", "The certificate is suspended pending investigation.";
    /// Superseded.
    StatusSuperseded = "STATUS_SUPERSEDED", "证书已由新证书取代。", "Another certificate has taken its place.";
    /// Expired.
    Expired = "EXPIRED", "证书已过有效期。", "The certificate's own term is over.";
    /// Reinstated earlier.
    StatusReinstated = "STATUS_REINSTATED", "证书曾被撤销、作废或暂停，现已恢复。", "An earlier revocation, voiding or suspension was undone.";
    /// Corrected.
    StatusCorrected = "STATUS_CORRECTED", "证书信息曾经更正，以更正后的内容为准。", "The certificate was corrected; the corrected content counts.";
    /// Reissued.
    StatusReissued = "STATUS_REISSUED", "证书曾经补发。", "The certificate was issued again.";
    /// Loaded from old stock.
    Backfilled = "BACKFILLED", "该记录由历史存量数据补录。", "The record was loaded from old stock.";
    /// Issued behind the day asked about.
    IssuedLater = "ISSUED_LATER", "证书核发日期晚于所询日期。", "The certificate was issued after the day asked about.";
    /// Two records carry the number.
    DuplicateNumber = "DUPLICATE_NO", "同一编号存在多条内容不同的记录，无法判定。", "Several records carry this number.";
    /// Not folded into the register.
    Quarantined = "QUARANTINED", "记录未获授权或不合规，已被隔离。", "The record breaks a rule or lacks authority and is quarantined.";
    /// Signed by an institution's key that may not sign it.
    KeyInstitution = "KEY_INSTITUTION", "记录由评价机构密钥签署，但证书所载机构并非该机构。", "The record is signed with the key of another institution than the certificate names.";
    /// Not yet cosigned.
    Pending = "PENDING_QUORUM", "记录已入日志，尚待其他成员见证。", "The record is logged and waits for a quorum of the other members.";
    /// A record is newer than this program.
    SchemaNewer = "SCHEMA_NEWER", "该证书涉及本节点尚不能识别的新版记录，请升级。", "A record newer than this node's program concerns the certificate; upgrade the node.";
    /// Erased.
    Erased = "ERASED", "该证书的披露信息已依法删除。", "The disclosures of this certificate were erased by law.";
    /// Restored from a backup, and possibly erased since.
    RestoredNotCaughtUp = "RESTORED_NOT_CAUGHT_UP", "该证书的披露信息由备份恢复，本节点尚未补齐此后的删除记录，暂不出示。", "The disclosures of this certificate come from a backup; until this node knows what was erased since, it does not show them.";
    /// Too old.
    StaleEvidence = "STALE_EVIDENCE", "本节点对该日志的证据已超过允许时限。", "What is known of that log is older than the age allowed.";
    /// Frozen.
    LogFrozen = "LOG_FROZEN", "该日志出现自相矛盾，已被冻结。", "That log contradicted itself and is frozen.";
    /// The home member could not be asked.
    HomeUnreachable = "HOME_UNREACHABLE", "签发地节点暂不可达，以本地副本作答。", "The home member cannot be reached; the answer rests on what is held here.";
    /// The home member answered.
    HomeAnswered = "HOME_ANSWERED", "本节点未能单独作答，答案来自签发地节点。", "This node could not tell by itself; the home member answered.";
    /// The trust list has expired.
    TrustListExpired = "TRUST_LIST_EXPIRED", "信任清单已过期，请尽快更新。", "The trust list has expired and should be renewed.";
}

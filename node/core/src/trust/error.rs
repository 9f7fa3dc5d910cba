//! Why trust lists are refused.

use super::TrustList;

/// Why a trust list is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is no list.
    #[error("the chain of trust lists is empty")]
    Empty,
    /// Root keys are malformed, repeated, or fewer than the threshold.
    #[error("the root keys or their threshold are not valid")]
    Roots,
    /// Not a signed note with the expected header.
    #[error(
        "not a trust list: expected a signed note that starts with {:?}",
        TrustList::HEADER
    )]
    Format,
    /// Its content breaks a rule, or holds something newer than this program.
    #[error("the content of the trust list is not valid: {0}")]
    Content(String),
    /// A signature by a root key does not verify.
    #[error("a root key's signature does not verify")]
    Signature,
    /// Too few root keys signed.
    #[error("{have} root keys signed, {need} are needed")]
    Threshold {
        /// How many signed.
        have: usize,
        /// How many are needed.
        need: usize,
    },
    /// It does not follow the newest list held.
    #[error("version {got} does not follow version {held}")]
    NotNext {
        /// Its version.
        got: u64,
        /// The newest version held.
        held: u64,
    },
    /// It names another predecessor.
    #[error("the list names another predecessor than the one held")]
    OtherPredecessor,
    /// Another list of the same version is held: somebody signed two.
    #[error("another list of version {0} is held")]
    HeldDiffers(u64),
    /// A log is missing, or is said to be of another province. Members leave by becoming
    /// former ones.
    #[error("the log {0} is missing, or of another province than before")]
    LogDropped(String),
    /// A log key or record key is missing. Keys are closed, never taken out.
    #[error("a key of the log {0} is missing: close its window instead of taking it out")]
    KeyDropped(String),
    /// A key's window is wider than before.
    #[error("a key of the log {0} is valid where it was not before: windows only ever close")]
    WindowOpened(String),
    /// A record key may sign more kinds or for more regions than before.
    #[error("a key of the log {0} may sign what it could not before: list a new key instead")]
    KeyWidened(String),
}

impl TrustError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "TRUST_EMPTY",
            Self::Roots => "TRUST_ROOTS",
            Self::Format => "TRUST_FORMAT",
            Self::Content(_) => "TRUST_CONTENT",
            Self::Signature => "TRUST_SIGNATURE",
            Self::Threshold { .. } => "TRUST_THRESHOLD",
            Self::NotNext { .. } => "TRUST_NOT_NEXT",
            Self::OtherPredecessor => "TRUST_PREDECESSOR",
            Self::HeldDiffers(_) => "TRUST_HELD_DIFFERS",
            Self::LogDropped(_) => "TRUST_LOG_DROPPED",
            Self::KeyDropped(_) => "TRUST_KEY_DROPPED",
            Self::WindowOpened(_) => "TRUST_WINDOW_OPENED",
            Self::KeyWidened(_) => "TRUST_KEY_WIDENED",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::Empty => "没有信任清单。",
            Self::Roots => "根公钥或其门槛无效。",
            Self::Format => "不是信任清单。",
            Self::Content(_) => "信任清单内容不合规。",
            Self::Signature => "根密钥签名无效。",
            Self::Threshold { .. } => "签署的根密钥不足。",
            Self::NotNext { .. } => "版本与现有清单不衔接。",
            Self::OtherPredecessor => "所称的上一版不是现有清单。",
            Self::HeldDiffers(_) => "同一版本已有另一份清单：有人签署了两份。",
            Self::LogDropped(_) => "缺少某成员的日志，或其省份有变：退出的成员应列为前成员。",
            Self::KeyDropped(_) => "缺少某个密钥：密钥只可关闭，不可删除。",
            Self::WindowOpened(_) => "某密钥的有效区间变宽：区间只可收窄。",
            Self::KeyWidened(_) => "某记录密钥的权限变宽：请改为列入新密钥。",
        }
    }
}

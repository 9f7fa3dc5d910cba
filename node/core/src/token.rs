//! Tokens: what a caller without a certificate of its own comes with.
//!
//! `hrt_<id>_<secret>`: 16 hexadecimal digits that name it, which may be shown, and 64 that
//! nobody may see again. What is kept is the SHA-256 of the secret: 256 random bits need no
//! slower hash, as they cannot be guessed.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::access::Rights;

const PREFIX: &str = "hrt_";

/// Bytes of an id.
const ID_LEN: usize = 8;

/// What makes a token, whole. Shown once.
pub struct Secret {
    id: [u8; ID_LEN],
    secret: Zeroizing<[u8; 32]>,
}

impl Secret {
    /// A new token of 40 random bytes.
    pub fn new(mut random: [u8; ID_LEN + 32]) -> Self {
        let (mut id, mut secret) = ([0; ID_LEN], Zeroizing::new([0; 32]));
        id.copy_from_slice(&random[..ID_LEN]);
        secret.copy_from_slice(&random[ID_LEN..]);
        random.zeroize();
        Self { id, secret }
    }

    /// As its holder writes it.
    pub fn expose(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex::encode(self.secret.as_slice()));
        Zeroizing::new(format!("{PREFIX}{}_{}", hex::encode(self.id), *secret))
    }

    /// What is left of it when it is presented.
    pub fn presented(&self) -> Presented {
        Presented {
            id: hex::encode(self.id),
            hash: Sha256::digest(self.secret.as_slice()).into(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}, redacted)", hex::encode(self.id))
    }
}

/// A token that somebody came with, its secret hashed already.
#[derive(Clone, Debug)]
pub struct Presented {
    id: String,
    hash: [u8; 32],
}

impl Presented {
    /// Reads a token; `None` if the text is none.
    pub fn read(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_small = |text: &str| text.bytes().all(|byte| !byte.is_ascii_uppercase());
        if id.len() != 2 * ID_LEN || !is_small(id) || !is_small(secret) {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(id, &mut [0; ID_LEN]).ok()?;
        hex::decode_to_slice(secret, bytes.as_mut_slice()).ok()?;
        Some(Self {
            id: id.to_owned(),
            hash: Sha256::digest(bytes.as_slice()).into(),
        })
    }

    /// By what it is named.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is kept of its secret.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// A token that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// By what it is named.
    pub id: String,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What its operator calls it.
    pub name: String,
    /// What its holder may do.
    pub rights: Rights,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// From when on it is of no use.
    pub expires: u64,
    /// When it was revoked.
    pub revoked: Option<u64>,
}

impl Token {
    /// Whether it is still in force.
    ///
    /// # Errors
    /// [`TokenRefused::Revoked`], [`TokenRefused::Expired`].
    pub const fn is_in_force(&self, now: u64) -> Result<(), TokenRefused> {
        match () {
            () if self.revoked.is_some() => Err(TokenRefused::Revoked),
            () if now >= self.expires => Err(TokenRefused::Expired),
            () => Ok(()),
        }
    }
}

/// Judges a token that was presented by the one of its id, if there is one. Takes as long for an
/// unknown id as for a wrong secret, and says the same.
///
/// # Errors
/// [`TokenRefused`]; whether it was revoked or expired, only its holder learns.
pub fn admit(held: Option<&Token>, presented: &Presented, now: u64) -> Result<(), TokenRefused> {
    const NOBODYS: [u8; 32] = [0; 32];
    let hash = held.map_or(&NOBODYS, |token| &token.hash);
    let is_same = bool::from(hash.ct_eq(&presented.hash));
    match held {
        Some(token) if is_same => token.is_in_force(now),
        _ => Err(TokenRefused::Unknown),
    }
}

/// Why a token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Not a token of this node.
    #[error("the token is none of this node's")]
    Unknown,
    /// Revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Expired.
    #[error("the token has expired")]
    Expired,
}

impl TokenRefused {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "TOKEN_UNKNOWN",
            Self::Revoked => "TOKEN_REVOKED",
            Self::Expired => "TOKEN_EXPIRED",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Unknown => "令牌不是本节点的令牌。",
            Self::Revoked => "令牌已被吊销。",
            Self::Expired => "令牌已过期，请联系本节点管理员换发。",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Kinds, Role};

    fn secret(seed: u8) -> Secret {
        Secret::new([seed; 40])
    }

    fn token(secret: &Secret) -> Token {
        let presented = secret.presented();
        Token {
            id: presented.id,
            hash: presented.hash,
            name: "窗口".into(),
            rights: Rights {
                roles: vec![Role::Verifier],
                kinds: Kinds::Only(Vec::new()),
                regions: Vec::new(),
            },
            created: 100,
            expires: 200,
            revoked: None,
        }
    }

    #[test]
    fn a_token_is_read_as_it_is_written_and_in_no_other_way() {
        let secret = secret(0xab);
        let text = secret.expose();
        assert_eq!(text.len(), 4 + 16 + 1 + 64);
        let read = Presented::read(&text).unwrap();
        let presented = secret.presented();
        assert_eq!((read.id(), read.hash()), (presented.id(), presented.hash()));
        assert!(!format!("{secret:?}{read:?}").contains(&text[21..]));
        let others = [
            String::new(),
            text.to_uppercase(),
            text[..84].to_owned(),
            format!("{}0", *text),
            format!(" {}", *text),
            text.replace('_', "-"),
            text.replace("ab_", "AB_"),
            format!("hrt__{}", "ab".repeat(32)),
            format!("hrt_{}_{}", "zz".repeat(8), "ab".repeat(32)),
        ];
        for other in others {
            assert!(Presented::read(&other).is_none());
        }
    }

    #[test]
    fn what_counts_is_the_secret_then_the_time() {
        let (own, other) = (secret(1), secret(2));
        let held = token(&own);
        let revoked = Token {
            revoked: Some(150),
            ..held.clone()
        };
        // Another secret under the same id.
        let wrong = Presented {
            id: held.id.clone(),
            ..other.presented()
        };
        let check = |held: Option<&Token>, presented: &Presented, now, expected| {
            assert_eq!(admit(held, presented, now), expected);
        };
        let presented = own.presented();
        check(Some(&held), &presented, 199, Ok(()));
        check(Some(&held), &presented, 200, Err(TokenRefused::Expired));
        check(Some(&revoked), &presented, 150, Err(TokenRefused::Revoked));
        check(Some(&held), &wrong, 150, Err(TokenRefused::Unknown));
        // Who does not know the secret does not learn what became of the token either.
        check(Some(&revoked), &wrong, 150, Err(TokenRefused::Unknown));
        check(Some(&held), &wrong, 999, Err(TokenRefused::Unknown));
        check(None, &presented, 150, Err(TokenRefused::Unknown));
    }
}

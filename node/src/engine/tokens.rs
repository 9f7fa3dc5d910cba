//! Tokens: kept in the store, judged from memory.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use huren_core::{
    access::{Kinds, Rights, Role},
    audit::{Act, Actor, AuditAction},
    codes::Region,
    token::{Presented, Secret, Token, TokenRefused, admit},
};
use huren_store::{Error as StoreError, Store, TokenRow};

use super::{
    audit::{Audit, AuditError},
    clock::{Clock, Random, random},
};

/// Tokens at most, those that count no more included.
const MAX_TOKENS: usize = 10_000;
/// How long a token counts, in seconds.
const VALIDITY: std::ops::RangeInclusive<u64> = 60..=2 * 365 * 24 * 60 * 60;
/// Characters of a name.
const NAME: std::ops::RangeInclusive<usize> = 1..=64;

/// The tokens of a node.
pub struct Tokens {
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// All that the store holds, by id. Only this program changes them.
    held: ArcSwap<HashMap<String, Arc<Token>>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
}

/// Why a token is not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A field of the order is wrong.
    #[error("{field}: {en}")]
    Order {
        /// The field.
        field: &'static str,
        /// What it has to be.
        en: &'static str,
    },
    /// No such token.
    #[error("there is no token of that id")]
    NoSuchToken,
    /// Too many.
    #[error("there are too many tokens")]
    TooMany,
    /// Nothing was done, as it could not be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The store failed.
    #[error("the token could not be kept")]
    Store(#[from] StoreError),
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What to call it.
    pub name: String,
    /// What its holder may do.
    pub rights: Rights,
    /// How long, in seconds.
    pub valid_seconds: u64,
}

impl Tokens {
    pub(super) async fn open(
        store: Arc<dyn Store>,
        audit: Arc<Audit>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, StoreError> {
        let tokens = Self {
            store,
            audit,
            clock,
            random,
            held: ArcSwap::default(),
            changing: tokio::sync::Mutex::default(),
        };
        tokens.reload().await?;
        Ok(tokens)
    }

    /// Reads again which tokens there are: another process may have made or revoked some.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let before = self.held.load_full();
        let tokens = self.store.tokens().await?.into_iter().map(|row| {
            let mut token = token(row);
            // One that could not be revoked in the store counts no more all the same.
            let known = before.get(&token.id).and_then(|known| known.revoked);
            token.revoked = token.revoked.or(known);
            (token.id.clone(), Arc::new(token))
        });
        self.held.store(Arc::new(tokens.collect()));
        Ok(())
    }

    /// The token that somebody came with.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub fn admit(&self, presented: &Presented) -> Result<Arc<Token>, TokenRefused> {
        let held = self.held.load().get(presented.id()).cloned();
        admit(held.as_deref(), presented, self.clock.now())?;
        held.ok_or(TokenRefused::Unknown)
    }

    /// Whether a token that was admitted counts still.
    ///
    /// # Errors
    /// [`TokenRefused`].
    pub fn is_in_force(&self, id: &str) -> Result<(), TokenRefused> {
        let held = self.held.load();
        let token = held.get(id).ok_or(TokenRefused::Unknown)?;
        token.is_in_force(self.clock.now())
    }

    /// All tokens, by the time when they were made.
    pub fn list(&self) -> Vec<Arc<Token>> {
        let mut tokens: Vec<Arc<Token>> = self.held.load().values().cloned().collect();
        tokens.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        tokens
    }

    /// Makes a token: written down first, then kept, then in force.
    ///
    /// # Errors
    /// [`TokenError`]: there is no such token then.
    pub async fn create(
        &self,
        by: Actor,
        new: NewToken,
    ) -> Result<(Secret, Arc<Token>), TokenError> {
        check(&new)?;
        let _changing = self.changing.lock().await;
        if self.held.load().len() >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        let secret = Secret::new(random(self.random.as_ref()));
        let (presented, now) = (secret.presented(), self.clock.now());
        let token = Token {
            id: presented.id().to_owned(),
            hash: *presented.hash(),
            name: new.name,
            rights: new.rights,
            created: now,
            expires: now.saturating_add(new.valid_seconds),
            revoked: None,
        };
        let act = Act::new(by, AuditAction::TokenCreated).token(&token.id);
        self.audit.record(act).await?;
        self.store.put_token(row(&token)).await?;
        Ok((secret, self.keep(token)))
    }

    /// Revokes a token, whatever became of it before: written down first.
    ///
    /// # Errors
    /// [`TokenError`]. After [`TokenError::Store`] the token counts no more until the node starts
    /// again: try again.
    pub async fn revoke(&self, by: Actor, id: &str) -> Result<Arc<Token>, TokenError> {
        let _changing = self.changing.lock().await;
        let held = self.held.load().get(id).cloned();
        let held = held.ok_or(TokenError::NoSuchToken)?;
        let act = Act::new(by, AuditAction::TokenRevoked).token(id);
        self.audit.record(act).await?;
        let time = held.revoked.unwrap_or_else(|| self.clock.now());
        let revoked = Token {
            revoked: Some(time),
            ..Token::clone(&held)
        };
        // In memory first: whatever the store does, it is over now.
        let revoked = self.keep(revoked);
        self.store.revoke_token(id, time).await?;
        Ok(revoked)
    }

    fn keep(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        let mut held = HashMap::clone(&self.held.load());
        held.insert(token.id.clone(), Arc::clone(&token));
        self.held.store(Arc::new(held));
        token
    }
}

fn check(new: &NewToken) -> Result<(), TokenError> {
    let is_plain = !new.name.chars().any(char::is_control);
    if !NAME.contains(&new.name.chars().count()) || !is_plain {
        return Err(TokenError::Order {
            field: "name",
            en: "a name of 1 to 64 characters",
        });
    }
    if new.rights.roles.is_empty() {
        return Err(TokenError::Order {
            field: "roles",
            en: "at least one role",
        });
    }
    if !VALIDITY.contains(&new.valid_seconds) {
        let range = "60 seconds to two years";
        return Err(TokenError::Order {
            field: "valid_seconds",
            en: range,
        });
    }
    let issues = new.rights.has(Role::Issuer);
    let writes_nothing = new.rights.kinds == Kinds::Only(Vec::new());
    if issues && (new.rights.regions.is_empty() || writes_nothing) {
        let needed = "an issuer needs regions and kinds to write for";
        return Err(TokenError::Order {
            field: "regions",
            en: needed,
        });
    }
    Ok(())
}

fn row(token: &Token) -> TokenRow {
    let Rights {
        roles,
        kinds,
        regions,
    } = &token.rights;
    let regions = regions.iter().map(Region::to_string);
    let roles: Vec<&str> = roles.iter().map(|role| role.name()).collect();
    TokenRow {
        id: token.id.clone(),
        hash: token.hash,
        name: token.name.clone(),
        roles: roles.join(" "),
        kinds: kinds.names().join(" "),
        regions: regions.collect::<Vec<_>>().join(" "),
        created: token.created,
        expires: token.expires,
        revoked: token.revoked,
    }
}

/// What a newer program wrote and this one does not know gives no rights.
fn token(row: TokenRow) -> Token {
    let kinds = Kinds::from_names(row.kinds.split_whitespace());
    let kinds = kinds.unwrap_or(Kinds::Only(Vec::new()));
    let regions: Vec<&str> = row.regions.split_whitespace().collect();
    let parsed = regions.iter().filter_map(|code| Region::parse(code).ok());
    let parsed: Vec<Region> = parsed.collect();
    let mut roles: Vec<Role> = row.roles.split(' ').filter_map(Role::from_name).collect();
    if parsed.is_empty() && !regions.is_empty() {
        // Otherwise it would be one without bounds.
        roles.clear();
    }
    Token {
        id: row.id,
        hash: row.hash,
        name: row.name,
        rights: Rights {
            roles,
            kinds,
            regions: parsed,
        },
        created: row.created,
        expires: row.expires,
        revoked: row.revoked,
    }
}

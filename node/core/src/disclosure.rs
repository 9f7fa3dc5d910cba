//! Salted digests of personal facts, what opens them, and how openings are sealed and found.

mod ring;

use std::collections::BTreeMap;

use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use hmac::{Hmac, Mac as _};
use huren_proto::v1;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{checkpoint::Origin, framing, merkle::Hash, normalise, record::RecordError};

pub use ring::{KeyId, KeyMissing, KeyRing};

/// Facts that are digested and disclosed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(i32)]
pub enum Group {
    /// Number, track, occupation, level, institution, site, dates, method, standard.
    Certificate = 1,
    /// The holder's name.
    HolderName = 2,
    /// The holder's identity document.
    HolderId = 3,
    /// Activity, work, subsidy and household region.
    Statistics = 4,
    /// Scores.
    Scores = 5,
}

impl Group {
    /// All groups, ascending.
    pub const ALL: [Self; 5] = [
        Self::Certificate,
        Self::HolderName,
        Self::HolderId,
        Self::Statistics,
        Self::Scores,
    ];

    /// The group of a number in `huren.v1.Group`.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The name that is digested.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::HolderName => "holder_name",
            Self::HolderId => "holder_id",
            Self::Statistics => "statistics",
            Self::Scores => "scores",
        }
    }

    /// Whether members give each other its values. Of name and ID they give the salts only:
    /// a presented value can be checked, none can be read. Scores stay at home.
    pub const fn travels_with_values(self) -> bool {
        matches!(self, Self::Certificate | Self::Statistics)
    }
}

/// Values of a group by field name, kept as the bytes that are digested: each name and value
/// in ascending order of names, each length-prefixed. A node handles dozens of fields for
/// every record; this makes one piece of memory of them. Debug shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(Vec<u8>);

impl Values {
    /// Collects fields; empty values are left out, as absence and emptiness mean the same. Of a
    /// field that is named twice the last value counts.
    pub fn new<N: AsRef<str>, V: AsRef<str>>(fields: impl IntoIterator<Item = (N, V)>) -> Self {
        let fields = fields.into_iter();
        let mut fields: Vec<(N, V)> = fields.filter(|(_, v)| !v.as_ref().is_empty()).collect();
        fields.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
        // At its full size from the start: growing would leave copies behind.
        let length = |(name, value): &(N, V)| 8 + name.as_ref().len() + value.as_ref().len();
        let mut framed = Vec::with_capacity(fields.iter().map(length).sum());
        let mut fields = fields.iter().peekable();
        while let Some((name, value)) = fields.next() {
            let is_named_again = |(next, _): &&(N, V)| next.as_ref() == name.as_ref();
            if fields.peek().is_some_and(is_named_again) {
                continue;
            }
            framing::push(&mut framed, name.as_ref().as_bytes());
            framing::push(&mut framed, value.as_ref().as_bytes());
        }
        Self(framed)
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&str> {
        let mut parts = framing::parts(&self.0);
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            if name == field.as_bytes() {
                return std::str::from_utf8(value).ok();
            }
        }
        None
    }

    /// Fields in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut texts = framing::parts(&self.0).map_while(|part| std::str::from_utf8(part).ok());
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that are digested.
    pub(crate) fn canonical(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(BTreeMap::<String, String>::deserialize(
            deserializer,
        )?))
    }
}

/// The salt of a digest: 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Salt(pub [u8; 16]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        hex::encode(salt.0)
    }
}

impl TryFrom<String> for Salt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut salt = [0; 16];
        hex::decode_to_slice(text, &mut salt).map_err(|_| "a salt is 32 hexadecimal digits")?;
        Ok(Self(salt))
    }
}

/// The salted digest of a group: SHA-256 over a domain line, the normaliser's version, the
/// group's name, the salt and the canonical value, each length-prefixed.
pub fn digest(group: Group, salt: &Salt, values: &Values) -> Hash {
    let version = normalise::VERSION.to_be_bytes();
    Hash(framing::hash([
        b"huren/digest/v1\n".as_slice(),
        &version,
        group.name().as_bytes(),
        &salt.0,
        values.canonical(),
    ]))
}

/// The digests of a record, ascending by group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupDigests(Vec<(Group, Hash)>);

impl GroupDigests {
    /// Digests the openings of a new record.
    pub fn of(openings: &[Opening]) -> Self {
        let mut digests: Vec<_> = openings
            .iter()
            .filter_map(|o| Some((o.group, digest(o.group, &o.salt, o.values.as_ref()?))))
            .collect();
        digests.sort_by_key(|(group, _)| *group);
        Self(digests)
    }

    /// The digest of a group.
    pub fn get(&self, group: Group) -> Option<&Hash> {
        self.0
            .iter()
            .find(|(g, _)| *g == group)
            .map(|(_, digest)| digest)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All digests, ascending by group.
    pub fn iter(&self) -> impl Iterator<Item = (Group, &Hash)> {
        self.0.iter().map(|(group, digest)| (*group, digest))
    }

    /// As they stand in a record.
    pub fn to_proto(&self) -> Vec<v1::GroupDigest> {
        self.iter()
            .map(|(g, d)| v1::GroupDigest {
                group: g.number(),
                digest: d.0.to_vec(),
            })
            .collect()
    }

    /// Reads digests; `None` if they are of a normaliser or group that is not known here.
    pub(crate) fn read(
        normaliser: u32,
        groups: &[v1::GroupDigest],
    ) -> Result<Option<Self>, RecordError> {
        if normaliser == 0 {
            return Err(RecordError::Rule("no normaliser version"));
        }
        if normaliser != normalise::VERSION {
            return Ok(None);
        }
        let mut digests = Vec::with_capacity(groups.len());
        for entry in groups {
            let Some(group) = Group::from_number(entry.group) else {
                return Ok(None);
            };
            let digest =
                Hash::from_slice(&entry.digest).ok_or(RecordError::Rule("digest length"))?;
            digests.push((group, digest));
        }
        if !digests.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(RecordError::Rule("groups ascend"));
        }
        Ok(Some(Self(digests)))
    }

    /// As [`Self::read`], where no digests and no normaliser are allowed too.
    pub(crate) fn read_optional(
        normaliser: u32,
        groups: &[v1::GroupDigest],
    ) -> Result<Option<Self>, RecordError> {
        match (normaliser, groups) {
            (0, []) => Ok(Some(Self::default())),
            _ => Self::read(normaliser, groups),
        }
    }
}

/// What opens a digest: the salt, and the values unless they are withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Which group.
    pub group: Group,
    /// Its salt.
    pub salt: Salt,
    /// Its values; `None` when only the salt was passed on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub values: Option<Values>,
}

impl Opening {
    /// Whether it opens the digest. An opening without values opens nothing.
    pub fn opens(&self, expected: &Hash) -> bool {
        self.values
            .as_ref()
            .is_some_and(|v| digest(self.group, &self.salt, v) == *expected)
    }

    /// Whether presented values are the ones behind the digest.
    pub fn matches(&self, presented: &Values, expected: &Hash) -> bool {
        digest(self.group, &self.salt, presented) == *expected
    }

    /// What another member is given of it; `None` for what stays at home.
    pub fn for_members(&self) -> Option<Self> {
        let values = match self.group {
            Group::Scores => return None,
            group if group.travels_with_values() => self.values.clone(),
            _ => None,
        };
        Some(Self {
            group: self.group,
            salt: self.salt,
            values,
        })
    }
}

/// Opens the groups of a new record with fresh salts.
///
/// All salts are random but that of the `certificate` group (or, in a correction without it,
/// none): it is a one-way hash of the others, so that a member who receives `certificate`
/// with its values and `holder_name` and `holder_id` as bare salts can check those salts,
/// and nobody who sees the one can compute the others.
pub fn open(groups: BTreeMap<Group, Values>, mut random: impl FnMut() -> [u8; 16]) -> Vec<Opening> {
    let mut openings: Vec<_> = groups
        .into_iter()
        .map(|(group, values)| Opening {
            group,
            salt: Salt(random()),
            values: Some(values),
        })
        .collect();
    if let Some(salt) = bound_salt(&openings)
        && let Some(first) = openings.iter_mut().find(|o| o.group == Group::Certificate)
    {
        first.salt = salt;
    }
    openings
}

/// The salt of `certificate` that binds the salts of name and ID; `None` without both.
fn bound_salt(openings: &[Opening]) -> Option<Salt> {
    let salt = |group| openings.iter().find(|o| o.group == group).map(|o| o.salt.0);
    let (name, id) = (salt(Group::HolderName)?, salt(Group::HolderId)?);
    let hash = framing::hash([b"huren/salt/v1\n".as_slice(), &name, &id]);
    let mut bound = [0; 16];
    bound.copy_from_slice(&hash[..16]);
    Some(Salt(bound))
}

/// Checks openings received from elsewhere against a record's digests.
///
/// # Errors
/// [`WrongOpening`] names the first group that does not fit: values that do not open the
/// digest, a group that the record does not have or that is given twice, or salts that the
/// certificate group does not bind.
pub fn check(openings: &[Opening], digests: &GroupDigests) -> Result<(), WrongOpening> {
    for (position, opening) in openings.iter().enumerate() {
        let wrong = WrongOpening {
            group: opening.group,
        };
        let expected = digests.get(opening.group).ok_or(wrong)?;
        if opening.values.is_some() && !opening.opens(expected) {
            return Err(wrong);
        }
        if openings[..position]
            .iter()
            .any(|earlier| earlier.group == opening.group)
        {
            return Err(wrong);
        }
    }
    let certificate = openings.iter().find(|o| o.group == Group::Certificate);
    match (certificate, bound_salt(openings)) {
        (Some(opening), Some(bound)) if opening.salt != bound => Err(WrongOpening {
            group: Group::HolderId,
        }),
        _ => Ok(()),
    }
}

/// A disclosure that does not fit its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disclosure of {} does not open the record's digest", group.name())]
pub struct WrongOpening {
    /// The group at fault.
    pub group: Group,
}

/// Openings as they travel.
pub fn to_proto(openings: &[Opening]) -> Vec<v1::Disclosure> {
    let field = |(name, value): (&str, &str)| v1::Field {
        name: name.into(),
        value: value.into(),
    };
    openings
        .iter()
        .map(|o| v1::Disclosure {
            group: o.group.number(),
            salt: o.salt.0.to_vec(),
            fields: o.values.iter().flat_map(Values::iter).map(field).collect(),
        })
        .collect()
}

/// Openings as they came; `None` if they are malformed.
pub fn from_proto(disclosures: &[v1::Disclosure]) -> Option<Vec<Opening>> {
    disclosures
        .iter()
        .map(|d| {
            let values = Values::new(d.fields.iter().map(|f| (f.name.as_str(), f.value.as_str())));
            Some(Opening {
                group: Group::from_number(d.group)?,
                salt: Salt(d.salt.as_slice().try_into().ok()?),
                values: (!values.is_empty()).then_some(values),
            })
        })
        .collect()
}

/// A secret symmetric key of 32 bytes, wiped when it is dropped.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// Takes over the bytes of a key file.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Names the key without giving it away: the first 8 bytes of a SHA-256.
    pub fn id(&self) -> [u8; 8] {
        let hash = framing::hash([b"huren/key-id/v1\n".as_slice(), &self.0]);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        id
    }

    /// HMAC-SHA-256 over a domain and parts.
    pub(crate) fn tag(&self, domain: &str, parts: &[&str]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("any length");
        mac.update(&framing::frame([domain.as_bytes()]));
        mac.update(&framing::frame(parts.iter().map(|part| part.as_bytes())));
        mac.finalize().into_bytes().into()
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The tag under which a certificate number is looked up in one node's database.
pub fn number_tag(index_key: &SecretKey, number: &str) -> [u8; 32] {
    index_key.tag("huren/number-tag/v1\n", &[number])
}

/// The tag under which members find a holder's certificates, from the values of `holder_id`.
pub fn holder_tag(holder_key: &SecretKey, holder_id: &Values) -> Option<[u8; 32]> {
    let (kind, number) = (holder_id.get("id_kind")?, holder_id.get("id_number")?);
    Some(holder_key.tag("huren/holder-tag/v1\n", &[kind, number]))
}

/// The tag by which a submission is recognised when it comes again: over the whole
/// normalised content, keyed, because guessable content must not be confirmable.
pub fn submission_tag(index_key: &SecretKey, content: &[u8]) -> [u8; 32] {
    index_key.tag(
        "huren/submission-tag/v1\n",
        &[&hex::encode(Sha256::digest(content))],
    )
}

/// Seals openings for storage: name of the group, salt and canonical values of each one, under
/// XChaCha20-Poly1305 with the at-rest key, bound to their place (origin and leaf hash) so that
/// rows cannot be exchanged.
///
/// # Errors
/// [`SealError`] if encryption fails, which it does for gigantic inputs only.
pub fn seal(
    key: &SecretKey,
    nonce: [u8; 24],
    place: (&Origin, &Hash),
    openings: &[Opening],
) -> Result<Vec<u8>, SealError> {
    let parts = openings.iter().flat_map(|opening| {
        let values = opening.values.as_ref().map(Values::canonical);
        let name = opening.group.name().as_bytes();
        [name, &opening.salt.0, values.unwrap_or_default()]
    });
    let plain = Zeroizing::new(framing::frame(parts));
    let associated = place_bytes(place);
    let payload = Payload {
        msg: &plain,
        aad: &associated,
    };
    let cipher = XChaCha20Poly1305::new(&Key::from(key.0));
    let text = cipher
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| SealError)?;
    Ok([&key.id()[..], &nonce, &text].concat())
}

/// Opens what [`seal`] made.
///
/// # Errors
/// [`SealError`] if it was sealed under another key or at another place, or was changed.
pub fn unseal(
    key: &SecretKey,
    place: (&Origin, &Hash),
    sealed: &[u8],
) -> Result<Vec<Opening>, SealError> {
    let (id, rest) = sealed.split_at_checked(8).ok_or(SealError)?;
    let (nonce, text) = rest.split_at_checked(24).ok_or(SealError)?;
    let nonce: [u8; 24] = nonce.try_into().map_err(|_| SealError)?;
    if id != key.id() {
        return Err(SealError);
    }
    let associated = place_bytes(place);
    let payload = Payload {
        msg: text,
        aad: &associated,
    };
    let cipher = XChaCha20Poly1305::new(&Key::from(key.0));
    let plain = cipher.decrypt(&XNonce::from(nonce), payload);
    let plain = Zeroizing::new(plain.map_err(|_| SealError)?);
    let mut parts = framing::parts(&plain);
    let mut openings = Vec::new();
    while let Some(name) = parts.next() {
        let group = Group::ALL
            .into_iter()
            .find(|group| group.name().as_bytes() == name);
        let (salt, values) = (parts.next(), parts.next());
        openings.push(Opening {
            group: group.ok_or(SealError)?,
            salt: Salt(salt.and_then(|s| s.try_into().ok()).ok_or(SealError)?),
            values: values
                .filter(|values| !values.is_empty())
                .map(|values| Values(values.to_vec())),
        });
    }
    Ok(openings)
}

fn place_bytes((origin, leaf): (&Origin, &Hash)) -> Vec<u8> {
    let domain = b"huren/disclosure/v1\n".as_slice();
    framing::frame([domain, origin.as_str().as_bytes(), leaf.as_bytes()])
}

/// Sealed disclosures that this key and place do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed disclosures do not open: wrong key file, wrong place, or changed bytes")]
pub struct SealError;

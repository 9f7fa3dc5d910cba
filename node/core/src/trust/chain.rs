//! The chain of trust lists, verified from root keys.

use sha2::{Digest as _, Sha256};

use crate::{merkle::Hash, note::Note};

use super::{Authority, RootKeys, TrustError, TrustList, rules};

/// A list that verified.
#[derive(Clone, Debug)]
pub struct SignedTrustList {
    /// Its content.
    pub list: TrustList,
    /// SHA-256 of its text.
    pub digest: Hash,
    note: Note,
    authority: Authority,
}

impl SignedTrustList {
    /// The signed note, as it came.
    pub fn note(&self) -> String {
        self.note.to_string()
    }

    /// Who may sign which records.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// Versions 1 to the newest one, each verified from the one before.
#[derive(Clone, Debug)]
pub struct TrustChain {
    lists: Vec<SignedTrustList>,
}

impl TrustChain {
    /// Verifies a chain of notes, version 1 first.
    ///
    /// # Errors
    /// [`TrustError`] of the first list that does not hold.
    pub fn verify<'a>(
        roots: &RootKeys,
        notes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, TrustError> {
        let mut chain = Self { lists: Vec::new() };
        for note in notes {
            let list = chain.check_next(roots, note)?;
            chain.lists.push(list);
        }
        if chain.lists.is_empty() {
            Err(TrustError::Empty)
        } else {
            Ok(chain)
        }
    }

    /// This chain with one more list, verified from the newest one.
    ///
    /// # Errors
    /// [`TrustError`] if it does not follow.
    pub fn extended(&self, note: &[u8]) -> Result<Self, TrustError> {
        let roots = RootKeys::new(&self.newest().list.root)?;
        let list = self.check_next(&roots, note)?;
        let mut lists = self.lists.clone();
        lists.push(list);
        Ok(Self { lists })
    }

    /// This chain with what `notes` hold beyond it: any run of versions, ascending. Versions
    /// that are held must be the ones held.
    ///
    /// # Errors
    /// [`TrustError`] of the first note that does not fit; then nothing of them counts.
    pub fn joined<'a>(
        &self,
        notes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, TrustError> {
        let mut chain = self.clone();
        for note in notes {
            let parsed = Note::parse(note).map_err(|_| TrustError::Format)?;
            let list = read_text(parsed.text())?;
            match chain.version(list.version) {
                Some(held) if held.digest == digest(parsed.text()) => {}
                Some(_) => return Err(TrustError::HeldDiffers(list.version)),
                None => chain = chain.extended(note)?,
            }
        }
        Ok(chain)
    }

    /// Checks a text that is to become the next list, in everything but its signatures.
    ///
    /// # Errors
    /// [`TrustError`]: root keys must not sign it.
    pub fn check_proposal(held: Option<&Self>, text: &str) -> Result<TrustList, TrustError> {
        let last = held.map(Self::newest);
        let list = read_text(text)?;
        rules::check_place(last, &list)?;
        RootKeys::new(&list.root)?;
        rules::check_content(&list)?;
        if let Some(last) = last {
            rules::check_succession(&last.list, &list)?;
        }
        Ok(list)
    }

    /// `roots` are those to begin with; behind the first list its predecessor's count.
    fn check_next(&self, roots: &RootKeys, note: &[u8]) -> Result<SignedTrustList, TrustError> {
        let note = Note::parse(note).map_err(|_| TrustError::Format)?;
        let list = read_text(note.text())?;
        let last = self.lists.last();
        rules::check_place(last, &list)?;
        match last {
            None => roots.check(&note)?,
            Some(last) => RootKeys::new(&last.list.root)?.check(&note)?,
        }
        RootKeys::new(&list.root)?.check(&note)?;
        rules::check_content(&list)?;
        if let Some(last) = last {
            rules::check_succession(&last.list, &list)?;
        }
        let digest = digest(note.text());
        let authority = Authority::compile(&list);
        Ok(SignedTrustList {
            list,
            digest,
            note,
            authority,
        })
    }

    /// The newest list.
    pub fn newest(&self) -> &SignedTrustList {
        &self.lists[self.lists.len() - 1]
    }

    /// A version, if it is held.
    pub fn version(&self, version: u64) -> Option<&SignedTrustList> {
        self.lists
            .get(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    /// All lists, ascending.
    pub fn lists(&self) -> &[SignedTrustList] {
        &self.lists
    }

    /// The chain as it was when that version was the newest; `None` if it is not held.
    pub fn first(&self, version: u64) -> Option<Self> {
        self.version(version)?;
        let lists = self.up_to(version).to_vec();
        Some(Self { lists })
    }

    /// The chain up to a version.
    pub fn up_to(&self, version: u64) -> &[SignedTrustList] {
        let end = usize::try_from(version)
            .unwrap_or(usize::MAX)
            .min(self.lists.len());
        &self.lists[..end]
    }
}

/// SHA-256 of a list's text: what its successor names.
pub(super) fn digest(text: &str) -> Hash {
    Hash(Sha256::digest(text).into())
}

/// Reads the text that root keys sign.
pub(super) fn read_text(text: &str) -> Result<TrustList, TrustError> {
    let json = text
        .strip_prefix(TrustList::HEADER)
        .and_then(|rest| rest.strip_prefix('\n'))
        .ok_or(TrustError::Format)?;
    serde_json::from_str(json).map_err(|error| TrustError::Content(error.to_string()))
}

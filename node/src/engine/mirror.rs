//! Uploads into mirrored logs (C2SP `tlog-mirror`, "add-entries"). Packages come in by the same
//! check, and the head moves by the same step, as when they are fetched from members.

use bytes::Bytes;
use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    merkle::decode_bundle,
    mirror::{PackageRange, Standing, UploadHeader, UploadRefusal, UploadedPackage, next_entry},
    note::NoteSignature,
    replicate::PACKAGE,
};
use huren_store::{Cosigned, Error as StoreError, LogState};

use super::{Engine, PeerPackage, SyncError, replicate};

/// An upload that was let in.
#[derive(Debug)]
pub struct Upload {
    header: UploadHeader,
    /// What the proofs lead to.
    tree: SignedCheckpoint,
}

impl Upload {
    /// The packages that may follow, in their order.
    pub fn packages(&self) -> impl Iterator<Item = PackageRange> + Send + use<> {
        self.header.packages()
    }
}

/// How an upload ended.
#[derive(Debug)]
pub enum Uploaded {
    /// Everything up to its end is stored: the mirror's cosignature.
    Whole(NoteSignature),
    /// There is more to come: the lines that say from where (`text/x.tlog.mirror-info`).
    Partly(String),
}

/// Why an upload, or a package of one, was not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It breaks a rule.
    #[error("{refusal}")]
    Refused {
        /// Which.
        #[source]
        refusal: UploadRefusal,
        /// How the mirror stands (`text/x.tlog.mirror-info`).
        info: String,
    },
    /// The log contradicted itself.
    #[error("the log contradicted itself and is frozen")]
    Frozen,
    /// The packages are stored, and the head did not move.
    #[error("the replica did not move forward: {0}")]
    Sync(#[from] SyncError),
    /// The store failed. What was stored stays stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<UploadRefusal> for UploadError {
    fn from(refusal: UploadRefusal) -> Self {
        Self::Refused {
            refusal,
            info: String::new(),
        }
    }
}

impl Engine {
    /// Lets an upload in, if what it brings follows on what is held and ends at a checkpoint
    /// that was added.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn begin_upload(&self, header: UploadHeader) -> Result<Upload, UploadError> {
        let signing = self.signing();
        let mirror = signing.mirror(&self.trust(), &self.origin);
        if mirror.is_none() || !self.watched().contains(&header.origin) {
            return Err(UploadRefusal::UnknownLog.into());
        }
        let (state, pending) = self.standing_of(&header.origin).await?;
        if state.frozen.is_some() {
            return Err(UploadError::Frozen);
        }
        let standing = self.standing(&state, &pending).await?;
        standing
            .admit(&header)
            .map_err(|refusal| UploadError::Refused {
                refusal,
                info: standing.info(header.end),
            })?;
        let ends_here = |one: &&Cosigned| one.head.size == header.end;
        let note = match pending.iter().find(ends_here) {
            Some(pending) => &pending.checkpoint,
            None => &state.checkpoint,
        };
        let tree = SignedCheckpoint::parse(note)
            .map_err(|_| StoreError::Corrupt("a checkpoint is damaged"))?;
        Ok(Upload { header, tree })
    }

    /// Checks a package against the upload's tree and stores it.
    ///
    /// # Errors
    /// [`UploadError`]; `Proof` if it is not of the log.
    pub async fn put_uploaded(
        &self,
        upload: &Upload,
        range: &PackageRange,
        package: UploadedPackage,
    ) -> Result<(), UploadError> {
        let origin = &upload.header.origin;
        let UploadedPackage { mut entries, proof } = package;
        if range.before() > 0 {
            let before = self.entries_before(origin, range).await?;
            entries.splice(..0, before);
        }
        let package = PeerPackage {
            number: range.number,
            entries: Bytes::from(entries),
            proof,
        };
        let checked = replicate::check(upload.tree.checkpoint(), range.number, package);
        let proven = checked.map_err(|_| UploadRefusal::Proof)?;
        metrics::counter!("huren_packages_uploaded_total").increment(1);
        self.store.put_packages(origin, vec![proven]).await?;
        Ok(())
    }

    /// Moves the head to the upload's end and cosigns it as the mirror, if everything up to
    /// there is stored.
    ///
    /// # Errors
    /// [`UploadError`]; `BelowHead` if the mirror is beyond the end meanwhile.
    pub async fn end_upload(&self, upload: &Upload) -> Result<Uploaded, UploadError> {
        let UploadHeader { origin, end, .. } = &upload.header;
        loop {
            let (state, pending) = self.standing_of(origin).await?;
            if state.frozen.is_some() {
                return Err(UploadError::Frozen);
            }
            let standing = self.standing(&state, &pending).await?;
            if state.head.size > *end {
                return Err(UploadError::Refused {
                    refusal: UploadRefusal::BelowHead,
                    info: standing.info(*end),
                });
            }
            if standing.next < *end {
                return Ok(Uploaded::Partly(standing.info(*end)));
            }
            if state.head.size == *end
                && let Some(cosignature) = self.cosign_uploaded(upload).await?
            {
                // Behind the head there are the fold and the disclosures.
                self.book.wake(origin);
                return Ok(Uploaded::Whole(cosignature));
            }
            match self.move_to(origin, &upload.tree).await {
                // Another upload or a member's push was faster: see where it stands now.
                Ok(()) | Err(SyncError::Store(StoreError::Conflict)) => {}
                Err(SyncError::Refused(replicate::WITNESS_MOVED)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Cosigns the head as the mirror; `None` if that is not the upload's end any more.
    async fn cosign_uploaded(&self, upload: &Upload) -> Result<Option<NoteSignature>, UploadError> {
        let signing = self.signing();
        let Some(mirror) = signing.mirror(&self.trust(), &self.origin) else {
            return Ok(None);
        };
        let origin = &upload.header.origin;
        self.book.cosign(origin, mirror).await?;
        let entry = self.book.reload(origin).await?;
        let published = entry
            .and_then(|entry| SignedCheckpoint::parse(&entry.state.notes.published).ok())
            .filter(|signed| signed.note().text() == upload.tree.note().text());
        Ok(published.and_then(|signed| {
            let mut lines = signed.note().signatures().iter();
            lines
                .find(|line| line.is_by(mirror.verifier_key()))
                .cloned()
        }))
    }

    async fn standing_of(&self, origin: &Origin) -> Result<(LogState, Vec<Cosigned>), StoreError> {
        let state = self.store.log(origin).await?;
        let state = state.ok_or(StoreError::Corrupt("log is missing"))?;
        Ok((state, self.store.cosigned(origin).await?))
    }

    async fn standing(
        &self,
        state: &LogState,
        pending: &[Cosigned],
    ) -> Result<Standing, StoreError> {
        let from = state.head.size / PACKAGE;
        let held = self.store.held_packages(&state.origin, from..u64::MAX);
        Ok(Standing {
            pending: pending.iter().map(|one| one.head.size).collect(),
            head: state.head.size,
            next: next_entry(state.head.size, &held.await?),
        })
    }

    /// The entries of a package that stand before those uploaded, as they are held.
    async fn entries_before(
        &self,
        origin: &Origin,
        range: &PackageRange,
    ) -> Result<Vec<u8>, StoreError> {
        const MISSING: StoreError = StoreError::Corrupt("entries before an upload are missing");
        let held = self.store.bundle(origin, range.number).await?;
        let held = held.ok_or(MISSING)?.entries;
        let entries = decode_bundle(&held).map_err(|_| MISSING)?;
        let wanted = usize::try_from(range.before()).map_err(|_| MISSING)?;
        let before = entries.get(..wanted).ok_or(MISSING)?;
        let length: usize = before.iter().map(|entry| entry.len() + 2).sum();
        Ok(held.slice(..length).to_vec())
    }
}

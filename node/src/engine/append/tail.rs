//! The end of the own log: read back and re-hashed before anything is signed, and grown
//! by each batch.

use bytes::Bytes;
use huren_core::{
    codes::Date,
    disclosure,
    merkle::{self, Hash, RightEdge, TileId, Tiles as _, decode_bundle, encode_bundle},
    record::{Draft, Envelope},
    replicate::PACKAGE,
};
use huren_proto::v1;
use huren_store::{Bundle, Error as StoreError, Head, Tag};
use prost::Message as _;

use super::Writer;
use crate::engine::prepare::{self, Content, Prepared};

/// The end of the log, as the store has it.
pub(in crate::engine) struct Tail {
    pub(super) head: Head,
    edge: RightEdge,
    /// Leaves of the last bundle while it is not full.
    open: Vec<Vec<u8>>,
    /// Trust-list version that the log has adopted.
    pub(super) adopted: u64,
}

/// What of the tree has to be written for new leaves.
pub(super) struct Growth {
    /// New and widened bundles.
    pub bundles: Vec<Bundle>,
    /// New and widened tiles.
    pub tiles: Vec<(TileId, Vec<Hash>)>,
}

impl Tail {
    /// Takes leaves in. They are in no log yet: a tail whose growth was not written is of no use.
    pub(super) fn grow(
        &mut self,
        leaves: Vec<Vec<u8>>,
        hashes: &[Hash],
    ) -> Result<Growth, StoreError> {
        let tiles = self.edge.append(hashes);
        let mut number = self.head.size / PACKAGE;
        let mut bundles = Vec::new();
        for leaf in leaves {
            self.open.push(leaf);
            if self.open.len() as u64 == PACKAGE {
                bundles.push(bundle(number, &self.open)?);
                self.open.clear();
                number += 1;
            }
        }
        if !self.open.is_empty() {
            bundles.push(bundle(number, &self.open)?);
        }
        self.head = Head {
            size: self.edge.size(),
            root: self.edge.root(),
        };
        Ok(Growth { bundles, tiles })
    }
}

impl Writer {
    /// Reads the end of the log back, re-hashes it and checks it before anything is signed.
    pub(super) async fn read_tail(&self) -> Result<Tail, StoreError> {
        let state = self
            .store
            .log(&self.origin)
            .await?
            .ok_or(StoreError::Corrupt("the own log is missing"))?;
        let head = state.head;
        let tiles = self
            .store
            .tiles(&self.origin, &RightEdge::tiles(head.size))
            .await?;
        let edge = RightEdge::load(head.size, &tiles)
            .map_err(|_| StoreError::Corrupt("a tile of the right edge is missing"))?;
        if edge.root() != head.root {
            return Err(StoreError::Corrupt(
                "the right edge does not hash to the signed root",
            ));
        }
        let mut open = Vec::new();
        if !head.size.is_multiple_of(PACKAGE) {
            let held = self.store.bundle(&self.origin, head.size / PACKAGE).await?;
            let held = held.ok_or(StoreError::Corrupt("the last bundle is missing"))?;
            open = decode_bundle(&held.entries)
                .map_err(|_| StoreError::Corrupt("the last bundle"))?
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect();
            let hashes: Vec<Hash> = open.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
            let tile = TileId::in_tree(0, head.size / PACKAGE, head.size);
            let tile = tile.and_then(|id| tiles.tile(id).map(|tile| &tile[..id.width().into()]));
            if tile != Some(&hashes) {
                return Err(StoreError::Corrupt(
                    "the last bundle does not hash to its tile",
                ));
            }
        }
        // A crash between the transaction and the high-water file: catch up before going on.
        self.mark(head, state.checkpoint).await?;
        let adopted = self
            .store
            .adoptions(&self.origin)
            .await?
            .last()
            .map_or(0, |a| a.version);
        self.book.reload(&self.origin).await?;
        Ok(Tail {
            head,
            edge,
            open,
            adopted,
        })
    }

    /// Reads the end of the log, and adopts the newest trust list in it unless that has been
    /// adopted.
    pub(in crate::engine) async fn open(&mut self) -> Result<(), StoreError> {
        if self.tail.is_none() {
            self.tail = Some(self.read_tail().await?);
        }
        let chain = self.trust.borrow().clone();
        let newest = chain.newest();
        let adopted = self
            .store
            .adoptions(&self.origin)
            .await?
            .last()
            .map_or(0, |a| a.version);
        if adopted >= newest.list.version {
            return Ok(());
        }
        let Some(member) = newest.list.member_of(&self.origin) else {
            return Err(StoreError::Corrupt(
                "this node's log is not in the trust list",
            ));
        };
        let today = Date::today_in_shanghai(self.clock.now().cast_signed());
        let draft = Draft {
            envelope: Envelope {
                kind: v1::Kind::TrustListAdoption as i32,
                writer_region: member
                    .province()
                    .ok_or(StoreError::Corrupt("member region"))?,
                provenance: v1::Provenance::Issued,
                effective_date: today.as_yyyymmdd(),
                target: None,
                previous: None,
            },
            body: v1::TrustListAdoption {
                version: newest.list.version,
                digest: newest.digest.0.to_vec(),
            }
            .encode_to_vec(),
        };
        let signing = self.signing.borrow().clone();
        let size = self.tail.as_ref().map_or(0, |tail| tail.head.size);
        // The list speaks for its own adoption.
        let place = (newest.list.version, size);
        let signer = signing.record_at(&chain, &self.origin, place);
        let leaf = prepare::sign(&draft, self.origin.as_str(), signer)
            .map_err(|_| StoreError::Corrupt("adoption record"))?;
        let of_key = |key| Tag(disclosure::submission_tag(key, &newest.digest.0));
        let prepared = Prepared {
            tags: self.keys.index.keys().iter().map(of_key).collect(),
            content: Content::Public(leaf),
        };
        for placed in self.place(vec![prepared]).await? {
            if let Err(error) = placed {
                tracing::error!(
                    code = error.code(),
                    "the trust list cannot be adopted: {error}"
                );
                return Err(StoreError::Corrupt("the trust list cannot be adopted"));
            }
        }
        Ok(())
    }
}

fn bundle(number: u64, leaves: &[Vec<u8>]) -> Result<Bundle, StoreError> {
    let entries = encode_bundle(leaves.iter().map(Vec::as_slice))
        .map_err(|_| StoreError::Corrupt("a leaf is too large"))?;
    let width = u16::try_from(leaves.len()).unwrap_or(u16::MAX);
    Ok(Bundle {
        number,
        width,
        entries: Bytes::from(entries),
    })
}

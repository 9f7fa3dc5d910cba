//! FederationService.

use std::{collections::HashMap, ops::Range, sync::Arc};

use futures::{Stream, StreamExt as _, stream};
use huren_core::{
    audit::{Act, AuditAction, DONE},
    checkpoint::Origin,
    replicate::PACKAGE,
};
use huren_proto::v1::{self, federation_service_server::FederationService};
use tonic::{Request, Response, Status};

use crate::engine::{Book, Engine};

use super::{Context, access, refuse, streams::Answers};

/// Packages in one call at most.
const MAX_PACKAGES: u32 = 64;
/// Leaves whose disclosures are given in one call at most.
const MAX_DISCLOSURES: u64 = 16_384;

pub(super) struct Service(pub(super) Context);

#[tonic::async_trait]
impl FederationService for Service {
    type WatchHeadsStream = Answers<v1::WatchHeadsResponse>;

    async fn watch_heads(
        &self,
        request: Request<v1::WatchHeadsRequest>,
    ) -> Result<Response<Self::WatchHeadsStream>, Status> {
        let heads = changed_heads(Arc::clone(self.0.engine.book()));
        let (context, who) = (self.0.clone(), access::who(&request)?);
        // A member that left the federation hears nothing of it any more.
        let heads = heads.map(move |head| {
            context.still(&who)?;
            Ok(v1::WatchHeadsResponse { head: Some(head) })
        });
        let stop = self.0.stop.clone().cancelled_owned();
        Ok(Response::new(Box::pin(heads.take_until(stop))))
    }

    async fn get_heads(
        &self,
        _: Request<v1::GetHeadsRequest>,
    ) -> Result<Response<v1::GetHeadsResponse>, Status> {
        let book = self.0.engine.book();
        let entries = book.entries();
        let heads = entries.iter().map(|entry| book.head(entry)).collect();
        Ok(Response::new(v1::GetHeadsResponse { heads }))
    }

    type GetPackagesStream = Answers<v1::GetPackagesResponse>;

    async fn get_packages(
        &self,
        request: Request<v1::GetPackagesRequest>,
    ) -> Result<Response<Self::GetPackagesStream>, Status> {
        let asked = request.into_inner();
        let origin = self.held(&asked.origin, asked.tree_size)?;
        if asked.count == 0 || asked.count > MAX_PACKAGES {
            return Err(refuse::bad_argument(
                "PACKAGE_COUNT",
                "count",
                "1 to 64 packages a call",
            ));
        }
        let numbers = asked.first_package..asked.first_package.saturating_add(asked.count.into());
        let engine = Arc::clone(&self.0.engine);
        let under_way = engine.giving(u64::from(asked.count) * PACKAGE);
        let packages = stream::iter(numbers).then(move |number| {
            let _until_the_last = &under_way;
            let (engine, origin) = (Arc::clone(&engine), origin.clone());
            async move { package(&engine, &origin, number, asked.tree_size).await }
        });
        Ok(Response::new(Box::pin(packages)))
    }

    async fn get_consistency(
        &self,
        request: Request<v1::GetConsistencyRequest>,
    ) -> Result<Response<v1::GetConsistencyResponse>, Status> {
        let asked = request.into_inner();
        let origin = self.held(&asked.origin, asked.new_size)?;
        if asked.old_size == 0 || asked.old_size > asked.new_size {
            return Err(refuse::bad_argument("SIZES", "old_size", "1 to new_size"));
        }
        let reader = self.0.engine.proofs();
        let proof = reader
            .consistency(&origin, asked.old_size, asked.new_size)
            .await;
        let proof = proof.map_err(|error| refuse::store(&error))?;
        let proof = proof.ok_or_else(|| refuse::not_held("PROOF_NOT_HELD"))?;
        let proof = proof.into_iter().map(|hash| hash.0.to_vec()).collect();
        Ok(Response::new(v1::GetConsistencyResponse { proof }))
    }

    type GetDisclosuresStream = Answers<v1::GetDisclosuresResponse>;

    async fn get_disclosures(
        &self,
        request: Request<v1::GetDisclosuresRequest>,
    ) -> Result<Response<Self::GetDisclosuresStream>, Status> {
        let who = access::who(&request)?;
        let asked = request.into_inner();
        let origin = origin(&asked.origin)?;
        let range = asked.first_index..asked.end_index;
        let disclosed = self
            .0
            .engine
            .book()
            .shown(&origin)
            .map_or(0, |e| e.disclosed());
        if range.is_empty() || range.end - range.start > MAX_DISCLOSURES || range.end > disclosed {
            let en = "a range of 1 to 16384 leaves, up to the disclosed size";
            return Err(refuse::bad_argument("DISCLOSURE_RANGE", "end_index", en));
        }
        let act = Act::new(who.actor.clone(), AuditAction::DisclosuresSent)
            .outcome(DONE)
            .method(who.method)
            .log(&origin)
            .count(range.end - range.start);
        self.0.engine.audit().note(act);
        let engine = Arc::clone(&self.0.engine);
        let under_way = engine.giving(range.end - range.start);
        let pages = stream::iter(pages(range)).then(move |page| {
            let _until_the_last = &under_way;
            let (engine, origin) = (Arc::clone(&engine), origin.clone());
            async move {
                let page = engine.disclosures(&origin, page).await;
                page.map_err(|error| refuse::store(&error))
            }
        });
        Ok(Response::new(Box::pin(pages)))
    }

    async fn get_trust_lists(
        &self,
        request: Request<v1::GetTrustListsRequest>,
    ) -> Result<Response<v1::GetTrustListsResponse>, Status> {
        let first = request.into_inner().first_version;
        let trust = self.0.engine.trust();
        let lists = trust
            .lists()
            .iter()
            .filter(|list| list.list.version >= first);
        let lists = lists.map(|list| list.note().into_bytes()).collect();
        Ok(Response::new(v1::GetTrustListsResponse { lists }))
    }
}

impl Service {
    /// The log, if it is held here up to a size.
    fn held(&self, name: &str, size: u64) -> Result<Origin, Status> {
        let origin = origin(name)?;
        let entry = self.0.engine.book().shown(&origin);
        match entry {
            Some(entry) if size <= entry.state.head.size => Ok(origin),
            Some(_) => Err(refuse::not_held("SIZE_NOT_HELD")),
            None => Err(refuse::not_held("LOG_NOT_HELD")),
        }
    }
}

fn origin(name: &str) -> Result<Origin, Status> {
    let parsed = name.parse();
    parsed.map_err(|_| refuse::bad_argument("ORIGIN", "origin", "the origin of a log"))
}

async fn package(
    engine: &Engine,
    origin: &Origin,
    number: u64,
    size: u64,
) -> Result<v1::GetPackagesResponse, Status> {
    let package = engine.proofs().package(origin, number, size).await;
    let package = package.map_err(|error| refuse::store(&error))?;
    let (entries, proof) = package.ok_or_else(|| refuse::not_held("PACKAGE_NOT_HELD"))?;
    let proof = proof.into_iter().map(|hash| hash.0.to_vec()).collect();
    Ok(v1::GetPackagesResponse {
        package: number,
        entries,
        proof,
    })
}

/// Pages of a range, aligned so that each reads whole bundles.
fn pages(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut next = range.start;
    std::iter::from_fn(move || {
        let start = next;
        next = range
            .end
            .min((start / Engine::DISCLOSURE_PAGE + 1) * Engine::DISCLOSURE_PAGE);
        (start < range.end).then_some(start..next)
    })
}

/// The heads of all logs, then every head that changes. However fast a log grows, a slow
/// listener gets its newest head and not a queue of old ones.
fn changed_heads(book: Arc<Book>) -> impl Stream<Item = v1::Head> {
    let changes = book.changes();
    let sent: HashMap<String, v1::Head> = HashMap::new();
    stream::unfold(
        (book, changes, sent),
        |(book, mut changes, mut sent)| async move {
            loop {
                changes.mark_unchanged();
                let heads: Vec<v1::Head> = book
                    .entries()
                    .iter()
                    .map(|entry| book.head(entry))
                    .filter(|head| sent.get(&head.origin) != Some(head))
                    .collect();
                if !heads.is_empty() {
                    sent.extend(heads.iter().map(|head| (head.origin.clone(), head.clone())));
                    return Some((stream::iter(heads), (book, changes, sent)));
                }
                changes.changed().await.ok()?;
            }
        },
    )
    .flatten()
}

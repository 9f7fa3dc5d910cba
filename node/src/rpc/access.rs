//! Who calls, and what that caller may do.

use huren_core::codes::Region;
use huren_proto::v1::Kind;
use tonic::{Request, Status};

use crate::tls::PeerIdentity;

use super::{Caller, CallerRole, Context, refuse};

impl Context {
    /// The key of the caller's certificate. Every connection has one: the handshake sees to it.
    fn peer<T>(request: &Request<T>) -> Result<PeerIdentity, Status> {
        let peer = request.extensions().get::<PeerIdentity>().copied();
        peer.ok_or_else(refuse::unauthenticated)
    }

    fn member_of(&self, peer: PeerIdentity) -> Option<String> {
        let trust = self.engine.trust();
        let key = peer.spki_sha256.to_string();
        let mut members = trust.newest().list.members.iter();
        members
            .find(|m| m.tls_keys.contains(&key))
            .map(|m| m.region.clone())
    }

    fn caller_of(&self, peer: PeerIdentity) -> Option<&Caller> {
        self.callers
            .iter()
            .find(|caller| caller.tls_key == peer.spki_sha256)
    }

    /// The member that calls, by the TLS key that the trust list names for it.
    pub(super) fn member<T>(&self, request: &Request<T>) -> Result<String, Status> {
        let member = self.member_of(Self::peer(request)?);
        member.ok_or_else(|| refuse::not_permitted("CALLER_NOT_MEMBER"))
    }

    /// The caller that may write, by the TLS key that the configuration names.
    pub(super) fn issuer<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let caller = self.caller_of(Self::peer(request)?).cloned();
        caller
            .filter(|caller| caller.roles.contains(&CallerRole::Issuer))
            .ok_or_else(|| refuse::not_permitted("CALLER_NOT_ISSUER"))
    }

    /// Whoever may ask for verdicts: members, and callers of the configuration.
    pub(super) fn verifier<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let peer = Self::peer(request)?;
        let caller = self.caller_of(peer);
        let allowed = caller
            .is_some_and(|caller| caller.roles.iter().any(|role| *role != CallerRole::Issuer));
        if allowed || self.member_of(peer).is_some() {
            Ok(())
        } else {
            Err(refuse::not_permitted("CALLER_NOT_VERIFIER"))
        }
    }

    /// The operator of this node.
    pub(super) fn operator<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let caller = self.caller_of(Self::peer(request)?);
        let operates = caller.is_some_and(|c| c.roles.contains(&CallerRole::Operator));
        if operates {
            Ok(())
        } else {
            Err(refuse::not_permitted("CALLER_NOT_OPERATOR"))
        }
    }
}

/// Whether a caller may submit that: allowed by kind and region.
pub(super) fn may_submit(caller: &Caller, kind: Kind, writer_region: &str) -> bool {
    Region::parse(writer_region).is_ok_and(|region| caller.may_write(kind, &region))
}

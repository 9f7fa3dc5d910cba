//! Who calls, and what that caller may do: one table of all calls, and one gate before them.
//!
//! A call that is not in the table is not served. What is refused, here or behind, is in the
//! audit trail.

use std::{net::IpAddr, sync::Arc};

use http::{Extensions, HeaderMap, header::AUTHORIZATION};
use huren_core::{
    access::{Kinds, Need, Rights, Role, permit},
    audit::{Act, Actor, AuditAction},
    codes::Region,
    merkle::Hash,
    token::{Presented, TokenRefused},
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::{
    engine::{Engine, network},
    tls::{Remote, SpkiSha256},
};

use super::{Context, refuse};

/// Every call and what it needs.
pub(super) const CALLS: &[(&str, Need)] = &[
    ("/grpc.health.v1.Health/Check", Need::Anyone),
    ("/grpc.health.v1.Health/List", Need::Anyone),
    ("/grpc.health.v1.Health/Watch", Need::Anyone),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        Need::Anyone,
    ),
    ("/huren.v1.FederationService/WatchHeads", Need::Member),
    ("/huren.v1.FederationService/GetHeads", Need::Member),
    ("/huren.v1.FederationService/GetPackages", Need::Member),
    ("/huren.v1.FederationService/GetConsistency", Need::Member),
    ("/huren.v1.FederationService/GetDisclosures", Need::Member),
    ("/huren.v1.FederationService/GetTrustLists", Need::Member),
    ("/huren.v1.IssuanceService/Submit", Need::Issuer),
    ("/huren.v1.IssuanceService/SubmitMany", Need::Issuer),
    ("/huren.v1.VerificationService/Verify", Need::Verifier),
    ("/huren.v1.VerificationService/VerifyMany", Need::Verifier),
    ("/huren.v1.RecognitionService/Decide", Need::Verifier),
    ("/huren.v1.RecognitionService/DecideMany", Need::Verifier),
    (
        "/huren.v1.RecognitionService/WatchDecisions",
        Need::Verifier,
    ),
    ("/huren.v1.RegistryService/ListEntries", Need::Known),
    ("/huren.v1.StatisticsService/GetStatistics", Need::Known),
    ("/huren.v1.MonitoringService/ListAlerts", Need::Statistician),
    ("/huren.v1.OperatorService/GetStatus", Need::Oversight),
    ("/huren.v1.OperatorService/GetEvidence", Need::Oversight),
    ("/huren.v1.OperatorService/ListQuarantined", Need::Oversight),
    ("/huren.v1.OperatorService/ListImports", Need::Oversight),
    ("/huren.v1.OperatorService/GetErasure", Need::Oversight),
    ("/huren.v1.OperatorService/ListAudit", Need::Oversight),
    ("/huren.v1.OperatorService/ListTokens", Need::Oversight),
    ("/huren.v1.OperatorService/ReleaseLog", Need::Operator),
    ("/huren.v1.OperatorService/ExportPerson", Need::Operator),
    (
        "/huren.v1.OperatorService/ShareCertificates",
        Need::Operator,
    ),
    ("/huren.v1.OperatorService/CreateToken", Need::Operator),
    ("/huren.v1.OperatorService/RevokeToken", Need::Operator),
];

/// Who makes a call, and may: the gate puts it into the request's extensions.
#[derive(Clone, Debug)]
pub(super) struct Who {
    /// For the audit trail.
    pub(super) actor: Actor,
    /// The call, as [`CALLS`] has it.
    pub(super) method: &'static str,
    /// The member that calls.
    pub(super) member: Option<Region>,
    /// What it may do, if it is no member.
    pub(super) rights: Arc<Rights>,
    /// How it is known.
    credential: Credential,
}

#[derive(Clone, Debug)]
enum Credential {
    /// A verified certificate of that key.
    Key(SpkiSha256),
    /// The token of that id.
    Token(String),
    /// None.
    Nothing,
}

/// Who calls, whatever they may do.
struct Known {
    actor: Actor,
    member: Option<Region>,
    rights: Arc<Rights>,
    credential: Credential,
    /// Whether it is somebody that the node knows.
    is_known: bool,
}

/// A refused call, and who made it as far as that is known.
pub(super) struct Refusal {
    pub(super) actor: Actor,
    pub(super) method: &'static str,
    pub(super) status: Status,
}

/// Who makes a call that came through the gate.
pub(super) fn who<T>(request: &Request<T>) -> Result<Who, Status> {
    let who = request.extensions().get::<Who>().cloned();
    who.ok_or_else(refuse::unauthenticated)
}

impl Who {
    /// Whether this is another process of the same node, which has let in, and written down,
    /// what it passes on.
    pub(super) fn is_same_node(&self, engine: &Engine) -> bool {
        self.member == Some(engine.region())
    }
}

impl Context {
    /// Whether a call may be made: who is it, how often did they call, may they.
    pub(super) fn authorise(
        &self,
        path: &str,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Who, Refusal> {
        let call = CALLS.iter().find(|(method, _)| *method == path);
        let (method, need) = match call {
            Some((method, need)) => (*method, Some(*need)),
            None => ("", None),
        };
        let remote = extensions.get::<Remote>().copied();
        let address = remote.map_or(IpAddr::from([0, 0, 0, 0]), |remote| remote.address);
        let known = match self.identify(headers, remote) {
            Ok(known) => known,
            Err(refused) => {
                // Who guesses tokens is slowed down as everybody is whom nobody knows.
                let limited = self.unknown_rate.take(&network(address), self.now());
                let status = limited.map_or_else(refuse::rate_limited, |()| refuse::token(refused));
                return Err(Refusal {
                    actor: Actor::Unknown,
                    method,
                    status,
                });
            }
        };
        let refusal = |status| Refusal {
            actor: known.actor.clone(),
            method,
            status,
        };
        let now = self.now();
        let taken = if known.is_known {
            self.known_rate.take(&known.actor, now)
        } else {
            self.unknown_rate.take(&network(address), now)
        };
        taken.map_err(|seconds| refusal(refuse::rate_limited(seconds)))?;
        let need = need.ok_or_else(|| refusal(refuse::no_such_method()))?;
        let is_nobody = matches!(known.credential, Credential::Nothing);
        if is_nobody && need != Need::Anyone {
            return Err(refusal(refuse::unauthenticated()));
        }
        let province = self.engine.region();
        permit(need, known.member.is_some(), &known.rights, &province)
            .map_err(|denied| refusal(refuse::not_permitted(denied.code())))?;
        Ok(Who {
            actor: known.actor,
            method,
            member: known.member,
            rights: known.rights,
            credential: known.credential,
        })
    }

    fn identify(&self, headers: &HeaderMap, remote: Option<Remote>) -> Result<Known, TokenRefused> {
        // A token that is presented is what counts, whatever certificate there is: otherwise its
        // holder could not tell under which of the two the call was judged.
        if let Some(value) = headers.get(AUTHORIZATION) {
            let presented = bearer(value.as_bytes()).and_then(Presented::read);
            let presented = presented.ok_or(TokenRefused::Unknown)?;
            let token = self.engine.tokens().admit(&presented)?;
            return Ok(Known {
                actor: Actor::Token(token.id.clone()),
                member: None,
                rights: Arc::new(token.rights.clone()),
                credential: Credential::Token(token.id.clone()),
                is_known: true,
            });
        }
        let nobody = || {
            Arc::new(Rights {
                roles: Vec::new(),
                kinds: Kinds::Only(Vec::new()),
                regions: Vec::new(),
            })
        };
        let Some(key) = remote.and_then(|remote| remote.key) else {
            return Ok(Known {
                actor: Actor::Unknown,
                member: None,
                rights: nobody(),
                credential: Credential::Nothing,
                is_known: false,
            });
        };
        let member = self.member_of(key);
        let caller = self.callers.iter().find(|caller| caller.tls_key == key);
        // Another process of this very node, which let in what it passes on.
        let is_own = member == Some(self.engine.region());
        let actor = match (&member, caller) {
            (Some(region), _) => Actor::Member(region.to_string()),
            (None, Some(caller)) => Actor::Caller(caller.name.clone()),
            (None, None) => Actor::Key(Hash(key.0)),
        };
        Ok(Known {
            is_known: member.is_some() || caller.is_some(),
            actor,
            member,
            rights: match caller {
                _ if is_own => Arc::new(Rights {
                    roles: vec![Role::Issuer],
                    kinds: Kinds::All,
                    regions: vec![self.engine.region()],
                }),
                Some(caller) => Arc::new(caller.rights.clone()),
                None => nobody(),
            },
            credential: Credential::Key(key),
        })
    }

    /// The member that the trust list in force names a TLS key for.
    fn member_of(&self, key: SpkiSha256) -> Option<Region> {
        let trust = self.engine.trust();
        let key = key.to_string();
        let mut members = trust.newest().list.members.iter();
        let member = members.find(|member| member.tls_keys.contains(&key))?;
        Region::parse(&member.region).ok()
    }

    /// Whether somebody may go on with a stream that was opened a while ago: its token may have
    /// been revoked, its member may have left.
    pub(super) fn still(&self, who: &Who) -> Result<(), Status> {
        match &who.credential {
            Credential::Token(id) => {
                let token = self.engine.tokens().is_in_force(id);
                token.map_err(refuse::token)
            }
            Credential::Key(key) if who.member.is_some() && self.member_of(*key).is_none() => {
                Err(refuse::not_permitted("CALLER_NOT_MEMBER"))
            }
            Credential::Key(_) | Credential::Nothing => Ok(()),
        }
        .inspect_err(|status| self.note_refusal(&who.actor, who.method, status))
    }

    /// Waits until somebody may send the next message of a stream, as often as calls may be
    /// made: the stream fills up behind it, and so the sender is slowed down.
    pub(super) async fn pace(&self, who: &Who) {
        while let Err(seconds) = self.known_rate.take(&who.actor, self.now()) {
            let pause = std::time::Duration::from_secs(seconds);
            self.engine.clock().sleep(pause).await;
        }
    }

    /// Writes down that a call was refused, if that is what a status says.
    pub(super) fn note_refusal(&self, actor: &Actor, method: &'static str, status: &Status) {
        let is_refusal = matches!(
            status.code(),
            Code::Unauthenticated
                | Code::PermissionDenied
                | Code::ResourceExhausted
                | Code::InvalidArgument
                | Code::OutOfRange
                | Code::FailedPrecondition
                | Code::AlreadyExists
                | Code::Unimplemented
        );
        if is_refusal {
            let reason = status.get_details_error_info().map(|info| info.reason);
            let act = Act::new(actor.clone(), AuditAction::CallRefused)
                .outcome(&reason.unwrap_or_default())
                .method(method);
            self.engine.audit().note(act);
        }
    }

    fn now(&self) -> u64 {
        self.engine.clock().now()
    }
}

/// The token of an `authorization` header (RFC 6750 section 2.1).
fn bearer(value: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// A call that is added and not put into the table would not be served; one that is put
    /// into it under a wrong name would be served to nobody.
    #[test]
    fn every_call_has_its_place_in_the_table() {
        let files = FileDescriptorSet::decode(huren_proto::DESCRIPTORS)
            .unwrap()
            .file;
        let mut calls = BTreeSet::new();
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    calls.insert(path);
                }
            }
        }
        assert!(calls.len() > 12);
        let listed: Vec<&str> = CALLS.iter().map(|(method, _)| *method).collect();
        let unique: BTreeSet<&str> = listed.iter().copied().collect();
        assert_eq!(unique.len(), listed.len());
        let own = listed.iter().filter(|path| path.starts_with("/huren."));
        let own: BTreeSet<String> = own.map(|path| (*path).to_owned()).collect();
        assert_eq!(own, calls);
    }

    #[test]
    fn nobody_but_health_and_reflection_is_open_to_anyone() {
        let open = CALLS.iter().filter(|(_, need)| *need == Need::Anyone);
        for (method, _) in open {
            assert!(method.starts_with("/grpc."), "{method}");
        }
    }

    #[test]
    fn tokens_come_as_bearers() {
        let check = |value: &str, expected| assert_eq!(bearer(value.as_bytes()), expected);
        check("Bearer hrt_a", Some("hrt_a"));
        check("bearer hrt_a", Some("hrt_a"));
        check("Basic hrt_a", None);
        check("hrt_a", None);
        check("", None);
        assert_eq!(bearer(&[0xff, b' ', b'x']), None);
    }
}

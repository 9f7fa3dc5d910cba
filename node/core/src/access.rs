//! Who may do what: roles, each with regions for which it holds.

use huren_proto::v1::Kind;
use serde::{Deserialize, Serialize};

use crate::{codes::Region, trust::kind_name};

/// What somebody may do who is no member. That a member is one, its TLS key says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Writes records.
    Issuer,
    /// Asks for verdicts.
    Verifier,
    /// Asks for statistics.
    Statistician,
    /// Reads the audit trail and the state of the node, and changes nothing.
    Auditor,
    /// Steers the node.
    Operator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [
        Self::Issuer,
        Self::Verifier,
        Self::Statistician,
        Self::Auditor,
        Self::Operator,
    ];

    /// Its name in configurations and tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Verifier => "verifier",
            Self::Statistician => "statistician",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Kinds of records that an issuer may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Every kind, later ones included.
    All,
    /// These.
    Only(Vec<Kind>),
}

impl Kinds {
    /// Reads names such as `certificate`, or `*` for all.
    ///
    /// # Errors
    /// The first that names no kind.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut kinds = Vec::new();
        for name in names {
            if name == "*" {
                return Ok(Self::All);
            }
            kinds.push(kind_named(name).ok_or(name)?);
        }
        Ok(Self::Only(kinds))
    }

    /// The names of its kinds.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::All => vec!["*".to_owned()],
            Self::Only(kinds) => kinds.iter().map(|kind| kind_name((*kind).into())).collect(),
        }
    }

    fn contain(&self, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kinds.contains(&kind),
        }
    }
}

fn kind_named(name: &str) -> Option<Kind> {
    let kind = Kind::from_str_name(&format!("KIND_{}", name.to_uppercase()))?;
    // Only the spelling that is written elsewhere too, and not the kind that is never valid.
    (kind != Kind::Unspecified && kind_name(kind.into()) == name).then_some(kind)
}

/// What a caller or the holder of a token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// As what.
    pub roles: Vec<Role>,
    /// Which kinds of records it may write, if it issues.
    pub kinds: Kinds,
    /// For whom, each with all regions in it. None: an issuer writes for nobody, and everybody
    /// else acts for the node's province.
    pub regions: Vec<Region>,
}

impl Rights {
    /// Whether it has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether it may write a record of this kind on behalf of this region.
    pub fn may_write(&self, kind: Kind, region: &Region) -> bool {
        self.has(Role::Issuer)
            && self.kinds.contain(kind)
            && self.regions.iter().any(|own| own.contains(region))
    }

    /// Whether it may act for a region at the node of a province.
    pub fn covers(&self, region: &Region, province: &Region) -> bool {
        if self.regions.is_empty() {
            return province.contains(region);
        }
        self.regions.iter().any(|own| own.contains(region))
    }
}

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells nothing about persons and changes nothing.
    Anyone,
    /// Anybody whom the node knows.
    Known,
    /// A member of the federation.
    Member,
    /// An issuer. For which kinds and regions, the submission says.
    Issuer,
    /// A verifier, or a member that asks on somebody's behalf.
    Verifier,
    /// A statistician, or a member.
    Statistician,
    /// An auditor or operator, for the whole province.
    Oversight,
    /// An operator, for the whole province.
    Operator,
}

/// Why a call is not permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody who is known here.
    #[error("only members and callers of this node may call this")]
    NotKnown,
    /// No member.
    #[error("only members of the federation may call this")]
    NotMember,
    /// No issuer.
    #[error("only issuers may call this")]
    NotIssuer,
    /// No verifier.
    #[error("only verifiers may call this")]
    NotVerifier,
    /// No statistician.
    #[error("only statisticians may call this")]
    NotStatistician,
    /// Neither auditor nor operator.
    #[error("only auditors and operators may call this")]
    NotAuditor,
    /// No operator.
    #[error("only operators may call this")]
    NotOperator,
    /// The role does not hold for that region.
    #[error("the role does not hold for that region")]
    Region,
}

impl Denied {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotKnown => "CALLER_NOT_KNOWN",
            Self::NotMember => "CALLER_NOT_MEMBER",
            Self::NotIssuer => "CALLER_NOT_ISSUER",
            Self::NotVerifier => "CALLER_NOT_VERIFIER",
            Self::NotStatistician => "CALLER_NOT_STATISTICIAN",
            Self::NotAuditor => "CALLER_NOT_AUDITOR",
            Self::NotOperator => "CALLER_NOT_OPERATOR",
            Self::Region => "CALLER_REGION",
        }
    }
}

/// Whether somebody may make a call at the node of a province. Members have no rights of their
/// own, and others are no members.
///
/// # Errors
/// [`Denied`] says what is lacking.
pub fn permit(
    need: Need,
    is_member: bool,
    rights: &Rights,
    province: &Region,
) -> Result<(), Denied> {
    let has = |role| rights.has(role);
    let (holds, lacking, is_for_all) = match need {
        Need::Anyone => (true, Denied::NotMember, false),
        Need::Known => (
            is_member || !rights.roles.is_empty(),
            Denied::NotKnown,
            false,
        ),
        Need::Member => (is_member, Denied::NotMember, false),
        Need::Issuer => (has(Role::Issuer), Denied::NotIssuer, false),
        Need::Verifier => (is_member || has(Role::Verifier), Denied::NotVerifier, false),
        Need::Statistician => (
            is_member || has(Role::Statistician),
            Denied::NotStatistician,
            false,
        ),
        Need::Oversight => (
            has(Role::Auditor) || has(Role::Operator),
            Denied::NotAuditor,
            true,
        ),
        Need::Operator => (has(Role::Operator), Denied::NotOperator, true),
    };
    match () {
        () if !holds => Err(lacking),
        () if is_for_all && !rights.covers(province, province) => Err(Denied::Region),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(code: &str) -> Region {
        Region::parse(code).unwrap()
    }

    fn rights(roles: &[Role], regions: &[&str]) -> Rights {
        Rights {
            roles: roles.to_vec(),
            kinds: Kinds::All,
            regions: regions.iter().map(|code| region(code)).collect(),
        }
    }

    #[test]
    fn every_role_does_what_is_its_own_and_nothing_else() {
        use Need::{Anyone, Issuer, Known, Member, Operator, Oversight, Statistician, Verifier};
        let needs = [
            Anyone,
            Known,
            Member,
            Issuer,
            Verifier,
            Statistician,
            Oversight,
            Operator,
        ];
        let check = |is_member, roles: &[Role], allowed: &[Need]| {
            for need in needs {
                let rights = rights(roles, &["33"]);
                let permitted = permit(need, is_member, &rights, &Region::ZHEJIANG);
                assert_eq!(
                    permitted.is_ok(),
                    allowed.contains(&need),
                    "{roles:?} {need:?}"
                );
            }
        };
        check(false, &[], &[Anyone]);
        check(true, &[], &[Anyone, Known, Member, Verifier, Statistician]);
        check(false, &[Role::Issuer], &[Anyone, Known, Issuer]);
        check(false, &[Role::Verifier], &[Anyone, Known, Verifier]);
        check(false, &[Role::Statistician], &[Anyone, Known, Statistician]);
        check(false, &[Role::Auditor], &[Anyone, Known, Oversight]);
        check(
            false,
            &[Role::Operator],
            &[Anyone, Known, Oversight, Operator],
        );
        let both = [Role::Issuer, Role::Auditor];
        check(false, &both, &[Anyone, Known, Issuer, Oversight]);
    }

    #[test]
    fn who_oversees_does_so_for_the_whole_province() {
        let check = |regions: &[&str], expected| {
            for need in [Need::Oversight, Need::Operator] {
                let rights = rights(&[Role::Operator], regions);
                assert_eq!(permit(need, false, &rights, &Region::ZHEJIANG), expected);
            }
        };
        check(&["33"], Ok(()));
        check(&["31", "33"], Ok(()));
        check(&[], Ok(()));
        check(&["3302"], Err(Denied::Region));
        check(&["330206"], Err(Denied::Region));
        check(&["31"], Err(Denied::Region));
    }

    #[test]
    fn a_region_has_all_regions_in_it_and_no_others() {
        let check = |regions: &[&str], asked: &str, covered, written| {
            let rights = rights(&[Role::Issuer, Role::Verifier], regions);
            let (asked, province) = (region(asked), Region::ZHEJIANG);
            assert_eq!(
                rights.covers(&asked, &province),
                covered,
                "{regions:?} {asked}"
            );
            assert_eq!(rights.may_write(Kind::Certificate, &asked), written);
        };
        check(&["33"], "33", true, true);
        check(&["33"], "3302", true, true);
        check(&["33"], "330206", true, true);
        check(&["3302"], "33", false, false);
        check(&["3302"], "330206", true, true);
        check(&["3302"], "3301", false, false);
        check(&["330206"], "3302", false, false);
        check(&["330206"], "330206", true, true);
        check(&["31", "330206"], "310101", true, true);
        check(&[], "330206", true, false);
        check(&[], "31", false, false);
    }

    #[test]
    fn only_issuers_write_and_only_their_kinds() {
        let zhejiang = Region::ZHEJIANG;
        let verifier = rights(&[Role::Verifier], &["33"]);
        assert!(!verifier.may_write(Kind::Certificate, &zhejiang));
        let narrow = Rights {
            kinds: Kinds::Only(vec![Kind::StatusChange]),
            ..rights(&[Role::Issuer], &["33"])
        };
        assert!(narrow.may_write(Kind::StatusChange, &zhejiang));
        assert!(!narrow.may_write(Kind::Certificate, &zhejiang));
    }

    #[test]
    fn roles_are_found_by_their_names() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
            let written = serde_json::to_value(role).unwrap();
            assert_eq!(written, role.name());
        }
        assert_eq!(Role::from_name("member"), None);
    }
}

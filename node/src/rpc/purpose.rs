//! For what, and on whose behalf, personal data is asked for.

use huren_core::{
    audit::{Act, AuditAction, DONE},
    codes::Region,
};
use huren_proto::v1::{self, Purpose};

use super::{Context, access::Who};

/// Why a question is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotStated {
    /// No purpose, or one that a caller cannot have.
    Purpose,
    /// A region for which the caller may not ask.
    Region,
}

/// What a question states besides itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stated {
    purpose: Purpose,
    region: Option<Region>,
}

/// Reads what a question states, and holds it against who asks.
///
/// Members pass on the purpose that they were told; one of an older version tells none.
pub(super) fn stated(
    who: &Who,
    asked: &v1::VerifyRequest,
    province: &Region,
) -> Result<Stated, NotStated> {
    let purpose = Purpose::try_from(asked.purpose).map_err(|_| NotStated::Purpose)?;
    let is_callers = !matches!(purpose, Purpose::Unspecified | Purpose::PublicPage);
    if who.member.is_none() && !is_callers {
        return Err(NotStated::Purpose);
    }
    let region = match asked.on_behalf_of.as_str() {
        "" => None,
        code => {
            let region = Region::parse(code).map_err(|_| NotStated::Region)?;
            let covers = match &who.member {
                Some(member) => member.contains(&region),
                None => who.rights.covers(&region, province),
            };
            if !covers {
                return Err(NotStated::Region);
            }
            Some(region)
        }
    };
    Ok(Stated { purpose, region })
}

impl Stated {
    /// What somebody did who stated this.
    fn act(self, who: &Who, action: AuditAction) -> Act {
        let act = Act::new(who.actor.clone(), action)
            .outcome(DONE)
            .method(who.method)
            .purpose(self.purpose);
        match self.region {
            Some(region) => act.region(region),
            None => act,
        }
    }
}

impl Context {
    /// Writes down that a question was answered.
    pub(super) fn note_question(&self, who: &Who, stated: Stated, number: &str) {
        let subject = self.engine.subject_of(number);
        let act = stated.act(who, AuditAction::CertificatesQueried);
        self.engine.audit().note(act.subject(subject));
    }

    /// Writes down that a holder's certificates were looked for.
    pub(super) fn note_holder(&self, who: &Who, stated: Stated, id: &str) {
        let subjects = self.engine.holder_subjects(id);
        if !subjects.is_empty() {
            let act = stated.act(who, AuditAction::HolderQueried);
            self.engine.audit().note(act.subjects(subjects));
        }
    }
}

//! Comparing what a number says with what the record around it says.

use super::CertificateNumber;
use crate::codes::{Coded, Date, InstitutionCode, InstitutionKind, Level, Region};

impl CertificateNumber {
    /// Everything in which the number and its record disagree; empty if they agree, and where
    /// the grammar says nothing by position. All checks are made, in the order of [`Mismatch`].
    pub fn cross_check(
        &self,
        issue_date: Date,
        level: Option<Level>,
        institution: Option<&InstitutionCode>,
    ) -> Vec<Mismatch> {
        let own_institution = self.institution();
        let own_level = self.level();
        let is_social_organisation = own_institution
            .as_ref()
            .is_some_and(|i| i.kind() == InstitutionKind::SocialOrganisation);
        let checks = [
            (Mismatch::GrammarDate, !self.grammar().in_force(issue_date)),
            (
                Mismatch::Year,
                self.year().is_some_and(|year| year != issue_date.year()),
            ),
            (Mismatch::Level, own_level.is_some() && own_level != level),
            (
                Mismatch::EmployerOnlyLevel,
                is_social_organisation && own_level.is_some_and(Level::is_employer_only),
            ),
            (
                Mismatch::Institution,
                own_institution.is_some_and(|own| institution.is_some_and(|i| *i != own)),
            ),
        ];
        checks
            .into_iter()
            .filter(|(_, disagrees)| *disagrees)
            .map(|(m, _)| m)
            .collect()
    }

    /// Whether the site where the holder was assessed lies in the province that the number names.
    pub fn check_site(&self, site: Region) -> Option<Mismatch> {
        let province = self.province()?;
        (!province.contains(&site)).then_some(Mismatch::Site)
    }
}

/// One disagreement between a number and its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Mismatch {
    /// The scheme was not in use on the date of issue.
    #[error("this scheme of certificate numbers was not in use on the date of issue")]
    GrammarDate,
    /// The year is not that of the date of issue.
    #[error("the year in the certificate number is not the year of issue")]
    Year,
    /// The level is not that of the record.
    #[error("the level in the certificate number is not the level of the certificate")]
    Level,
    /// A level that only employers award, in the number of another institution.
    #[error("only an employer may award the level that the certificate number names")]
    EmployerOnlyLevel,
    /// The institution is not that of the record.
    #[error("the institution in the certificate number is not the one that issued the certificate")]
    Institution,
    /// The province is not that of the site.
    #[error("the province in the certificate number is not the one where the site lies")]
    Site,
}

impl Coded for Mismatch {
    fn code(&self) -> &'static str {
        match self {
            Self::GrammarDate => "NUMBER_SCHEME_DATE",
            Self::Year => "NUMBER_YEAR_MISMATCH",
            Self::Level => "NUMBER_LEVEL_MISMATCH",
            Self::EmployerOnlyLevel => "NUMBER_LEVEL_EMPLOYER_ONLY",
            Self::Institution => "NUMBER_INSTITUTION_MISMATCH",
            Self::Site => "NUMBER_SITE_MISMATCH",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::GrammarDate => "发证日期不在该编码规则的使用期间内",
            Self::Year => "证书编号中的年份与发证日期不一致",
            Self::Level => "证书编号中的等级与证书等级不一致",
            Self::EmployerOnlyLevel => "证书编号所示等级只能由用人单位评定",
            Self::Institution => "证书编号中的评价机构与发证机构不一致",
            Self::Site => "证书编号中的省份与考点所在地不一致",
        }
        .to_owned()
    }
}

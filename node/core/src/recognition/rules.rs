//! The rules of recognition as data: which there are, what each does, and how it is said.
//!
//! What a rule tests is code; what follows from it, and in which words, is a versioned table
//! with its sources. A decision keeps the table's version and effects, so it can be replayed.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// What a rule that holds does to the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing: it is said for information.
    None,
    /// Recognised, with a condition that the receiver judges.
    Condition,
    /// It cannot be told.
    Undetermined,
    /// Not recognised.
    Not,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// What can be said of a certificate that is to be recognised. Codes never change
        /// meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Rule {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Rule {
            /// All rules, in the order in which decisions list them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }
    };
}

rules! {
    /// No log holds the number.
    NotFound = "NOT_FOUND";
    /// The presented holder is another.
    HolderMismatch = "HOLDER_MISMATCH";
    /// The presented resident ID number fails its check digit.
    IdCheck = "ID_CHECK";
    /// The number contradicts the certificate.
    Format = "FORMAT";
    /// Several records carry the number.
    DuplicateNumber = "DUPLICATE_NO";
    /// Revoked.
    StatusRevoked = "STATUS_REVOKED";
    /// Void.
    StatusVoid = "STATUS_VOID";
    /// Superseded.
    StatusSuperseded = "STATUS_SUPERSEDED";
    /// Its own term is over.
    Expired = "EXPIRED";
    /// Under investigation.
    StatusSuspended = "STATUS_SUSPENDED";
    /// No quorum has cosigned it yet.
    Pending = "PENDING_QUORUM";
    /// The evidence is too old, or cannot be read.
    StaleEvidence = "STALE_EVIDENCE";
    /// Its facts were erased.
    Erased = "ERASED";
    /// No agreement between the two provinces is known.
    AgreementAbsent = "AGREEMENT_ABSENT";
    /// Agreements are known, and none covers it.
    AgreementOut = "AGREEMENT_OUT";
    /// The directory does not reach back to the day of issue.
    DirectoryAbsent = "DIRECTORY_ABSENT";
    /// The institution is not in it.
    InstitutionUnlisted = "INST_UNLISTED";
    /// The institution was suspended.
    InstitutionSuspended = "INST_SUSPENDED";
    /// The institution had left it.
    InstitutionExited = "INST_EXITED";
    /// The occupation is outside of the scope.
    ScopeOccupation = "SCOPE_OCCUPATION";
    /// The level is.
    ScopeLevel = "SCOPE_LEVEL";
    /// No site is registered where it took place.
    SiteUnregistered = "SITE_UNREGISTERED";
    /// No standard of the occupation is known.
    StandardAbsent = "STD_ABSENT";
    /// None was in force.
    StandardUnfiled = "STD_UNFILED";
    /// It had been superseded.
    StandardSuperseded = "STD_SUPERSEDED";
    /// The catalogue does not reach back to the day of issue.
    CatalogueAbsent = "CATALOGUE_ABSENT";
    /// The track does not fit it.
    TrackMismatch = "TRACK_MISMATCH";
    /// The agreement does not map the level.
    LevelUnmapped = "LEVEL_UNMAPPED";
    /// Certified by an employer.
    EmployerScope = "EMPLOYER_SCOPE";
    /// A special ability, outside of its area.
    SpecialRegional = "SPECIAL_REGIONAL";
    /// The holder has another of the same.
    DuplicateHolding = "DUPLICATE_HOLDING";
    /// A subsidy was claimed for it, or for another of the same.
    DuplicateClaim = "DUPLICATE_CLAIM";
    /// Bad credit on the day of issue.
    CreditBad = "CREDIT_BAD";
    /// A professional title corresponds to the level.
    TitleEquivalent = "TITLE_EQUIVALENT";
}

/// What a rule is about, and so whether a province may set what it does. A rule never changes its
/// class: entries of the registers are checked by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleClass {
    /// Whether the certificate is genuine, the holder's and in force: that is the same for all.
    Genuineness,
    /// What is lacking: it makes a decision undetermined, whoever decides.
    Lack,
    /// What follows from a genuine certificate: for the asking province to say.
    Policy,
}

impl Rule {
    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.code() == code)
    }

    /// What it is about.
    pub const fn class(self) -> RuleClass {
        match self {
            Self::NotFound
            | Self::HolderMismatch
            | Self::IdCheck
            | Self::Format
            | Self::DuplicateNumber
            | Self::StatusRevoked
            | Self::StatusVoid
            | Self::StatusSuperseded
            | Self::Expired
            | Self::StatusSuspended => RuleClass::Genuineness,
            Self::Pending
            | Self::StaleEvidence
            | Self::Erased
            | Self::AgreementAbsent
            | Self::DirectoryAbsent
            | Self::StandardAbsent
            | Self::CatalogueAbsent => RuleClass::Lack,
            Self::AgreementOut
            | Self::InstitutionUnlisted
            | Self::InstitutionSuspended
            | Self::InstitutionExited
            | Self::ScopeOccupation
            | Self::ScopeLevel
            | Self::SiteUnregistered
            | Self::StandardUnfiled
            | Self::StandardSuperseded
            | Self::TrackMismatch
            | Self::LevelUnmapped
            | Self::EmployerScope
            | Self::SpecialRegional
            | Self::DuplicateHolding
            | Self::DuplicateClaim
            | Self::CreditBad
            | Self::TitleEquivalent => RuleClass::Policy,
        }
    }
}

/// A version of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Its name.
    pub version: String,
    /// Where the effects come from.
    pub source: String,
    /// Rules whose effects no document fixes: they are this project's proposals.
    pub proposals: Vec<Rule>,
    rules: BTreeMap<Rule, RuleText>,
}

/// What is said of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// The rule.
    pub code: Rule,
    /// What it does.
    pub effect: Effect,
    /// Section of the policy, or the standard, that it rests on.
    pub basis: String,
    /// The sentence in Chinese.
    pub zh: String,
    /// The sentence in English.
    pub en: String,
}

/// Why a table of rules is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Not the form of a table.
    #[error("the table of rules cannot be read")]
    Form(#[from] serde_json::Error),
    /// A rule is there twice, or they are in another order.
    #[error("the table of rules does not list each rule once, in their order")]
    Order,
    /// The newest table is older than a rule: what that rule finds would not be said.
    #[error("the newest table of rules has no rule {0}")]
    Lacking(&'static str),
    /// A text is missing.
    #[error("a rule has no sentence or no basis: {0}")]
    Text(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    version: String,
    source: String,
    #[serde(default)]
    proposals: Vec<Rule>,
    rules: Vec<RuleText>,
}

impl Rules {
    /// The newest table as it stands in its file.
    pub(crate) const FILE: &str = include_str!("../../data/recognition.json");

    /// Reads a table: rules in the order of [`Rule::ALL`], each once and with its sentences. A
    /// rule that came after the table is not in it, and has no effect by it.
    ///
    /// # Errors
    /// [`RulesError`].
    pub fn read(json: &str) -> Result<Self, RulesError> {
        let table: Table = serde_json::from_str(json)?;
        if !table.rules.is_sorted_by(|a, b| a.code < b.code) {
            return Err(RulesError::Order);
        }
        let blank = |rule: &&RuleText| {
            let texts = [&rule.basis, &rule.zh, &rule.en];
            texts.iter().any(|text| text.trim().is_empty())
        };
        if let Some(rule) = table.rules.iter().find(blank) {
            return Err(RulesError::Text(rule.code.code()));
        }
        Ok(Self {
            version: table.version,
            source: table.source,
            proposals: table.proposals,
            rules: table.rules.into_iter().map(|r| (r.code, r)).collect(),
        })
    }

    /// Every table that this program comes with, the newest first and with every rule.
    ///
    /// # Errors
    /// [`RulesError`].
    pub(crate) fn read_all() -> Result<[Self; 2], RulesError> {
        let older = include_str!("../../data/recognition-2026.1.json");
        let (newest, older) = (Self::read(Self::FILE)?, Self::read(older)?);
        let lacking = Rule::ALL.iter().find(|rule| newest.text(**rule).is_none());
        match lacking {
            Some(rule) => Err(RulesError::Lacking(rule.code())),
            None => Ok([newest, older]),
        }
    }

    /// The table that this program decides by: the newest.
    pub fn built_in() -> &'static Self {
        &TABLES[0]
    }

    /// A table by its name: every one that ever was stays, for decisions that rest on it.
    pub fn of_version(version: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.version == version)
    }

    /// What is said of a rule; `None` if the table is older than the rule.
    pub fn text(&self, rule: Rule) -> Option<&RuleText> {
        self.rules.get(&rule)
    }
}

/// All tables, the newest first.
#[expect(
    clippy::expect_used,
    reason = "`data::check` reads the tables that are compiled in before they are used"
)]
static TABLES: LazyLock<[Rules; 2]> =
    LazyLock::new(|| Rules::read_all().expect("the tables of rules"));

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rule: Rule) -> &'static RuleText {
        Rules::built_in().text(rule).unwrap()
    }

    #[test]
    fn the_table_has_every_rule_once_with_its_words() {
        let rules = Rules::built_in();
        // What no document fixes is for a province to set.
        let mut proposals = rules.proposals.iter();
        assert!(proposals.all(|rule| rule.class() == RuleClass::Policy));
        for rule in Rule::ALL {
            assert_eq!(Rule::from_code(rule.code()), Some(*rule));
            assert!(text(*rule).zh.ends_with('。'), "{}", rule.code());
            assert!(text(*rule).en.ends_with('.'), "{}", rule.code());
        }
    }

    #[test]
    fn a_table_is_found_by_its_version() {
        let versions = TABLES.each_ref().map(|table| table.version.as_str());
        assert_eq!(versions, ["2026.2", "2026.1"]);
        let older = Rules::of_version("2026.1").unwrap();
        assert_eq!(older.text(Rule::DuplicateClaim), None);
        let said = |rule: &&Rule| older.text(**rule).is_some();
        assert_eq!(Rule::ALL.iter().filter(said).count(), Rule::ALL.len() - 1);
        assert_eq!(Rules::of_version("2025.9"), None);
    }

    #[test]
    fn what_is_lacking_refuses_nothing() {
        let lacking = Rule::ALL.iter().filter(|r| r.class() == RuleClass::Lack);
        let lacking: Vec<_> = lacking.map(|rule| rule.code()).collect();
        let expected = [
            "PENDING_QUORUM",
            "STALE_EVIDENCE",
            "ERASED",
            "AGREEMENT_ABSENT",
            "DIRECTORY_ABSENT",
            "STD_ABSENT",
            "CATALOGUE_ABSENT",
        ];
        assert_eq!(lacking, expected);
        for code in lacking {
            let rule = Rule::from_code(code).unwrap();
            assert_eq!(text(rule).effect, Effect::Undetermined);
        }
    }

    #[test]
    fn whether_it_is_genuine_and_in_force_is_said_first() {
        let of_class = |class| Rule::ALL.iter().take_while(move |r| r.class() == class);
        let genuine = of_class(RuleClass::Genuineness);
        let codes: Vec<_> = genuine.map(|rule| rule.code()).collect();
        let expected = [
            "NOT_FOUND",
            "HOLDER_MISMATCH",
            "ID_CHECK",
            "FORMAT",
            "DUPLICATE_NO",
            "STATUS_REVOKED",
            "STATUS_VOID",
            "STATUS_SUPERSEDED",
            "EXPIRED",
            "STATUS_SUSPENDED",
        ];
        assert_eq!(codes, expected);
        let rest = Rule::ALL.iter().skip(expected.len());
        assert!(rest.clone().count() > 20);
        assert!(
            rest.into_iter()
                .all(|r| r.class() != RuleClass::Genuineness)
        );
    }

    #[test]
    fn a_table_that_lacks_something_is_refused() {
        let table = Rules::FILE;
        let swapped = table.replacen("NOT_FOUND", "EXPIRED", 1);
        assert!(matches!(Rules::read(&swapped), Err(RulesError::Order)));
        let unknown = table.replacen("NOT_FOUND", "NO_SUCH", 1);
        assert!(matches!(Rules::read(&unknown), Err(RulesError::Form(_))));
        let blank = table.replacen("GB 11643-1999", " ", 1);
        let refused = Rules::read(&blank);
        assert!(matches!(refused, Err(RulesError::Text("ID_CHECK"))));
    }
}

//! Online monitoring (浙人社发〔2022〕16号 四(五), 在线监测、智能研判): what stands out among the
//! certificates of an institution, each alert with the leaves that caused it.
//!
//! An alert accuses nobody: it says where to look. Old stock that was loaded later raises none,
//! and nothing is raised for want of data. What a rule tests is code; thresholds and sentences
//! are a versioned file.

mod rules;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, LazyLock},
};

use huren_proto::v1::{AnnualPlan, Institution, SessionResult, Site};
use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer as _,
        value::{self, StrDeserializer},
    },
};

use crate::{
    codes::{CertificateNumber, Date, NumberPart, Region, Track},
    data,
    disclosure::Values,
    registry::{
        Dated,
        crosswalk::{Crosswalk, OccupationKey, occupation_key},
    },
    statistics::Place,
};

/// The file of settings as it stands.
pub(crate) const FILE: &str = include_str!("../../data/monitoring.json");

/// Days before a period that have to be known, so that an alert of a day is the same in any.
pub const DAYS_BEFORE: i32 = rules::DAYS_BEFORE;

/// Leaves that an alert names at most; it says how many there are.
pub const MAX_LEAVES: usize = 100;

/// What can be alerted of. Codes never change meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlertRule {
    /// Many more certificates on a day than usual.
    Burst,
    /// More certificates than planned sessions can take candidates.
    OverCapacity,
    /// No planned session.
    NoPlan,
    /// A place without a registered site.
    SiteOutside,
    /// Serials are missing.
    SerialGap,
    /// One holder in two cities on one day.
    TwoCities,
    /// More, or fewer, passed than is plausible.
    PassRate,
}

/// What is said of a rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertText {
    /// The stable code.
    pub code: String,
    /// The sentence in Chinese.
    pub zh: String,
    /// The sentence in English.
    pub en: String,
}

/// Thresholds and sentences.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    burst_times: u64,
    burst_fewest: u64,
    usual_days: u64,
    gap_fewest: u32,
    pass_fewest: u32,
    pass_least_percent: u64,
    pass_most_percent: u64,
    #[serde(deserialize_with = "each_once")]
    rules: Vec<AlertText>,
}

/// The texts of all rules, in their order.
fn each_once<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<AlertText>, D::Error> {
    let texts: Vec<AlertText> = Deserialize::deserialize(from)?;
    let codes = texts.iter().map(|text| text.code.as_str());
    let rules: Option<Vec<AlertRule>> = codes.map(AlertRule::from_code).collect();
    if rules.is_none_or(|rules| rules != AlertRule::ALL) {
        return Err(D::Error::custom("not each rule once, in their order"));
    }
    Ok(texts)
}

impl Settings {
    /// Those that this program comes with.
    pub fn built_in() -> &'static Self {
        #[expect(
            clippy::expect_used,
            reason = "`data::check` reads the file that is compiled in before it is used"
        )]
        static BUILT_IN: LazyLock<Settings> =
            LazyLock::new(|| data::settings(FILE).expect("the settings of monitoring"));
        &BUILT_IN
    }
}

impl AlertRule {
    /// All of them, in the order in which alerts of a day are listed.
    pub const ALL: [Self; 7] = [
        Self::Burst,
        Self::OverCapacity,
        Self::NoPlan,
        Self::SiteOutside,
        Self::SerialGap,
        Self::TwoCities,
        Self::PassRate,
    ];

    fn from_code(code: &str) -> Option<Self> {
        let code: StrDeserializer<'_, value::Error> = code.into_deserializer();
        Self::deserialize(code).ok()
    }

    /// What is said of it: its code and sentences.
    pub fn text(self) -> &'static AlertText {
        &Settings::built_in().rules[self as usize]
    }
}

/// A certificate as monitoring sees it: nothing of its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Where its leaf is.
    pub place: Place,
    /// Day of issue.
    pub day: Date,
    /// Occupation.
    pub occupation: OccupationKey,
    /// Ordinal of its level, 0 without one.
    pub level: u32,
    /// Where the assessment took place; `None` if it does not say.
    pub activity: Option<Region>,
    /// What its number's serial counts on within, and the serial; `None` if the number has none.
    pub serial: Option<(String, u32)>,
    /// Whether it was loaded later, from old stock.
    pub is_backfilled: bool,
}

impl Issued {
    /// Reads what is disclosed of a certificate: the groups `certificate` and `statistics`, with
    /// corrections taken in. `None` without a day of issue.
    pub fn read(
        place: Place,
        certificate: &Values,
        statistics: &Values,
        is_backfilled: bool,
    ) -> Option<Self> {
        let get = |field: &str| certificate.get(field).unwrap_or_default();
        let number = |field: &str| get(field).parse().unwrap_or_default();
        let activity = statistics.get("activity_region");
        Some(Self {
            place,
            day: Date::parse(get("issue_date")).ok()?,
            occupation: occupation_key(number("occupation_edition"), get("occupation_code")),
            level: number("level"),
            activity: activity.and_then(|code| Region::parse(code).ok()),
            serial: serial(get("number"), get("track")),
            is_backfilled,
        })
    }

    /// The city of the assessment.
    pub fn city(&self) -> Option<Region> {
        self.activity.and_then(Region::city)
    }
}

fn serial(number: &str, track: &str) -> Option<(String, u32)> {
    let track = Track::parse(track).ok();
    let number = CertificateNumber::parse(number, track).ok()?;
    let serial = number.part(NumberPart::Serial)?;
    let within = number.expose().strip_suffix(serial)?;
    Some((within.to_owned(), serial.parse().ok()?))
}

/// What is known of an institution, all out of one log.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its certificates from a year before the period to its end, ascending by (day, place).
    pub issued: Vec<Issued>,
    /// Every entry of it in the directory, ascending by index.
    pub directory: Vec<Dated<Institution>>,
    /// Every entry about its sites, by log.
    pub sites: BTreeMap<String, Vec<Dated<Site>>>,
    /// Every entry of its annual plans, ascending by index.
    pub plans: Vec<Dated<AnnualPlan>>,
    /// How occupations of several editions correspond, as the log says now.
    pub crosswalk: Arc<Crosswalk>,
    /// The first day of which the log's plans of any institution say anything, yyyymmdd.
    pub plans_from: Option<u32>,
    /// What came of its sessions, as it stands now, but what was loaded later.
    pub results: Vec<(Place, SessionResult)>,
    /// What holders of its certificates of the period got besides, and was not loaded later: by
    /// certificate of its own.
    pub elsewhere: BTreeMap<Place, Vec<Issued>>,
}

impl Known {
    /// Whether a region's department asks about the institution: a province about all of its
    /// log, others about those that their directory has there, whenever.
    pub fn is_in(&self, region: Region) -> bool {
        let homes = self.directory.iter();
        let mut homes = homes.filter_map(|row| Region::parse(&row.entry.home_region).ok());
        region == region.province() || homes.any(|home| region.contains(&home))
    }
}

/// Something that stands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The day.
    pub day: Date,
    /// What.
    pub rule: AlertRule,
    /// What the rule saw, by name.
    pub about: BTreeMap<&'static str, String>,
    /// The leaves that caused it, ascending, at most [`MAX_LEAVES`].
    pub leaves: Vec<Place>,
    /// How many caused it.
    pub leaf_count: u64,
}

/// What stands out among an institution's certificates of a period, by day and rule.
pub fn alerts(known: &Known, period: &RangeInclusive<Date>, settings: &Settings) -> Vec<Alert> {
    let mut alerts = rules::all(known, period, settings);
    alerts.sort_by(|a, b| (a.day, a.rule, &a.leaves).cmp(&(b.day, b.rule, &b.leaves)));
    alerts
}

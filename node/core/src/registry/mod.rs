//! The public registers: kinds 6 to 29 and 31 to 35, all on one mechanism.
//!
//! An entry is an encoded message of `registry.proto`, found by its kind and its key. Of the
//! entries of one log with one key, that with the latest effective date not after a day holds on
//! that day ([`as_of()`]). Nothing is deleted: an entry whose state says so ends a thing.
//!
//! A kind is a message, one `impl` of [`Entry`] and one line of [`KINDS`]. Leaves and submissions
//! go through the same [`Entry::check`], whose rules depend on no table that may be amended:
//! every node has to come to the same register, whenever its program was built.

pub mod agreements;
mod as_of;
pub mod catalogue;
pub mod claims;
pub mod credit;
pub mod crosswalk;
pub mod draw;
pub mod draws;
pub mod experts;
mod fault;
mod fields;
mod institutions;
pub mod plans;
pub mod recognition;
mod resources;
pub mod sites;
pub mod standards;
pub mod supervision;
#[cfg(test)]
mod tests;
pub mod upstream;

use huren_proto::v1::{self, Kind};
use prost::Message;

use crate::{
    codes::{Coded, InstitutionCode, Region, RegionLevel},
    record::RecordError,
    submission::{self, Faults, Invalid},
};

pub use as_of::{Dated, as_of, held, in_force, rows_in_force};
pub use institutions::is_code_reused;

use fault::Fault;

/// The most bytes that an entry may have: what a leaf has room for beside envelope and signature.
pub const MAX_BODY_BYTES: usize = 65_000;

/// The most bytes that a key has.
pub const MAX_KEY_BYTES: usize = 128;

/// What every kind of entry is.
pub trait Entry: Message + Default {
    /// Its kind.
    const KIND: Kind;

    /// On which levels of government it is written (DOMAIN.md section 4, column W).
    const WRITERS: Writers;

    /// What it is found by, at most 128 bytes of ASCII: entries with the same key follow each
    /// other.
    fn key(&self) -> String;

    /// The region that the entry is about, if it is about one: the writer's region must contain
    /// it. Where cities and counties write, there is one and the key names it.
    fn region(&self) -> Option<&str> {
        None
    }

    /// The institution that the entry judges, if it judges one: where its code says a province,
    /// the writer must be of that province.
    fn institution(&self) -> Option<&str> {
        None
    }

    /// Brings it into its one form (sorted lists, normalised texts) and says everything that is
    /// wrong.
    fn check(&mut self, faults: &mut Faults);
}

/// The levels of government on which a kind is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writers(&'static [RegionLevel]);

impl Writers {
    /// 省.
    pub const PROVINCE: Self = Self(&[RegionLevel::Province]);
    /// 省、市、县.
    pub const ALL: Self = Self(&[
        RegionLevel::Province,
        RegionLevel::City,
        RegionLevel::County,
    ]);

    /// Whether a level writes.
    pub fn admits(self, level: RegionLevel) -> bool {
        self.0.contains(&level)
    }

    /// The levels, highest first.
    pub const fn levels(self) -> &'static [RegionLevel] {
        self.0
    }
}

/// An entry that keeps the rules of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its kind.
    pub kind: Kind,
    /// What it is found by.
    pub key: String,
    /// Its bytes, in their one form.
    pub body: Vec<u8>,
    writers: Writers,
    region: Option<Region>,
    /// The province of the institution that it judges, where the code says it.
    province: Option<Region>,
}

impl Checked {
    fn of<E: Entry>(entry: &E) -> Self {
        let institution = entry.institution().map(InstitutionCode::parse);
        Self {
            kind: E::KIND,
            key: entry.key(),
            body: entry.encode_to_vec(),
            writers: E::WRITERS,
            region: entry.region().and_then(|region| Region::parse(region).ok()),
            province: institution.and_then(|code| code.ok()?.province()),
        }
    }

    /// Whether it may be written on behalf of a region.
    ///
    /// # Errors
    /// The reason code: `WRITER_LEVEL`, `WRITER_REGION` or `INSTITUTION_OTHER_PROVINCE`.
    pub fn admits(&self, writer: &Region) -> Result<(), &'static str> {
        let fault = self.writer_faults(writer).into_vec().into_iter().next();
        fault.map_or(Ok(()), |fault| Err(fault.code))
    }

    fn writer_faults(&self, writer: &Region) -> Faults {
        let mut faults = Faults::default();
        if !self.writers.admits(writer.level()) {
            faults.push("", &Fault::WriterLevel);
        }
        let is_in = |region: Region| writer.contains(&region);
        if !self.region.is_none_or(is_in) {
            faults.push("region", &Fault::WriterRegion);
        }
        let is_own = |province: Region| province == writer.province();
        if !self.province.is_none_or(is_own) {
            let fault = submission::Fault::InstitutionOtherProvince;
            faults.push("institution", &fault);
        }
        faults
    }
}

/// A kind of the registers.
#[derive(Clone, Copy, Debug)]
pub struct KindEntry {
    /// Its number.
    pub kind: Kind,
    /// Its name in lists, paths and commands.
    pub name: &'static str,
    /// Its name for people.
    pub zh: &'static str,
    /// Who writes it.
    pub writers: Writers,
    read: fn(&[u8]) -> Result<Option<Checked>, RecordError>,
    submit: fn(&[u8]) -> Result<Checked, Vec<Invalid>>,
}

const fn kind<E: Entry>(name: &'static str, zh: &'static str) -> KindEntry {
    KindEntry {
        kind: E::KIND,
        name,
        zh,
        writers: E::WRITERS,
        read: read_as::<E>,
        submit: submit_as::<E>,
    }
}

/// All kinds, by number.
pub const KINDS: &[KindEntry] = &[
    kind::<v1::OccupationCatalogue>("occupation_catalogue", "职业分类目录"),
    kind::<v1::QualificationCatalogue>("qualification_catalogue", "国家职业资格目录"),
    kind::<v1::Standard>("standard", "标准"),
    kind::<v1::StandardFiling>("standard_filing", "标准备案"),
    kind::<v1::Expert>("expert", "专家"),
    kind::<v1::ExpertQualification>("expert_qualification", "专家资格"),
    kind::<v1::ExpertDispatch>("expert_dispatch", "专家派遣"),
    kind::<v1::ExpertPerformance>("expert_performance", "专家业绩"),
    kind::<v1::Resource>("resource", "技术资源"),
    kind::<v1::ItemBankEntry>("item_bank_entry", "题库目录"),
    kind::<v1::AnnualPlan>("annual_plan", "年度计划"),
    kind::<v1::Inspection>("inspection", "监督检查"),
    kind::<v1::Finding>("finding", "检查问题"),
    kind::<v1::Complaint>("complaint", "投诉"),
    kind::<v1::Assessment>("assessment", "机构评定"),
    kind::<v1::InstitutionCredit>("institution_credit", "机构诚信记录"),
    kind::<v1::PersonCredit>("person_credit", "人员诚信记录"),
    kind::<v1::Agreement>("agreement", "互认协议"),
    kind::<v1::TitleMapping>("title_mapping", "职称对应"),
    kind::<v1::ShortageList>("shortage_list", "紧缺职业目录"),
    kind::<v1::UpstreamBatch>("upstream_batch", "上报批次"),
    kind::<v1::SectorShare>("sector_share", "行业共享"),
    kind::<v1::Funding>("funding", "经费"),
    kind::<v1::Committee>("committee", "标准开发委员会"),
    kind::<v1::SubsidyClaim>("subsidy_claim", "补贴申领"),
    kind::<v1::RecognitionRules>("recognition_rules", "互认规则效力"),
    kind::<v1::SessionResult>("session_result", "考核结果"),
    kind::<v1::DrawNotice>("draw_notice", "抽取公告"),
    kind::<v1::Site>("site", "考点"),
];

/// The number of a kind, as registers keep it.
pub const fn number(kind: Kind) -> u32 {
    (kind as i32).unsigned_abs()
}

/// The kind of a name.
pub fn kind_named(name: &str) -> Option<&'static KindEntry> {
    KINDS.iter().find(|entry| entry.name == name)
}

/// What is known of a kind, if it is one of the registers'.
pub fn of(kind: Kind) -> Option<&'static KindEntry> {
    KINDS.iter().find(|entry| entry.kind == kind)
}

/// Reads the body of a leaf. `None` if it holds more than this program knows: a kind of no
/// register, a field, or a number of an enum.
///
/// # Errors
/// `Undecodable`, or `Rule` with the code of the first rule that is broken.
pub fn read(kind: Kind, bytes: &[u8]) -> Result<Option<Checked>, RecordError> {
    of(kind).map_or(Ok(None), |entry| (entry.read)(bytes))
}

/// Checks an entry that is handed in, to be written on behalf of `writer` into the log of
/// `province`, and gives it in its one form.
///
/// # Errors
/// Every fault found, in the order of the message's fields, and those of the writer.
pub fn submit(
    kind: Kind,
    bytes: &[u8],
    writer: &Region,
    province: Region,
) -> Result<Vec<u8>, Vec<Invalid>> {
    let refused = |fault: &dyn Fn(&mut Faults)| {
        let mut faults = Faults::default();
        fault(&mut faults);
        faults.into_vec()
    };
    let Some(entry) = of(kind) else {
        return Err(refused(&|f| f.push("kind", &Fault::ValueUnknown)));
    };
    let checked = (entry.submit)(bytes)?;
    let mut faults = checked.writer_faults(writer);
    if !province.contains(writer) {
        faults.push("writer_region", &Fault::WriterRegion);
    }
    if faults.is_empty() {
        Ok(checked.body)
    } else {
        Err(faults.into_vec())
    }
}

/// The message of an entry that was read before, for instance out of the register.
pub fn decode<E: Entry>(body: &[u8]) -> Option<E> {
    E::decode(body).ok()
}

fn read_as<E: Entry>(bytes: &[u8]) -> Result<Option<Checked>, RecordError> {
    let mut entry = E::decode(bytes).map_err(|_| RecordError::Undecodable)?;
    if entry.encode_to_vec() != bytes {
        return Ok(None);
    }
    let mut faults = Faults::default();
    entry.check(&mut faults);
    let faults = faults.into_vec();
    // What an unknown value makes of the other fields is not guessed at.
    if faults.iter().any(|f| f.code == Fault::ValueUnknown.code()) {
        return Ok(None);
    }
    if let Some(fault) = faults.first() {
        return Err(RecordError::Rule(fault.code));
    }
    let checked = Checked::of(&entry);
    if checked.body != bytes {
        return Err(RecordError::Rule(submission::Fault::NotCanonical.code()));
    }
    Ok(Some(checked))
}

fn submit_as<E: Entry>(bytes: &[u8]) -> Result<Checked, Vec<Invalid>> {
    let mut faults = Faults::default();
    let Ok(mut entry) = E::decode(bytes) else {
        faults.push("", &Fault::BodyUndecodable);
        return Err(faults.into_vec());
    };
    // Encoders may order fields as they like; what was not understood makes the bytes longer.
    if entry.encoded_len() != bytes.len() {
        faults.push("", &Fault::BodyUnknownFields);
    }
    entry.check(&mut faults);
    if entry.encoded_len() > MAX_BODY_BYTES {
        faults.push("", &Fault::BodyTooLarge);
    }
    if faults.is_empty() {
        Ok(Checked::of(&entry))
    } else {
        Err(faults.into_vec())
    }
}

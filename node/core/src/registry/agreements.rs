//! Under what conditions members recognise each other, and what else levels lead to.

use huren_proto::v1::{
    self, Agreement, AgreementState, Kind, LevelMapping, MappingDirection, MappingState,
    ShortageDegree, ShortageList, TitleMapping, TitleRank,
};

use super::{
    Entry, Writers,
    fault::Fault,
    fields::{self, Need, Need::*, is_level},
};
use crate::{
    codes::{Date, Level, Occupation, Region, Track},
    submission::Faults,
};

impl Entry for Agreement {
    const KIND: Kind = Kind::Agreement;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        self.code.clone()
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("code", &mut self.code, Required);
        faults.text("title", &mut self.title, Required);
        faults.text("document_number", &mut self.document_number, Required);
        let each = self.parties.iter_mut();
        let parties: Vec<_> = each.filter_map(|p| faults.province("parties", p)).collect();
        faults.sorted("parties", &mut self.parties, 2..=34);
        for text in &mut self.territory {
            let region = faults.region("territory", text, Required);
            if region.is_some_and(|region| !parties.contains(&region.province())) {
                faults.push("territory", &Fault::TerritoryOutside);
            }
        }
        faults.sorted("territory", &mut self.territory, 0..=600);
        faults.choices::<v1::Track>("tracks", &mut self.tracks, 3);
        faults.occupations(self.occupation_edition, &mut self.occupations, 0..=2_000);
        faults.levels("level_from", self.level_from, self.level_to, Required);
        for mapping in &mut self.mappings {
            let track = faults.choice::<v1::Track>("mappings", mapping.track, Required);
            let is_covered = self.tracks.contains(&mapping.track);
            if track == Some(v1::Track::Special) || !is_covered {
                faults.push("mappings", &Fault::TrackNotCovered);
            }
            if !is_level(mapping.from) || (mapping.to != 0 && !is_level(mapping.to)) {
                faults.push("mappings", &Fault::LevelRange);
            }
        }
        faults.lines("mappings", &mut self.mappings, 0..=24, |mapping| {
            (mapping.track, mapping.from)
        });
        faults.date("valid_from", self.valid_from, Required);
        faults.date_from("valid_to", self.valid_to, Optional, self.valid_from);
        faults.choice::<AgreementState>("state", self.state, Required);
    }
}

/// Why an agreement does not cover a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outside {
    /// It is suspended or has ended.
    State,
    /// The day lies outside of its days.
    Date,
    /// A province is no party.
    Party,
    /// A region lies outside of its territory.
    Territory,
    /// It leaves the track out.
    Track,
    /// It leaves the occupation out, or lists occupations of another edition.
    Occupation,
    /// It leaves the level out.
    Level,
}

/// A certificate as it is presented for recognition.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// Region that it comes from.
    pub from: Region,
    /// Region in which it is presented.
    pub to: Region,
    /// Its track.
    pub track: Track,
    /// Its occupation.
    pub occupation: &'a Occupation,
    /// Its level; `None` for special abilities, which have none.
    pub level: Option<Level>,
}

/// Whether an agreement, the entry that holds on the day, covers a certificate on that day.
///
/// # Errors
/// Everything that speaks against it, in the order of [`Outside`].
pub fn covers(
    agreement: &Agreement,
    certificate: &Presented<'_>,
    date: Date,
) -> Result<(), Vec<Outside>> {
    let date = date.as_yyyymmdd();
    let (from, to) = (&certificate.from, &certificate.to);
    let has_ended = agreement.valid_to != 0 && agreement.valid_to < date;
    let is_party = |region: &Region| agreement.parties.contains(&region.province().to_string());
    let territory = agreement.territory.iter();
    let parts: Vec<_> = territory
        .filter_map(|part| Region::parse(part).ok())
        .collect();
    let is_in_territory =
        |region: &Region| parts.is_empty() || parts.iter().any(|part| part.contains(region));
    let occupations = &agreement.occupations;
    let covers_occupation = occupations.is_empty()
        || fields::covers(
            agreement.occupation_edition,
            occupations,
            certificate.occupation,
        );
    let levels = agreement.level_from..=agreement.level_to;
    let covers_level = |level: Level| levels.contains(&level.ordinal().into());
    let track = proto_track(certificate.track) as i32;
    let rules = [
        (Outside::State, agreement.state() == AgreementState::InForce),
        (Outside::Date, agreement.valid_from <= date && !has_ended),
        (Outside::Party, is_party(from) && is_party(to)),
        (
            Outside::Territory,
            is_in_territory(from) && is_in_territory(to),
        ),
        (Outside::Track, agreement.tracks.contains(&track)),
        (Outside::Occupation, covers_occupation),
        (Outside::Level, certificate.level.is_none_or(covers_level)),
    ];
    let broken = rules.into_iter().filter(|(_, holds)| !holds);
    let outside: Vec<_> = broken.map(|(outside, _)| outside).collect();
    if outside.is_empty() {
        Ok(())
    } else {
        Err(outside)
    }
}

/// What an agreement says of a level, if it says something: without a mapping a level is
/// recognised as the same one.
pub fn mapping(agreement: &Agreement, track: Track, level: Level) -> Option<&LevelMapping> {
    let (track, level) = (proto_track(track), u32::from(level.ordinal()));
    let mut mappings = agreement.mappings.iter();
    mappings.find(|mapping| mapping.track() == track && mapping.from == level)
}

const fn proto_track(track: Track) -> v1::Track {
    match track {
        Track::Q => v1::Track::Qualification,
        Track::L => v1::Track::Level,
        Track::S => v1::Track::Special,
    }
}

impl Entry for TitleMapping {
    const KIND: Kind = Kind::TitleMapping;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        self.code.clone()
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("code", &mut self.code, Required);
        faults.text("document_number", &mut self.document_number, Required);
        let names_occupation = self.lines.iter().any(|line| !line.occupation.is_empty());
        let need = Need::when(names_occupation);
        faults.edition("occupation_edition", self.occupation_edition, need);
        for line in &mut self.lines {
            faults.occupation("lines", &mut line.occupation, Optional);
            faults.levels("lines", line.level, line.level, Required);
            faults.text("lines", &mut line.series, Required);
            faults.choice::<TitleRank>("lines", line.rank, Required);
            faults.choice::<MappingDirection>("lines", line.direction, Required);
        }
        faults.lines("lines", &mut self.lines, 1..=400, |line| {
            (
                line.occupation.clone(),
                line.level,
                line.series.clone(),
                line.rank,
                line.direction,
            )
        });
        faults.choice::<MappingState>("state", self.state, Required);
    }
}

impl Entry for ShortageList {
    const KIND: Kind = Kind::ShortageList;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        format!("{}/{}", self.region, self.year)
    }

    fn region(&self) -> Option<&str> {
        Some(&self.region)
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.region("region", &mut self.region, Required);
        faults.year("year", self.year);
        faults.text("title", &mut self.title, Required);
        faults.text("document_number", &mut self.document_number, Optional);
        faults.edition("occupation_edition", self.occupation_edition, Required);
        for line in &mut self.lines {
            faults.occupation("lines", &mut line.occupation, Required);
            faults.levels("lines", line.level_from, line.level_to, Required);
            faults.choice::<ShortageDegree>("lines", line.degree, Required);
        }
        faults.lines("lines", &mut self.lines, 1..=600, |line| {
            line.occupation.clone()
        });
    }
}

//! Technical resources, the catalogue of item banks, and who pays for them.

use huren_proto::v1::{
    Funding, FundingSource, FundingState, ItemBankEntry, Kind, Resource, ResourceKind,
    ResourceState, SharingTerms,
};

use super::{
    Entry, Writers,
    fault::Fault,
    fields::{Need, Need::*},
    standards::reference,
};
use crate::submission::Faults;

/// The most items that a bank has of one sort.
const MAX_ITEMS: u64 = 10_000_000;

/// A whole in ten-thousandths.
const WHOLE: u32 = 10_000;

impl Entry for Resource {
    const KIND: Kind = Kind::Resource;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        self.code.clone()
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("code", &mut self.code, Required);
        faults.text("title", &mut self.title, Required);
        faults.choice::<ResourceKind>("kind", self.kind, Required);
        faults.occupation("occupation", &mut self.occupation, Optional);
        let need = Need::when(!self.occupation.is_empty());
        faults.edition("occupation_edition", self.occupation_edition, need);
        faults.text("owner", &mut self.owner, Required);
        faults.number("version", self.version.into(), 1..=u32::MAX.into());
        faults.digest("digest", &self.digest, Required);
        faults.choice::<SharingTerms>("sharing", self.sharing, Required);
        faults.choice::<ResourceState>("state", self.state, Required);
    }
}

impl Entry for ItemBankEntry {
    const KIND: Kind = Kind::ItemBankEntry;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        self.code.clone()
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("code", &mut self.code, Required);
        faults.text("title", &mut self.title, Required);
        faults.edition("occupation_edition", self.occupation_edition, Required);
        faults.occupation("occupation", &mut self.occupation, Required);
        faults.levels("level_from", self.level_from, self.level_to, Required);
        reference("standard", &mut self.standard, Required, faults);
        faults.number("version", self.version.into(), 1..=u32::MAX.into());
        faults.text("owner", &mut self.owner, Required);
        faults.digest("digest", &self.digest, Required);
        faults.choice::<SharingTerms>("sharing", self.sharing, Required);
        let [theory, practical, published, permille] = [
            self.theory_items,
            self.practical_items,
            self.published_items,
            self.disclosure_permille,
        ]
        .map(u64::from);
        let least = u64::from(practical == 0);
        faults.number("theory_items", theory, least..=MAX_ITEMS);
        faults.number("practical_items", practical, 0..=MAX_ITEMS);
        faults.number("published_items", published, 0..=practical);
        faults.number("disclosure_permille", permille, 0..=1_000);
        // 考核题目按比例向社会公开 (四(三)).
        if published * 1_000 < practical * permille {
            faults.push("published_items", &Fault::DisclosureRatio);
        }
        faults.choice::<ResourceState>("state", self.state, Required);
    }
}

impl Entry for Funding {
    const KIND: Kind = Kind::Funding;
    const WRITERS: Writers = Writers::PROVINCE;

    fn key(&self) -> String {
        self.code.clone()
    }

    fn check(&mut self, faults: &mut Faults) {
        faults.code("code", &mut self.code, Required);
        faults.code("resource", &mut self.resource, Required);
        faults.text("document_number", &mut self.document_number, Optional);
        faults.number("amount_yuan", self.amount_yuan, 1..=10_000_000_000_000);
        for part in &mut self.contributions {
            faults.text("contributions", &mut part.name, Required);
            faults.choice::<FundingSource>("contributions", part.source, Required);
            faults.number("contributions", part.share.into(), 1..=WHOLE.into());
        }
        faults.lines("contributions", &mut self.contributions, 1..=100, |part| {
            part.name.clone()
        });
        let shares = self.contributions.iter().map(|part| u64::from(part.share));
        if shares.sum::<u64>() != u64::from(WHOLE) {
            faults.push("contributions", &Fault::SharesSum);
        }
        faults.choice::<FundingState>("state", self.state, Required);
    }
}

//! A whole province: what its departments would have entered, so that every part of the
//! software has something to show. Institutions, occupations, regions and numbers come from the
//! real tables; names, persons and events are invented, and the same seed gives the same bytes.

mod certificates;
mod directory;
mod entries;
mod experts;
mod readme;
mod standards;
mod supervision;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use anyhow::Context as _;
use indicatif::ProgressBar;

use super::{
    Certificates, GenArgs, Statuses, Summary, Table,
    random::Random,
    registers::{agreement, catalogue_of},
};
use crate::files::{CERTIFICATE_EXPORT, INSTITUTION_EXPORT, Kind};
use certificates::Issued;
use entries::{Entries, Files};

/// Each part has a stream of its own: one that draws more changes no other.
const STREAMS: [u64; 5] = [
    0x6365_7274,
    0x6469_7265,
    0x7374_616e,
    0x6578_7065,
    0x7375_7065,
];

/// One in so many certificates is revoked, suspended, corrected or the like.
const CHANGED: u64 = 40;

/// Folder of the registers' files.
const REGISTERS: &str = "registers";

/// Writes the tables, the registers and how they are submitted.
pub(super) fn write(
    args: &GenArgs,
    folder: &Path,
    progress: &ProgressBar,
) -> anyhow::Result<Summary> {
    let registers = folder.join(REGISTERS);
    fs::create_dir_all(&registers)
        .with_context(|| format!("无法建立 / cannot make {}", registers.display()))?;
    let [certificate, directory, standard, mut expert, supervision] =
        STREAMS.map(|stream| Random::new(args.seed ^ stream << 32));
    let province = args.region.province();
    let mut summary = Summary::default();
    let mut certificates = Certificates::new(province, args.seed, args.count, 0)?;
    let qualified = standards::qualified(args.seed);
    let issued = write_certificates(
        args,
        folder,
        (&mut certificates, Issued::new(certificate, &qualified)),
        (&mut summary, progress),
    )?;
    let institutions = directory::Directory::new(directory, certificates.institutions(), &issued);
    let path = folder.join("institutions.csv");
    let mut table = Table::create(
        &path,
        args.encoding,
        Kind::Institutions,
        &INSTITUTION_EXPORT,
    )?;
    for row in institutions.rows() {
        table.row(row)?;
    }
    summary.institutions = table.finish()?;

    let mut files = Files::new(province);
    files.all(catalogue_of(&qualified))?;
    standards::write(standard, &issued, &mut files)?;
    files.all(agreement())?;
    let listed = certificates.institutions();
    let people = experts::Experts::new(&mut expert, province, listed);
    people.write(&mut expert, listed, &mut files)?;
    institutions.write(&mut files)?;
    supervision::write(supervision, listed, &people, &mut files)?;
    let kinds = files.write(&registers)?;
    summary.entries = kinds.iter().copied().collect();
    readme::write(folder, args, &kinds)?;
    progress.finish_and_clear();
    Ok(summary)
}

fn write_certificates<'a>(
    args: &GenArgs,
    folder: &Path,
    (certificates, mut issued): (&mut Certificates, Issued<'a>),
    (summary, progress): (&mut Summary, &ProgressBar),
) -> anyhow::Result<Issued<'a>> {
    let path = folder.join("certificates.csv");
    let mut table = Table::create(
        &path,
        args.encoding,
        Kind::Certificates,
        &CERTIFICATE_EXPORT,
    )?;
    let path = folder.join("statuses.csv");
    let mut statuses = Statuses::create(&path, args, args.count.div_ceil(CHANGED))?;
    progress.set_length(args.count);
    for place in 0..args.count {
        let mut row = certificates.next_certificate()?.row;
        issued.take(&mut row)?;
        table.row(row.cells())?;
        // Nothing is changed on a day that is yet to come.
        if row.get("issue_date") < certificates::LAST_CHANGED {
            statuses.offer(place, &row)?;
        }
        progress.inc(1);
    }
    summary.certificates = table.finish()?;
    summary.statuses = statuses.table.finish()?;
    Ok(issued)
}

/// One month of a year as a date, yyyymmdd: the first day of it.
fn first_of(year: u16, month: u16) -> u32 {
    u32::from(year) * 10_000 + u32::from(month) * 100 + 1
}

/// A register's entry and the day from which it holds.
type Dated<E> = (u32, E);

/// Adds entries of one kind.
fn add<E: huren_core::registry::Entry>(
    files: &mut Files,
    entries: impl IntoIterator<Item = Dated<E>>,
) -> anyhow::Result<()> {
    let mut all = Entries::new(E::KIND);
    for (from, entry) in entries {
        all.add(files.province(), from, &entry)?;
    }
    files.push(all);
    Ok(())
}

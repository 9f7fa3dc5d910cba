//! Entries of the directory of institutions.

use huren_proto::v1::Institution;

use super::{Dated, held};
use crate::codes::Date;

/// Whether an entry would give an institution's code to another one, out of the entries that the
/// log has under the code: a code is never given twice, after an exit neither (统一编码,
/// 浙人社发〔2022〕16号 四(一)). Institutions are told apart by their 统一社会信用代码.
///
/// What an entry said wrong is corrected by another one from the same day; so an institution is
/// compared with the one before, and before the first with the first, if that day has none.
pub fn is_code_reused(entries: &[Dated<Institution>], entry: &Institution, from: Date) -> bool {
    let known = entries.iter().filter(|row| !row.entry.uscc.is_empty());
    let known: Vec<Dated<Institution>> = known.cloned().collect();
    let is_corrected = known
        .iter()
        .any(|row| row.effective_date == from.as_yyyymmdd());
    let first = || {
        known
            .iter()
            .min_by_key(|row| (row.effective_date, row.index))
    };
    let before = held(&known, from.plus_days(-1));
    let holder = before.or_else(|| first().filter(|_| !is_corrected));
    !entry.uscc.is_empty() && holder.is_some_and(|holder| holder.entry.uscc != entry.uscc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uscc: &str) -> Institution {
        Institution {
            uscc: uscc.into(),
            ..Institution::default()
        }
    }

    #[test]
    fn a_code_stays_with_its_holder_and_mistakes_are_corrected() {
        let dated = |(index, (effective_date, uscc)): (u64, &(u32, &str))| Dated {
            index,
            effective_date: *effective_date,
            entry: entry(uscc),
        };
        let check = |rows: &[(u32, &str)], uscc, from, expected| {
            let rows: Vec<_> = (0..).zip(rows).map(dated).collect();
            let from = Date::from_yyyymmdd(from).unwrap();
            let is_reused = is_code_reused(&rows, &entry(uscc), from);
            assert_eq!(is_reused, expected, "{uscc} from {from}");
        };
        check(&[], "A", 20_200_101, false);
        let rows = [(20_200_101, "A"), (20_230_101, ""), (20_240_101, "A")];
        check(&rows, "A", 20_250_101, false);
        check(&rows, "B", 20_250_101, true);
        check(&rows, "B", 20_210_101, true);
        check(&rows, "B", 20_190_101, true);
        check(&rows, "A", 20_190_101, false);
        check(&rows, "", 20_250_101, false);
        // What was wrong from the start, step by step.
        check(&rows, "B", 20_200_101, false);
        check(&rows, "B", 20_240_101, true);
        let corrected = [&rows[..], &[(20_200_101, "B")]].concat();
        check(&corrected, "B", 20_240_101, false);
        check(&corrected, "B", 20_210_101, false);
    }
}

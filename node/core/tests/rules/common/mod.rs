//! Four provinces with fixed keys, logs in memory, and whoever writes records into them.

mod case;
pub(crate) mod evidence;
mod federation;
mod log;
mod writer;

use huren_proto::v1;

pub(crate) use case::{Case, correction};
pub(crate) use federation::{Federation, Province, record_key, seed, sign, sign_text, successor};
pub(crate) use log::Log;
pub(crate) use writer::{Writer, frame, hash, institution_writer, openings, values};

/// Seconds since 1970 at which everything happens: 2025-06-01 00:00 UTC.
pub(crate) const NOW: u64 = 1_748_736_000;

/// An institution of Zhejiang's.
pub(crate) const INSTITUTION: &str = "Y000133020600";

/// A number of Zhejiang's (22 positions, province code at 6 and 7).
pub(crate) const NUMBER: &str = "Y000133020600243000001";

/// A shortage list of Zhejiang's: an entry of a public register that only provinces write.
pub(crate) fn shortage_list() -> v1::ShortageList {
    v1::ShortageList {
        region: "33".to_owned(),
        year: 2025,
        title: "浙江省技能人才紧缺职业目录".to_owned(),
        occupation_edition: 2022,
        lines: vec![v1::ShortageLine {
            occupation: "6-31-01-03".to_owned(),
            level_from: 3,
            level_to: 5,
            degree: v1::ShortageDegree::Urgent.into(),
        }],
        ..Default::default()
    }
}

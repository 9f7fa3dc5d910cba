//! What mending tells: what was damaged, where it came from, what is damaged still.

use std::{collections::BTreeMap, fmt, ops::Range};

use huren_core::checkpoint::Origin;

/// A kind of piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Checkpoint,
    Entries,
    /// Of that level.
    Tiles(u8),
}

/// Pieces of one kind in a row: entries by their indexes, tiles by their numbers.
#[derive(Debug)]
struct Pieces {
    origin: Origin,
    what: What,
    range: Range<u64>,
}

/// What became of the damage.
#[derive(Debug, Default)]
pub struct Mended {
    /// With the member that gave them; `None` for what was held here in another place.
    done: Vec<(Pieces, Option<String>)>,
    /// With the reason.
    left: Vec<(Pieces, &'static str)>,
    /// Members that did not answer or answered wrong, with the first reason code.
    refused: BTreeMap<String, String>,
}

impl Mended {
    /// Whether nothing is damaged any more.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty()
    }

    pub(super) fn done(
        &mut self,
        origin: &Origin,
        what: What,
        range: Range<u64>,
        from: Option<&String>,
    ) {
        add(&mut self.done, (origin, what, range), from.cloned());
    }

    pub(super) fn left(
        &mut self,
        origin: &Origin,
        what: What,
        range: Range<u64>,
        why: &'static str,
    ) {
        add(&mut self.left, (origin, what, range), why);
    }

    pub(super) fn refused(&mut self, region: &str, code: &str) {
        let code = || code.to_owned();
        self.refused.entry(region.to_owned()).or_insert_with(code);
    }
}

/// Adds pieces, to those before them if they go on there.
fn add<T: PartialEq>(
    to: &mut Vec<(Pieces, T)>,
    (origin, what, range): (&Origin, What, Range<u64>),
    with: T,
) {
    if let Some((last, before)) = to.last_mut()
        && (&last.origin, last.what, last.range.end, &*before) == (origin, what, range.start, &with)
    {
        last.range.end = range.end;
        return;
    }
    let origin = origin.clone();
    to.push((
        Pieces {
            origin,
            what,
            range,
        },
        with,
    ));
}

impl fmt::Display for Mended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pieces, from) in &self.done {
            write!(f, "+ {pieces}：")?;
            match from {
                None => writeln!(f, "由本机所存修复 / from what is held here")?,
                Some(region) => writeln!(f, "取自成员 {region} / from member {region}")?,
            }
        }
        for (pieces, why) in &self.left {
            writeln!(f, "✗ {pieces}：{why}")?;
        }
        for (region, code) in &self.refused {
            writeln!(f, "✗ 成员 / member {region}：{code}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            what,
            range,
        } = self;
        let places = match (range.start, range.end - 1) {
            (only, last) if only == last => only.to_string(),
            (first, last) => format!("{first}–{last}"),
        };
        match what {
            What::Checkpoint => write!(f, "{origin} 检查点 / checkpoint"),
            What::Entries => write!(f, "{origin} 条目 / entries {places}"),
            What::Tiles(level) => {
                write!(
                    f,
                    "{origin} 第 {level} 层树块 / tiles of level {level}, {places}"
                )
            }
        }
    }
}

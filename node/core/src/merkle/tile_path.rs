//! The paths of `tlog-tiles`: `tile/0/x001/234.p/5`, `tile/entries/x001/234`.

use std::fmt;
use std::str::FromStr;

use super::tile::{TILE_WIDTH, TileId};

/// What a path under a log's prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TilePath {
    /// A tile of hashes.
    Tile(TileId),
    /// A bundle of entries.
    Entries {
        /// Number of the bundle, from 0.
        index: u64,
        /// Entries in it, 1 to 256.
        width: u16,
    },
}

/// The text is not a path of a tile or of an entry bundle in its only spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a path of a tile or of an entry bundle")]
pub struct TilePathError;

impl TileId {
    /// The path relative to the log's prefix, without a leading slash.
    pub fn path(self) -> String {
        TilePath::Tile(self).to_string()
    }
}

/// The path of an entry bundle relative to the log's prefix; `width` is 1 to 256,
/// where 256 means the full bundle.
pub fn entries_path(index: u64, width: u16) -> String {
    TilePath::Entries { index, width }.to_string()
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match self {
            Self::Tile(id) => {
                write!(f, "tile/{}/", id.level())?;
                (id.index(), id.width())
            }
            Self::Entries { index, width } => {
                f.write_str("tile/entries/")?;
                (*index, *width)
            }
        };
        write_index(f, index)?;
        if width != TILE_WIDTH {
            write!(f, ".p/{width}")?;
        }
        Ok(())
    }
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    if index >= 1000 {
        write_parents(f, index / 1000)?;
    }
    write!(f, "{:03}", index % 1000)
}

fn write_parents(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    if index >= 1000 {
        write_parents(f, index / 1000)?;
    }
    write!(f, "x{:03}/", index % 1000)
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        let path = read(text).ok_or(TilePathError)?;
        // Leading zero groups and the like would give one resource many names, which
        // caches and file systems keep apart: only what we would write is accepted.
        if path.to_string() == text {
            Ok(path)
        } else {
            Err(TilePathError)
        }
    }
}

fn read(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (
            index,
            width.parse().ok().filter(|w| (1..TILE_WIDTH).contains(w))?,
        ),
        None => (rest, TILE_WIDTH),
    };
    let index = read_index(index)?;
    match kind {
        "entries" => Some(TilePath::Entries { index, width }),
        level => TileId::new(level.parse().ok()?, index, width).map(TilePath::Tile),
    }
}

fn read_index(text: &str) -> Option<u64> {
    text.split('/').try_fold(0u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        index.checked_mul(1000)?.checked_add(digits.parse().ok()?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tile(level: u8, index: u64, width: u16) -> TilePath {
        TilePath::Tile(TileId::new(level, index, width).unwrap())
    }

    #[test]
    fn examples() {
        let cases = [
            (tile(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (tile(0, 1234, 5), "tile/0/x001/234.p/5"),
            (tile(63, 0, 255), "tile/63/000.p/255"),
            (tile(1, 999, 256), "tile/1/999"),
            (tile(1, 1000, 256), "tile/1/x001/000"),
            (
                TilePath::Entries {
                    index: 273,
                    width: 112,
                },
                "tile/entries/273.p/112",
            ),
            (
                tile(0, u64::MAX, 256),
                "tile/0/x018/x446/x744/x073/x709/x551/615",
            ),
        ];
        for (path, text) in cases {
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse(), Ok(path));
        }
        assert_eq!(TileId::new(2, 7, 3).unwrap().path(), "tile/2/007.p/3");
        assert_eq!(entries_path(1000, 256), "tile/entries/x001/000");
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/+1/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/x001/",
            "tile/0/x001/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/entries/",
            "tile/data/000",
            "tile/0/0é",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/000/../001",
            "tile/0/000 ",
        ] {
            assert_eq!(text.parse::<TilePath>(), Err(TilePathError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn paths_read_back(level in 0u8..=63, index: u64, width in 1u16..=256) {
            for path in [tile(level, index, width), TilePath::Entries { index, width }] {
                prop_assert_eq!(path.to_string().parse(), Ok(path));
            }
        }

        #[test]
        fn what_is_read_is_what_would_be_written(text in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,7}[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Ok(path) = text.parse::<TilePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }
}

//! The database and the high-water file: both readable, and the one not behind the other.

use std::path::PathBuf;

use huren_core::checkpoint::Origin;
use huren_store::{
    Error as StoreError, Head, HighWater, HighWaterError, LogState, Postgres, ReplicaFound, Sqlite,
    SqliteOptions, Store, newest_schema,
};

use super::{Check, Finding, Words, in_full};
use crate::config::{Config, Database};

/// What was read of the database.
pub(super) struct Held {
    pub(super) logs: Vec<LogState>,
    pub(super) lists: Vec<Vec<u8>>,
    /// How its replica is, if there is to be one.
    pub(super) replica: Option<Result<ReplicaFound, StoreError>>,
}

/// Why nothing was.
pub(super) enum NotRead {
    /// There is no such file.
    Missing(PathBuf),
    /// It is of another version of the program.
    Schema { held: u64, known: u64 },
    /// It failed.
    Failed(StoreError),
}

impl From<StoreError> for NotRead {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Reads the database beside the node, and changes nothing.
pub(super) async fn look(config: &Config) -> Result<Held, NotRead> {
    match &config.database {
        Database::File(path) => {
            if !path.exists() {
                return Err(NotRead::Missing(path.clone()));
            }
            same(huren_store::schema(path).await?, newest_schema())?;
            let store = Sqlite::look_at(path, SqliteOptions::default()).await?;
            let held = read(&store).await;
            store.close().await;
            held
        }
        Database::Shared(at) => {
            let store = Postgres::lazy(&at.url, &at.options)?;
            same(store.schema().await?, Postgres::newest_schema())?;
            let held = match read(&store).await {
                Ok(held) => Ok(Held {
                    replica: store.examine_replica().await,
                    ..held
                }),
                Err(error) => Err(error),
            };
            store.close().await;
            held
        }
    }
}

fn same(held: u64, known: u64) -> Result<(), NotRead> {
    match held == known {
        true => Ok(()),
        false => Err(NotRead::Schema { held, known }),
    }
}

async fn read(store: &dyn Store) -> Result<Held, NotRead> {
    Ok(Held {
        logs: store.logs().await?,
        lists: store.trust_lists().await?,
        replica: None,
    })
}

/// What is to be said of the database. One that is not there is none yet, if nothing was ever signed.
pub(super) fn judge(database: &Database, held: &Result<Held, NotRead>, is_new: bool) -> Finding {
    let found = |words, remedy| Finding::problem(Check::Database, words, remedy);
    match held {
        Ok(held) => {
            let leaves: u64 = held.logs.iter().map(|log| log.head.size).sum();
            let logs = held.logs.len();
            let frozen = held.logs.iter().filter(|log| log.frozen.is_some());
            let frozen: Vec<&str> = frozen.map(|log| log.origin.as_str()).collect();
            if frozen.is_empty() {
                let words = Words::new(
                    format!("{logs} 份日志，{leaves} 条"),
                    format!("{logs} logs, {leaves} entries: {database}"),
                );
                return Finding::ok(Check::Database, words);
            }
            let frozen = frozen.join(" ");
            let words = Words::new(
                format!("日志已冻结：{frozen}"),
                format!("frozen logs: {frozen}"),
            );
            let remedy = Words::new(
                "见 huren evidence list 与 README “日志冻结”",
                "see `huren evidence list`, and what the README says of frozen logs",
            );
            found(words, remedy)
        }
        Err(NotRead::Missing(path)) if is_new => {
            let path = path.display();
            let words = Words::new(
                format!("{path} 尚未建立"),
                format!("there is no {path} yet"),
            );
            let remedy = Words::new("启动节点即建立", "the node makes it when it starts");
            Finding::notice(Check::Database, words, remedy)
        }
        Err(NotRead::Missing(path)) => {
            let path = path.display();
            let words = Words::new(format!("没有 {path}"), format!("there is no {path}"));
            let remedy = Words::new(
                "挂载其磁盘，或由备份恢复（huren-node restore）；勿让节点以空数据库启动",
                "mount its disk, or restore a backup (huren-node restore), before the node starts with an \
                 empty one",
            );
            found(words, remedy)
        }
        Err(NotRead::Schema { held, known }) => {
            let words = Words::new(
                format!("数据库结构为第 {held} 版，本程序为第 {known} 版"),
                format!("the database has schema {held}, this program {known}"),
            );
            if held > known {
                let remedy = Words::new("使用更新版本的程序", "use the newer program");
                return found(words, remedy);
            }
            let remedy = Words::new(
                "以本程序重启节点即升级；升级前先备份",
                "the node brings it up to date when this program starts it: back it up before",
            );
            Finding::notice(Check::Database, words, remedy)
        }
        Err(NotRead::Failed(error)) => {
            let remedy = match (database, error) {
                (_, StoreError::Corrupt(_)) => Words::new(
                    "huren-node fsck，见手册“核对数据库”",
                    "huren-node fsck: see the handbook",
                ),
                (Database::File(_), _) => Words::new(
                    "以节点的用户运行本命令，检查磁盘与文件属主",
                    "run this as the node's user; see to the disk, and whose file it is",
                ),
                (Database::Shared(_), _) => Words::new(
                    "检查 PostgreSQL 是否运行、database.url 与口令（PGPASSWORD、~/.pgpass）",
                    "see that PostgreSQL runs, and to database.url and the password (PGPASSWORD, ~/.pgpass)",
                ),
            };
            found(Words::new("数据库无法读取", in_full(error)), remedy)
        }
    }
}

/// What the high-water file says.
pub(super) struct Mark(Result<Option<(Origin, Head)>, HighWaterError>);

/// Reads the high-water file.
pub(super) fn mark(config: &Config) -> Mark {
    Mark(HighWater::open(&config.high_water).and_then(|file| file.read()))
}

impl Mark {
    /// Whether nothing was ever signed.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.0, Ok(Some((_, head))) if head.size == 0)
    }

    /// What is to be said of it beside the own log in the database: `None` if that was not read, and
    /// `Some(None)` if it is not in there.
    pub(super) fn judge(&self, origin: &Origin, own: Option<Option<&LogState>>) -> Finding {
        let found = |words, remedy| Finding::problem(Check::HighWater, words, remedy);
        let (marked, head) = match &self.0 {
            Ok(Some(mark)) => mark,
            Ok(None) => {
                let words = Words::new("没有 high-water 文件", "there is no high-water file");
                let remedy = Words::new(
                    "勿从备份放回；节点启动时先询问成员再签名。若只是磁盘未挂载，先挂载",
                    "put none back from a backup: the node asks the members before it signs. Where a disk is \
                     not mounted, mount it first",
                );
                return Finding::notice(Check::HighWater, words, remedy);
            }
            Err(error) => {
                let remedy = Words::new(
                    "损坏时移开该文件（勿从备份恢复）再启动；无法读取时检查属主与磁盘",
                    "where it is damaged, move it away (never restore it) and start again; where it cannot be \
                     read, see whose file it is, and to the disk",
                );
                return found(Words::new("high-water 文件不可用", in_full(error)), remedy);
            }
        };
        if marked != origin {
            let words = Words::new(
                format!("high-water 属于另一日志 {marked}"),
                format!("it is of another log, {marked}"),
            );
            let remedy = Words::new(
                "放回本节点自己的文件；绝不由他处复制",
                "put this node's own back, and never copy one from elsewhere",
            );
            return found(words, remedy);
        }
        let size = head.size;
        let Some(own) = own else {
            let words = Words::new(format!("{size} 条"), format!("size {size}"));
            return Finding::ok(Check::HighWater, words);
        };
        let held = own.map_or(0, |own| own.head.size);
        let is_other = own.is_some_and(|own| held == size && own.head.root != head.root);
        if held < size {
            let words = Words::new(
                format!("已签名至 {size} 条，数据库只有 {held} 条"),
                format!("{size} were signed, and the database has {held}"),
            );
            let remedy = Words::new(
                "恢复较新的数据库，或启动节点并等持有其余记录的成员上线；见 README “LOG_LOST”",
                "bring back the newer database, or start the node and wait for members that hold the rest: see \
                 LOG_LOST in the README",
            );
            return found(words, remedy);
        }
        if is_other {
            let words = Words::new(
                format!("第 {size} 条处数据库与已签名的不同"),
                format!("at size {size} the database is not what was signed"),
            );
            let remedy = Words::new(
                "这不是本日志的数据库：换回正确的（LOG_OTHER_TREE）",
                "this is not the log's database: put the right one back (LOG_OTHER_TREE)",
            );
            return found(words, remedy);
        }
        let words = Words::new(
            format!("已签名 {size} 条，数据库 {held} 条"),
            format!("{size} signed, {held} in the database"),
        );
        Finding::ok(Check::HighWater, words)
    }
}

#[cfg(test)]
mod tests {
    use huren_core::merkle::{Hash, empty_root};
    use huren_store::{Memory, Role};

    use super::*;
    use crate::doctor::Level;

    const ORIGIN: &str = "huren.zj.example/log/33";

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    async fn log(head: Head) -> LogState {
        let (store, origin) = (Memory::new(), origin(ORIGIN));
        store.create_log(&origin, Role::Own).await.unwrap();
        let log = store.log(&origin).await.unwrap().unwrap();
        LogState { head, ..log }
    }

    #[tokio::test]
    async fn a_database_is_never_behind_what_was_signed() {
        let head = |size, root: u8| Head {
            size,
            root: Hash([root; 32]),
        };
        let marked = |head| Mark(Ok(Some((origin(ORIGIN), head))));
        for (signed, held, expected) in [
            (head(7, 1), Some(head(7, 1)), Level::Ok),
            // Committed, and not signed yet.
            (head(7, 1), Some(head(9, 2)), Level::Ok),
            (head(7, 1), Some(head(6, 2)), Level::Problem),
            (head(7, 1), Some(head(7, 2)), Level::Problem),
            (head(7, 1), None, Level::Problem),
            (head(0, 1), None, Level::Ok),
        ] {
            let held = match held {
                Some(held) => Some(log(held).await),
                None => None,
            };
            let found = marked(signed).judge(&origin(ORIGIN), Some(held.as_ref()));
            assert_eq!(found.level, expected, "{found:?}");
        }
    }

    #[test]
    fn a_mark_is_of_this_log_and_missed_where_it_is_not() {
        let nothing = Head {
            size: 0,
            root: empty_root(),
        };
        let other = Mark(Ok(Some((origin("huren.sh.example/log/31"), nothing))));
        assert_eq!(other.judge(&origin(ORIGIN), None).level, Level::Problem);
        let missing = Mark(Ok(None)).judge(&origin(ORIGIN), None);
        assert_eq!(missing.level, Level::Notice);
        let path = PathBuf::from("high-water");
        let damaged = Mark(Err(HighWaterError::Damaged { path }));
        assert_eq!(damaged.judge(&origin(ORIGIN), None).level, Level::Problem);
    }

    #[test]
    fn a_database_that_is_missing_is_new_only_if_nothing_was_signed() {
        let path = PathBuf::from("data/huren.db");
        let database = Database::File(path.clone());
        let level = |held, is_new| judge(&database, &Err(held), is_new).level;
        assert_eq!(level(NotRead::Missing(path.clone()), true), Level::Notice);
        assert_eq!(level(NotRead::Missing(path), false), Level::Problem);
        let schema = |held, known| NotRead::Schema { held, known };
        assert_eq!(level(schema(1, 2), false), Level::Notice);
        assert_eq!(level(schema(2, 1), false), Level::Problem);
    }
}

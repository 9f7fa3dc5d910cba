//! A PostgreSQL server of one's own, from the binaries on this machine, for tests and benchmarks;
//! and a PgBouncer before it.
//!
//! Each listens on a Unix socket in a folder of its own, and ends with the process that
//! started it, however that ends. The server of the tests syncs nothing to disk.

mod pgbouncer;

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub use pgbouncer::{Pooler, pooler};

/// Set to anything, it makes the lack of PostgreSQL, or of PgBouncer, a failure.
pub const REQUIRED: &str = "REQUIRE_POSTGRES";

/// User and group that the server runs as where the tests run as root, whom it refuses: `nobody`
/// and `nogroup` of Debian.
const NOBODY: u32 = 65_534;

/// How long the server may take to answer at first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the server until its input ends, which it does with the process that holds the other
/// end; then removes all that it left.
const SUPERVISE: &str = r#"
"$@" & server=$!
cat > /dev/null
kill "-$SIGNAL" "$server" 2> /dev/null
wait "$server"
rm -rf "$FOLDER"
"#;

/// A running server.
pub struct Server {
    process: Process,
    binaries: PathBuf,
    databases: AtomicU32,
}

/// What runs in a folder of its own, as a user that it accepts.
struct Process {
    folder: PathBuf,
    /// Ends it when this is dropped, or when this process ends.
    _supervisor: Child,
}

/// The server of this process, started at the first call. Where PostgreSQL is missing there is
/// none, which is said once on the standard error.
///
/// # Panics
/// If it cannot be started, or is missing and [`REQUIRED`].
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let started = SERVER.get_or_init(|| {
        let Some(binaries) = binaries() else {
            missing("PostgreSQL", "postgresql");
            return None;
        };
        Some(Server::start(binaries, &["-c", "fsync=off"]).expect("a PostgreSQL server"))
    });
    started.as_ref()
}

/// The standby of [`server`], started at the first call.
///
/// # Panics
/// As [`server`].
pub fn standby() -> Option<&'static Server> {
    static STANDBY: OnceLock<Server> = OnceLock::new();
    let server = server()?;
    Some(STANDBY.get_or_init(|| server.standby().expect("a standby")))
}

impl Server {
    /// Starts a server of its own, with further arguments.
    ///
    /// # Errors
    /// If a command fails, or the server does not answer within a minute.
    pub fn start(binaries: PathBuf, arguments: &[&str]) -> io::Result<Self> {
        let folder = own_folder()?;
        let data = folder.join("data");
        let mut initdb = unprivileged(binaries.join("initdb"))?;
        initdb
            .args(["--no-sync", "--auth=trust", "--username=huren"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"]);
        run(initdb.arg(&data))?;
        Self::run(folder, binaries, arguments)
    }

    /// Starts a standby of this server, which replays what this one writes.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn standby(&self) -> io::Result<Self> {
        let folder = own_folder()?;
        let mut copy = unprivileged(self.binaries.join("pg_basebackup"))?;
        copy.args(["--no-sync", "--checkpoint=fast", "--write-recovery-conf"])
            .arg("--dbname")
            .arg(self.conninfo("/replication"))
            .arg("--pgdata")
            .arg(folder.join("data"));
        run(&mut copy)?;
        Self::run(folder, self.binaries.clone(), &["-c", "fsync=off"])
    }

    /// Address of a database of another server on this one.
    pub fn same(&self, url: &str) -> String {
        self.process.url(url.rsplit('/').next().unwrap_or_default())
    }

    /// Runs a server on its data, in a folder that goes with it.
    fn run(folder: PathBuf, binaries: PathBuf, arguments: &[&str]) -> io::Result<Self> {
        let data = folder.join("data");
        let socket = folder.clone();
        let process = Process::spawn(folder, "QUIT", |command| {
            command
                .arg(binaries.join("postgres"))
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(&socket)
                .args(["-c", "listen_addresses=", "-c", "max_connections=1000"])
                // For the standbys of tests that run at once, however late they come.
                .args(["-c", "max_wal_senders=50", "-c", "wal_keep_size=1GB"])
                .args(arguments);
        })?;
        let server = Self {
            process,
            binaries,
            databases: AtomicU32::new(0),
        };
        let answers = || server.execute("SELECT 1").is_ok();
        server.process.until(answers)?;
        Ok(server)
    }

    /// Makes an empty database; gives its address.
    ///
    /// # Errors
    /// If the command fails.
    pub fn database(&self) -> io::Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        self.execute(&format!("CREATE DATABASE {name}"))?;
        Ok(self.process.url(&name))
    }

    /// Makes a database that is a copy of another one, to which nobody is connected.
    ///
    /// # Errors
    /// If the command fails.
    pub fn copy_of(&self, url: &str) -> io::Result<String> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        let template = url.rsplit('/').next().unwrap_or_default();
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))?;
        Ok(self.process.url(&name))
    }

    /// Runs a statement in the database for maintenance; gives what `psql` shows.
    ///
    /// # Errors
    /// If the command fails.
    pub fn execute(&self, sql: &str) -> io::Result<String> {
        self.query(&self.process.url("postgres"), sql)
    }

    /// Runs statements, or one of `psql`'s own commands, in a database; gives what `psql` shows.
    ///
    /// # Errors
    /// If the command fails.
    pub fn query(&self, url: &str, sql: &str) -> io::Result<String> {
        run(self.psql(url).args(["-c", sql]))
    }

    /// Runs the statements of a file in a database, each in a transaction of its own.
    ///
    /// # Errors
    /// If one fails, behind which none is run.
    pub fn run_file(&self, url: &str, file: &Path) -> io::Result<String> {
        run(self.psql(url).arg("-f").arg(file))
    }

    fn psql(&self, url: &str) -> Command {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url]);
        psql
    }

    /// How libpq, in this server or another one, connects to a database: keywords and values.
    pub fn conninfo(&self, url: &str) -> String {
        let database = url.rsplit('/').next().unwrap_or_default();
        format!(
            "host={} user=huren dbname={database}",
            self.process.folder.display()
        )
    }
}

impl Process {
    /// Starts the command that is given its arguments. At the end it is sent the signal, and the
    /// folder goes.
    fn spawn(
        folder: PathBuf,
        signal: &str,
        program: impl FnOnce(&mut Command),
    ) -> io::Result<Self> {
        let mut supervisor = unprivileged("sh")?;
        supervisor.args(["-c", SUPERVISE, "sh"]);
        program(&mut supervisor);
        supervisor
            .env("FOLDER", &folder)
            .env("SIGNAL", signal)
            // What interrupts the tests at a terminal must not end the supervisor before them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?);
        Ok(Self {
            _supervisor: supervisor.spawn()?,
            folder,
        })
    }

    /// Waits for it to answer.
    fn until(&self, answers: impl Fn() -> bool) -> io::Result<()> {
        let begin = Instant::now();
        while !answers() {
            if begin.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.join("log"))?;
                return Err(io::Error::other(format!("no answer; it wrote: {log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Address of a database.
    fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://huren@{folder}/{database}")
    }
}

/// Says that something is not installed, which is a failure if it is [`REQUIRED`].
fn missing(what: &str, package: &str) {
    let what = format!(
        "{what} is not installed: the tests on it are NOT run (Debian: apt install {package})\n"
    );
    assert!(std::env::var_os(REQUIRED).is_none(), "{what}");
    // Not by a macro, whose output a test that passes keeps to itself.
    let _ = io::stderr().write_all(what.as_bytes());
}

/// Where `initdb` is: in the search path, or where Debian has it, the newest version first.
pub fn binaries() -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&path));
    let complete = |folder: &Path| {
        ["initdb", "postgres", "psql", "pg_basebackup"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    folders.into_iter().find(|folder| complete(folder))
}

/// A folder of the user that the server runs as.
fn own_folder() -> io::Result<PathBuf> {
    let folder = TempDir::with_prefix("huren-postgres-")?.keep();
    if is_root()? {
        std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(folder)
}

fn is_root() -> io::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

fn unprivileged(program: impl AsRef<std::ffi::OsStr>) -> io::Result<Command> {
    let mut command = Command::new(program);
    if is_root()? {
        command.uid(NOBODY).gid(NOBODY);
    }
    // A folder that every user may be in.
    command.current_dir("/");
    Ok(command)
}

fn run(command: &mut Command) -> io::Result<String> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(io::Error::other(format!("{command:?}: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_apart_and_copies_are_whole() {
        let Some(server) = server() else { return };
        let (first, second) = (server.database().unwrap(), server.database().unwrap());
        assert_ne!(first, second);
        let third = server.copy_of(&first).unwrap();
        assert_ne!(first, third);
        let count = server
            .execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'")
            .unwrap();
        assert_eq!(count.trim(), "3");
    }
}

//! A PgBouncer before the server, in transaction mode.

use std::{ffi::OsString, fs, io, path::PathBuf, sync::OnceLock};

use crate::{Process, Server, missing, own_folder, server};

/// Connections to the server that all connections to a database share. They take turns, so that a
/// transaction is given another one than the last.
const CONNECTIONS: u32 = 3;

/// A running PgBouncer. It gives each transaction a connection to the server, and has few.
pub struct Pooler {
    process: Process,
}

/// The pooler before [`server`], started at the first call. Where it or the server is missing
/// there is none, which is said once on the standard error.
///
/// # Panics
/// If it cannot be started, or is missing and [`REQUIRED`](crate::REQUIRED).
pub fn pooler() -> Option<&'static Pooler> {
    static POOLER: OnceLock<Option<Pooler>> = OnceLock::new();
    let server = server()?;
    let started = POOLER.get_or_init(|| {
        let Some(program) = program() else {
            missing("PgBouncer", "pgbouncer");
            return None;
        };
        Some(Pooler::start(program, server).expect("a PgBouncer"))
    });
    started.as_ref()
}

impl Pooler {
    /// Starts one before a server, for all databases of it.
    ///
    /// # Errors
    /// If a command fails, or it does not answer within a minute.
    fn start(program: PathBuf, server: &Server) -> io::Result<Self> {
        let folder = own_folder()?;
        let settings = folder.join("pgbouncer.ini");
        fs::write(
            &settings,
            format!(
                "[databases]\n\
                 * = host={server} user=huren\n\
                 [pgbouncer]\n\
                 pool_mode = transaction\n\
                 default_pool_size = {CONNECTIONS}\n\
                 server_round_robin = 1\n\
                 server_idle_timeout = 5\n\
                 max_client_conn = 5000\n\
                 unix_socket_dir = {folder}\n\
                 listen_port = 5432\n\
                 auth_type = any\n\
                 log_connections = 0\n\
                 log_disconnections = 0\n",
                server = server.process.folder.display(),
                folder = folder.display(),
            ),
        )?;
        let process = Process::spawn(folder, "TERM", |command| {
            command.arg(program).arg(settings);
        })?;
        let pooler = Self { process };
        let url = pooler.same("/postgres");
        pooler
            .process
            .until(|| server.query(&url, "SELECT 1").is_ok())?;
        Ok(pooler)
    }

    /// The address here of a database of the server.
    pub fn same(&self, url: &str) -> String {
        self.process.url(url.rsplit('/').next().unwrap_or_default())
    }
}

/// Where `pgbouncer` is: in the search path, or where Debian has it.
fn program() -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let programs = folders.into_iter().map(|folder| folder.join("pgbouncer"));
    programs.into_iter().find(|program| program.is_file())
}

//! `huren-node migrate-store`: from a file into PostgreSQL.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use huren_store::{
    Moving, Postgres, PostgresOptions, Sqlite, SqliteOptions, Store as _, move_store,
};

use crate::{
    backup::{check, progress_bar, step},
    config::Config,
    keys::{self, Purpose},
    startup::load_trust,
};

/// What is moved where.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// 节点配置，其数据库为文件 / the node's configuration, whose database is a file.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// 空的 PostgreSQL 数据库，如 postgres://huren@db.example/huren；口令放 PGPASSWORD 或 ~/.pgpass / an
    /// empty PostgreSQL database; the password goes into PGPASSWORD or ~/.pgpass.
    #[arg(long, value_name = "URL")]
    pub to: String,
}

impl MigrateArgs {
    /// Moves the database, checks what was moved, and tells how to go on.
    ///
    /// # Errors
    /// If either database fails, or what was moved is not what its provinces signed. The file
    /// stays as it is.
    pub async fn run(&self) -> anyhow::Result<String> {
        let config = Config::load(&self.config)?;
        let path = config.database.file()?;
        if !path.exists() {
            bail!("没有数据库 {0} / there is no database {0}", path.display());
        }
        let at_rest = keys::load_ring(&config.keys_dir, Purpose::AtRest)?;
        let from = Sqlite::open(path, SqliteOptions::default()).await?;
        // As it goes through a pooler, and where there is none.
        let options = PostgresOptions {
            pooled: true,
            ..PostgresOptions::default()
        };
        let to = Postgres::open(&self.to, &options)
            .await
            .context("无法打开目标数据库 / cannot open the database that it is to go to")?;
        let progress = progress_bar();
        let moved = move_store(&from, &to, |moving| match moving {
            Moving::Table(table, rows) => step(&progress, rows, table),
            Moving::Rows(rows) => progress.inc(rows),
        })
        .await?;
        let trust = load_trust(&config, &to.trust_lists().await?)?;
        // What its rows are was compared; this is whether the logs are what was signed.
        check::logs(&to, &trust, &at_rest, &progress).await?;
        progress.finish_and_clear();
        from.close().await;
        to.close().await;
        let mut text = String::new();
        for (table, rows) in moved {
            writeln!(text, "{table:<18} {rows:>12}")?;
        }
        let (file, config) = (path.display(), self.config.display());
        Ok(format!(
            "已搬移，逐表读回核对，各日志重新计算根并核对签名 / moved, read back table by table, and every log re-hashed up \
             to what its province signed\n{text}\
             下一步 / next steps:\n\
             1. 在 {config} 的 [database] 中写入 url 与 address / put url and address into [database] of {config}\n\
             2. 启动节点 / start the node\n\
             3. 确认无误后移走 {file}，勿再以它启动节点 / once all is well put {file} away, and never start the node \
             with it again\n"
        ))
    }
}

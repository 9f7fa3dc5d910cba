//! The figures beside their limits and what is asked of them.

use std::fmt;

use serde::Serialize;

use super::{
    BenchArgs, calls::Calls, decisions::Decisions, figures::Figures, limits::Signatures,
    round::Round,
};

/// What a node is asked to reach on two cores.
const IMPORT_GOAL: f64 = 10_000.0;
const REPLICATE_GOAL: f64 = 10_000.0;
const VERIFY_GOAL: f64 = 5_000.0;
const MEMORY_GOAL: f64 = 300.0;
/// Decisions a second: 100,000 in ten seconds.
const BATCH_GOAL: f64 = 10_000.0;
/// Microseconds for a decision in memory.
const DECIDE_GOAL: f64 = 50.0;
/// Which share of a bulk insert the fold is to reach.
const FOLD_SHARE: f64 = 0.5;
/// How much more memory many records may take than few, in hundredths.
const GROWTH_GOAL: f64 = 10.0;

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) nodes: Option<Nodes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decisions: Option<DecisionReport>,
}

/// What nodes do with certificates.
#[derive(Debug, Serialize)]
pub(super) struct Nodes {
    records: u32,
    few: u32,
    in_flight: u16,
    cores: usize,
    rates: Vec<Rate>,
    memory: Vec<Memory>,
    verify: Calls,
    empty_call: Calls,
    receipt_bytes: u64,
}

/// A speed, and the limits that bound it.
#[derive(Debug, Serialize)]
struct Rate {
    what: &'static str,
    per_second: f64,
    goal: f64,
    limits: Vec<Limit>,
}

#[derive(Debug, Serialize)]
struct Limit {
    what: &'static str,
    per_second: f64,
    /// The speed as a share of this limit.
    ratio: f64,
}

/// Peak memory of a node, in MiB.
#[derive(Debug, Serialize)]
struct Memory {
    node: &'static str,
    few_mib: f64,
    many_mib: f64,
    growth_percent: f64,
}

impl Nodes {
    pub(super) fn new(
        args: &BenchArgs,
        signatures: &Signatures,
        few: &Round,
        many: &Round,
    ) -> Self {
        let engine = ("SQLite 单独写同样的行 SQLite alone, same rows", many.engine);
        let rates = vec![
            Rate::new(
                "导入 import, CSV → DURABLE",
                many.import,
                IMPORT_GOAL,
                &[("ed25519 sign", signatures.sign), engine],
            ),
            Rate::new(
                "复制 replicate, empty → verified, stored, folded",
                many.replicate,
                REPLICATE_GOAL,
                &[("ed25519 verify_strict", signatures.verify), engine],
            ),
            Rate::new(
                "核验带回执 verify with receipt",
                many.verify.per_second,
                VERIFY_GOAL,
                &[
                    ("空调用 empty tonic call", many.empty.per_second),
                    ("ed25519 sign", signatures.sign),
                ],
            ),
        ];
        let memory = [
            ("导入节点 home", few.home_memory, many.home_memory),
            ("复制节点 replica", few.replica_memory, many.replica_memory),
        ];
        Self {
            records: many.records,
            few: few.records,
            in_flight: args.in_flight,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            rates,
            memory: memory
                .into_iter()
                .filter_map(|(node, few, many)| Some(Memory::new(node, few?, many?)))
                .collect(),
            verify: many.verify,
            empty_call: many.empty,
            receipt_bytes: many.receipt_bytes,
        }
    }
}

impl Rate {
    fn new(what: &'static str, per_second: f64, goal: f64, limits: &[(&'static str, f64)]) -> Self {
        let limit = |(what, limit): &(&'static str, f64)| Limit {
            what,
            per_second: *limit,
            ratio: per_second / limit,
        };
        Self {
            what,
            per_second,
            goal,
            limits: limits.iter().map(limit).collect(),
        }
    }
}

impl Memory {
    fn new(node: &'static str, few: u64, many: u64) -> Self {
        const MIB: f64 = 1_048_576.0;
        let (few_mib, many_mib) = (few as f64 / MIB, many as f64 / MIB);
        Self {
            node,
            few_mib,
            many_mib,
            growth_percent: (many_mib / few_mib - 1.0) * 100.0,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{} {}\n  {:>9.0}/s  （目标 goal ≥ {:.0}/s）",
            mark(self.per_second >= self.goal),
            self.what,
            self.per_second,
            self.goal
        )?;
        for limit in &self.limits {
            writeln!(
                f,
                "  {:>9.0}/s  极限 limit: {}，已达 reached {:.0}%",
                limit.per_second,
                limit.what,
                limit.ratio * 100.0
            )?;
        }
        Ok(())
    }
}

/// What decisions take.
#[derive(Debug, Serialize)]
pub(super) struct DecisionReport {
    records: u32,
    entries: u64,
    rows: usize,
    streams: usize,
    decide_us: f64,
    with_library_us: f64,
    figures: Figures,
    rates: Vec<Rate>,
}

impl DecisionReport {
    pub(super) fn new(measured: Decisions) -> Self {
        let insert = "SQLite 单独插入同样的行 SQLite alone, same rows";
        let rates = vec![
            Rate::new(
                "批量互认决定 DecideMany",
                measured.batch,
                BATCH_GOAL,
                &[
                    ("批量核验 VerifyMany, same rows", measured.verify),
                    ("空调用 empty tonic call", measured.empty),
                ],
            ),
            Rate::new(
                "登记簿重建 fold, signatures checked",
                measured.fold,
                measured.insert * FOLD_SHARE,
                &[(insert, measured.insert)],
            ),
        ];
        Self {
            records: measured.records,
            entries: measured.entries,
            rows: measured.rows,
            streams: measured.streams,
            decide_us: measured.decide_us,
            with_library_us: measured.with_library_us,
            figures: measured.figures,
            rates,
        }
    }
}

impl fmt::Display for DecisionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n互认决定 decisions: {} 条证书 certificates，{} 条登记 entries，{} 行 rows，{} 路 streams",
            self.records, self.entries, self.rows, self.streams
        )?;
        writeln!(
            f,
            "{} 内存中一次判定 one in memory: {:.1} µs；连同查找依据 with finding what bears on it: \
             {:.1} µs（目标 goal < {DECIDE_GOAL:.0} µs）",
            mark(self.with_library_us < DECIDE_GOAL),
            self.decide_us,
            self.with_library_us
        )?;
        for rate in &self.rates {
            write!(f, "{rate}")?;
        }
        write!(f, "{}", self.figures)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n统计 statistics: 计入用时 counted {:.1} s 后 later；按市、等级的一张表 a table of cities and \
             levels p50 {:.1} ms，p99 {:.1} ms",
            self.counting_s, self.table.p50_ms, self.table.p99_ms
        )?;
        writeln!(
            f,
            "监测 monitoring: 各机构一个月的提示 a month of all institutions {:.1} s，{} 页 pages，{} 条 alerts",
            self.alerts_s, self.pages, self.alerts
        )
    }
}

fn mark(reached: bool) -> char {
    if reached { '✓' } else { '✗' }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nodes) = &self.nodes {
            write!(f, "{nodes}")?;
        }
        if let Some(decisions) = &self.decisions {
            write!(f, "{decisions}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} 条记录 records，{} 核 cores，每次提交都落盘 every commit synced",
            self.records, self.cores
        )?;
        for rate in &self.rates {
            write!(f, "{rate}")?;
        }
        writeln!(
            f,
            "  {} 个在途 in flight：p50 {:.1} ms，p99 {:.1} ms（空调用 empty p50 {:.1}，p99 {:.1}）；\
             回执平均 mean receipt {} B",
            self.in_flight,
            self.verify.p50_ms,
            self.verify.p99_ms,
            self.empty_call.p50_ms,
            self.empty_call.p99_ms,
            self.receipt_bytes
        )?;
        writeln!(f, "\n内存峰值 peak memory")?;
        for memory in &self.memory {
            writeln!(
                f,
                "{} {}: {:.0} MiB（{} 条 records 时 {:.0} MiB，{:+.1}%；\
                 目标 goal < {MEMORY_GOAL:.0} MiB，{GROWTH_GOAL:.0}% 以内）",
                mark(memory.many_mib < MEMORY_GOAL && memory.growth_percent <= GROWTH_GOAL),
                memory.node,
                memory.many_mib,
                self.few,
                memory.few_mib,
                memory.growth_percent
            )?;
        }
        if self.memory.is_empty() {
            writeln!(f, "  本系统不提供 / this system does not tell")?;
        }
        Ok(())
    }
}

//! What is measured: every figure with its unit, what is asked of it, and what stands beside it.
//! The scenarios give readings by these names; everything that is shown follows from this table.

use serde::{Deserialize, Serialize};

/// What a reading counts. Of rates more is better, of everything else less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Unit {
    /// Things a second.
    #[serde(rename = "/s")]
    Rate,
    /// Microseconds.
    #[serde(rename = "µs")]
    Micros,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Mebibytes.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// Bytes.
    #[serde(rename = "B")]
    Bytes,
}

impl Unit {
    /// As it is written behind a number.
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Rate => "/s",
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Mebibytes => "MiB",
            Self::Bytes => "B",
        }
    }

    /// Whether a larger value is a better one.
    pub(super) const fn is_rate(self) -> bool {
        matches!(self, Self::Rate)
    }

    /// A value of it, to three digits or more.
    pub(super) fn show(self, value: f64) -> String {
        let decimals = match value.abs() {
            small if small < 10.0 => 2,
            small if small < 100.0 => 1,
            _ => 0,
        };
        let digits = format!("{value:.decimals$}");
        let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
        let mut grouped = String::new();
        for (nth, digit) in whole.chars().enumerate() {
            if nth > 0 && (whole.len() - nth).is_multiple_of(3) && digit.is_ascii_digit() {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("{grouped}{rest} {}", self.symbol())
    }
}

/// What a figure has to reach.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// The value: at least, if it is a rate, at most otherwise.
    Value(f64),
    /// A share of another figure of the same run: at least, or at most.
    Share(&'static str, f64),
}

/// A figure.
#[derive(Debug)]
pub(super) struct Figure {
    /// Its name in reports.
    pub(super) id: &'static str,
    /// What it is, in Chinese and in English.
    pub(super) name: (&'static str, &'static str),
    pub(super) unit: Unit,
    /// What is asked of it. A figure of which nothing is asked is there to be compared with.
    pub(super) goals: &'static [Goal],
    /// What is shown beside it: what bounds it, or what one would use instead.
    pub(super) beside: &'static [&'static str],
    /// How far it may grow, or how little may be left of it, from the smallest size to the largest.
    pub(super) growth: Option<f64>,
}

const fn figure(id: &'static str, name: (&'static str, &'static str), unit: Unit) -> Figure {
    Figure {
        id,
        name,
        unit,
        goals: &[],
        beside: &[],
        growth: None,
    }
}

use Goal::{Share, Value};
use Unit::{Bytes, Mebibytes, Micros, Millis, Rate, Seconds};

/// All figures, in the order in which they are shown.
pub(super) const FIGURES: &[Figure] = &[
    Figure {
        goals: &[Value(30_000.0), Share("pg_copy", 0.35)],
        beside: &["pg_copy", "insert", "sign"],
        ..figure(
            "import",
            ("导入：CSV 至持久确认", "import, CSV to DURABLE"),
            Rate,
        )
    },
    Figure {
        goals: &[Share("pg_initial", 0.6), Share("steps", 0.6)],
        beside: &["pg_initial", "steps", "insert", "verify_strict"],
        growth: Some(0.7),
        ..figure(
            "bootstrap",
            (
                "自空库复制：验证、入库、折叠、披露",
                "bootstrap: verified, stored, folded, disclosed",
            ),
            Rate,
        )
    },
    Figure {
        goals: &[Share("pg_live", 0.6)],
        beside: &["pg_live", "import"],
        ..figure(
            "steady",
            ("随写随复制", "steady: replicated while it is written"),
            Rate,
        )
    },
    figure(
        "lag_p50",
        ("定速写入时的延迟 p50", "lag at a steady pace, p50"),
        Millis,
    ),
    Figure {
        goals: &[Value(1_000.0)],
        ..figure(
            "lag_p99",
            ("定速写入时的延迟 p99", "lag at a steady pace, p99"),
            Millis,
        )
    },
    figure(
        "members_lag_p50",
        (
            "四省同时定速写入时的延迟 p50",
            "lag while four members write at the pace, p50",
        ),
        Millis,
    ),
    Figure {
        goals: &[Value(1_000.0)],
        ..figure(
            "members_lag_p99",
            (
                "四省同时定速写入时的延迟 p99",
                "lag while four members write at the pace, p99",
            ),
            Millis,
        )
    },
    figure(
        "members_rate",
        (
            "四省同时定速写入，每省写入至各省齐备",
            "four members at the pace: written by each, held by all",
        ),
        Rate,
    ),
    Figure {
        goals: &[Share("empty", 0.5)],
        beside: &["empty"],
        ..figure(
            "verify",
            ("逐份核验，不带回执", "verify, without receipt"),
            Rate,
        )
    },
    Figure {
        beside: &["empty_p50"],
        growth: Some(1.5),
        ..figure("verify_p50", ("逐份核验 p50", "verify, p50"), Millis)
    },
    figure("verify_p99", ("逐份核验 p99", "verify, p99"), Millis),
    Figure {
        goals: &[Share("empty", 0.3)],
        beside: &["empty", "sign"],
        ..figure(
            "verify_receipt",
            ("逐份核验，带回执", "verify, with receipt"),
            Rate,
        )
    },
    Figure {
        goals: &[Value(100_000.0)],
        beside: &["empty"],
        ..figure("verify_many", ("批量核验", "verify, streamed"), Rate)
    },
    Figure {
        goals: &[Value(20.0)],
        ..figure(
            "proof",
            ("包含证明，瓦片在缓存中", "inclusion proof, warm tiles"),
            Micros,
        )
    },
    Figure {
        goals: &[Share("fold_insert", 0.7)],
        beside: &["fold_insert", "verify_strict"],
        ..figure(
            "fold",
            ("折叠登记簿，验签", "fold, signatures checked"),
            Rate,
        )
    },
    Figure {
        goals: &[Value(2.0)],
        ..figure(
            "recovery",
            ("kill -9 后恢复服务", "serving again after kill -9"),
            Seconds,
        )
    },
    Figure {
        goals: &[Value(512.0)],
        growth: Some(1.1),
        ..figure(
            "memory_home",
            ("内存峰值：导入节点", "peak memory, importing"),
            Mebibytes,
        )
    },
    Figure {
        goals: &[Value(512.0)],
        growth: Some(1.1),
        ..figure(
            "memory_replica",
            ("内存峰值：复制节点", "peak memory, bootstrapping"),
            Mebibytes,
        )
    },
    Figure {
        goals: &[Share("pg_row", 1.0)],
        beside: &["pg_row"],
        ..figure("disk", ("每条记录占用磁盘", "disk a record"), Bytes)
    },
    figure("receipt", ("回执大小", "size of a receipt"), Bytes),
    Figure {
        goals: &[Value(50.0)],
        beside: &["decide_only"],
        ..figure(
            "decide",
            ("内存中一次互认决定", "a decision in memory"),
            Micros,
        )
    },
    Figure {
        goals: &[Value(10_000.0)],
        beside: &["decide_verify", "empty"],
        ..figure("decide_many", ("批量互认决定", "decisions, streamed"), Rate)
    },
    figure(
        "table",
        (
            "统计表（市 × 等级）p50",
            "statistics by city and level, p50",
        ),
        Millis,
    ),
    figure(
        "counting",
        ("入库至计入统计", "counted, behind the fold"),
        Seconds,
    ),
    figure(
        "alerts",
        (
            "全省一个月的监测提示",
            "alerts of a month, all institutions",
        ),
        Seconds,
    ),
    // What stands beside the others.
    figure("empty", ("空调用", "empty call, same TLS"), Rate),
    figure("empty_p50", ("空调用 p50", "empty call, p50"), Millis),
    figure(
        "sign",
        ("仅签名（各核）", "ed25519 sign alone, all cores"),
        Rate,
    ),
    figure(
        "verify_strict",
        ("仅验签（各核）", "ed25519 verify_strict alone, all cores"),
        Rate,
    ),
    figure(
        "insert",
        ("仅数据库引擎写同样的行", "database engine alone, same rows"),
        Rate,
    ),
    figure(
        "fold_insert",
        (
            "仅数据库引擎写登记簿",
            "database engine alone, rows of the registers",
        ),
        Rate,
    ),
    figure(
        "steps",
        ("各步单独耗时之和", "sum of the steps alone, all cores"),
        Rate,
    ),
    figure(
        "pg_copy",
        ("PostgreSQL COPY 同样的行", "PostgreSQL COPY, same rows"),
        Rate,
    ),
    figure(
        "pg_initial",
        (
            "PostgreSQL 逻辑复制初始拷贝",
            "PostgreSQL logical replication, initial copy",
        ),
        Rate,
    ),
    figure(
        "pg_live",
        (
            "PostgreSQL 逻辑复制，实时",
            "PostgreSQL logical replication, live",
        ),
        Rate,
    ),
    figure(
        "pg_row",
        ("PostgreSQL 表中每行", "a row of the PostgreSQL table"),
        Bytes,
    ),
    figure(
        "decide_only",
        ("仅判定，依据已备", "the decision alone, evidence at hand"),
        Micros,
    ),
    figure(
        "decide_verify",
        ("同批仅核验", "the same rows, verified only"),
        Rate,
    ),
];

/// The figure of that name.
pub(super) fn figure_named(id: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.id == id)
}

/// One measurement of one figure.
pub(super) type Reading = (&'static str, f64);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_referred_to_is_there_once() {
        let ids: BTreeSet<_> = FIGURES.iter().map(|figure| figure.id).collect();
        assert_eq!(ids.len(), FIGURES.len());
        for figure in FIGURES {
            for beside in figure.beside {
                let beside = figure_named(beside).expect("a figure");
                assert_eq!(beside.unit, figure.unit, "{}", figure.id);
            }
            for goal in figure.goals {
                if let Share(of, _) = goal {
                    assert!(
                        figure.beside.contains(of),
                        "{}: {of} is not shown",
                        figure.id
                    );
                }
            }
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(Rate.show(1_234_567.8), "1,234,568 /s");
        assert_eq!(Rate.show(999.6), "1,000 /s");
        assert_eq!(Micros.show(16.64), "16.6 µs");
        assert_eq!(Seconds.show(0.128), "0.13 s");
    }
}

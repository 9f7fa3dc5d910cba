//! What a list changes against the one before, in words: for whoever is asked to sign it.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{ForeignWitness, KeyWindow, LogKey, Member, RecordKey, TrustList};

/// The longest time for which a list should hold, in days: longer than that nobody notices that
/// the root keys are lost.
const LONGEST_DAYS: i64 = 3 * 366;

/// One thing that a list changes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Stable code of what changes.
    pub code: &'static str,
    /// Whether it takes protection away, or breaks a rule: not to be signed without a reason.
    pub grave: bool,
    /// The province that it concerns, if any.
    pub region: Option<String>,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// Everything that `new` changes against `old`; against nothing, if it is the first list.
pub fn changes(old: Option<&TrustList>, new: &TrustList) -> Vec<Change> {
    let mut told = Told::default();
    root(&mut told, old, new);
    quorum(&mut told, old, new);
    witnesses(&mut told, old, new);
    expiry(&mut told, old, new);
    let before = |member: &Member| old.and_then(|old| old.logs().find(|m| is_one(m, member)));
    let was_member =
        |member: &Member| old.is_some_and(|old| old.members.iter().any(|m| is_one(m, member)));
    for member in &new.members {
        told.region = Some(member.region.clone());
        let (name, origin) = (&member.name, &member.origin);
        match before(member) {
            None => told.plain(
                "MEMBER_JOINED",
                format!("成员加入：{name}，日志 {origin}"),
                format!("{name} joins, with the log {origin}"),
            ),
            Some(_) if !was_member(member) => told.plain(
                "MEMBER_RETURNED",
                format!("成员重新加入：{name}"),
                format!("{name} is a member again"),
            ),
            Some(_) => {}
        }
        keys(&mut told, before(member), member);
        reach(&mut told, before(member), member);
    }
    for former in &new.former_members {
        told.region = Some(former.region.clone());
        if was_member(former) {
            told.plain(
                "MEMBER_LEFT",
                format!(
                    "成员退出：{}；其日志仍可读、可验，不再参与见证",
                    former.name
                ),
                format!(
                    "{} leaves: its log stays readable and verifiable, and it cosigns no more",
                    former.name
                ),
            );
        }
        keys(&mut told, before(former), former);
    }
    for log in old.into_iter().flat_map(TrustList::logs) {
        told.region = Some(log.region.clone());
        if !new.logs().any(|now| is_one(now, log)) {
            told.grave(
                "LOG_DROPPED",
                format!("日志 {} 从清单消失（不允许）", log.origin),
                format!("the log {} disappears, which is not allowed", log.origin),
            );
        }
    }
    told.changes
}

fn is_one(a: &Member, b: &Member) -> bool {
    a.origin == b.origin
}

#[derive(Default)]
struct Told {
    region: Option<String>,
    changes: Vec<Change>,
}

impl Told {
    fn plain(&mut self, code: &'static str, zh: String, en: String) {
        self.tell(code, false, zh, en);
    }

    fn grave(&mut self, code: &'static str, zh: String, en: String) {
        self.tell(code, true, zh, en);
    }

    fn tell(&mut self, code: &'static str, grave: bool, zh: String, en: String) {
        let region = self.region.clone();
        self.changes.push(Change {
            code,
            grave,
            region,
            zh,
            en,
        });
    }
}

fn root(told: &mut Told, old: Option<&TrustList>, new: &TrustList) {
    let (now, count) = (new.root.threshold, new.root.keys.len());
    let before = old.map(|old| old.root.threshold);
    let known = |list: &TrustList| list.root.keys.iter().cloned().collect::<BTreeSet<_>>();
    let (had, has) = (old.map(known).unwrap_or_default(), known(new));
    for key in has.difference(&had) {
        told.plain(
            "ROOT_KEY_ADDED",
            format!("新增根公钥 {key}"),
            format!("new root key {key}"),
        );
    }
    for key in had.difference(&has) {
        told.plain(
            "ROOT_KEY_REMOVED",
            format!("移除根公钥 {key}；须由新旧两组根密钥各自达到门槛"),
            format!("root key {key} goes; the thresholds of the old and of the new keys must sign"),
        );
    }
    let zh = format!("根密钥门槛：{} → {now}（共 {count} 个）", shown(before));
    let en = format!("root threshold: {} → {now} of {count}", shown(before));
    match before {
        Some(before) if before > now => told.grave("THRESHOLD_LOWERED", zh, en),
        before if before != Some(now) => told.plain("THRESHOLD", zh, en),
        _ => {}
    }
    if now == 1 && before != Some(1) {
        told.grave(
            "THRESHOLD_ONE",
            "一个根密钥即可改动一切".to_owned(),
            "one root key alone can change everything".to_owned(),
        );
    }
}

fn quorum(told: &mut Told, old: Option<&TrustList>, new: &TrustList) {
    let others = |list: &TrustList| list.members.len().saturating_sub(1);
    let (before, now) = (old.map(|old| old.quorum), new.quorum);
    let others_now = others(new);
    let zh = format!(
        "见证门槛：{} → {now}（其他成员 {others_now} 个）",
        shown(before)
    );
    let en = format!(
        "quorum: {} → {now} of {others_now} other members",
        shown(before)
    );
    match before {
        Some(before) if before > now => told.grave("QUORUM_LOWERED", zh, en),
        before if before != Some(now) => told.plain("QUORUM", zh, en),
        _ => {}
    }
    let is_split = |quorum: usize, others: usize| others > 0 && quorum * 2 <= others;
    let was_split = old.is_some_and(|old| is_split(old.quorum, others(old)));
    if is_split(now, others_now) && !was_split {
        told.grave(
            "QUORUM_NO_MAJORITY",
            format!("见证门槛 {now} 不过半：两组互不相交的成员可各自见证不同的历史"),
            format!("a quorum of {now} is no majority: two groups could cosign two histories"),
        );
    }
}

/// Witnesses outside of the federation. Whoever counts in a quorum stands for a member there.
fn witnesses(told: &mut Told, old: Option<&TrustList>, new: &TrustList) {
    let before = old.map(|old| old.witnesses.as_slice()).unwrap_or_default();
    let of_name = |among: &'_ [ForeignWitness], name: &str| {
        among.iter().find(|witness| witness.name == name).cloned()
    };
    for now in &new.witnesses {
        let ForeignWitness {
            name, key, counts, ..
        } = now;
        let (zh, en) = match counts {
            true => ("计入各日志的见证门槛", "counts in every log's quorum"),
            false => ("不计入见证门槛", "counts in no quorum"),
        };
        match of_name(before, name) {
            None => told.tell(
                "WITNESS_ADDED",
                *counts,
                format!("新增外部见证 {name}（{key}），{zh}"),
                format!("foreign witness {name} ({key}), which {en}"),
            ),
            Some(held) if held != *now => told.tell(
                "WITNESS_CHANGED",
                held.key != *key || held.counts != *counts,
                format!("外部见证 {name} 变更为 {key} {}，{zh}", now.url),
                format!(
                    "foreign witness {name} becomes {key} {}, which {en}",
                    now.url
                ),
            ),
            Some(_) => {}
        }
    }
    for held in before {
        if of_name(&new.witnesses, &held.name).is_none() {
            let name = &held.name;
            told.tell(
                "WITNESS_REMOVED",
                held.counts,
                format!("移除外部见证 {name}"),
                format!("foreign witness {name} goes"),
            );
        }
    }
}

fn expiry(told: &mut Told, old: Option<&TrustList>, new: &TrustList) {
    let (from, to) = (old.map(|old| old.expires), new.expires);
    let zh = format!("有效期至：{} → {to}", shown(from));
    let en = format!("expires: {} → {to}", shown(from));
    match from {
        Some(from) if to < from => told.grave("EXPIRY_SHORTENED", zh, en),
        from if from != Some(to) => told.plain("EXPIRY", zh, en),
        _ => {}
    }
    if new.issued.duration_until(to) > SignedDuration::from_hours(LONGEST_DAYS * 24) {
        told.grave(
            "EXPIRY_LONG",
            format!("有效期超过三年（{to}）"),
            format!("it holds for more than three years, until {to}"),
        );
    }
}

fn keys(told: &mut Told, old: Option<&Member>, new: &Member) {
    let record = |key: &RecordKey| {
        let rights = format!("{} @ {}", key.kinds.join(","), key.regions.join(","));
        (key.public_key.clone(), key.window(), rights)
    };
    let log = |key: &LogKey| (key.key.clone(), key.window(), String::new());
    let of_records = |member: &Member| member.record_keys.iter().map(record).collect();
    let of_log = |member: &Member| member.log_keys.iter().map(log).collect();
    windowed(told, Words::RECORD, old.map(of_records), of_records(new));
    windowed(told, Words::LOG, old.map(of_log), of_log(new));
    let Some(old) = old else { return };
    let single = [
        (Words::WITNESS, &old.witness_key, &new.witness_key),
        (Words::MIRROR, &old.mirror_key, &new.mirror_key),
    ];
    for (words, before, now) in single {
        if before != now {
            told.plain(
                "COSIGNER_REPLACED",
                format!("{}更换：{before} → {now}；旧密钥的见证不再计入", words.zh),
                format!(
                    "{}: {before} → {now}; what the old one cosigned counts no more",
                    words.en
                ),
            );
        }
    }
    set(told, Words::ANSWER, &old.answer_keys, &new.answer_keys);
    set(told, Words::TLS, &old.tls_keys, &new.tls_keys);
}

fn set(told: &mut Told, words: Words, old: &[String], new: &[String]) {
    for key in new.iter().filter(|key| !old.contains(key)) {
        told.plain(
            "KEY_ADDED",
            format!("新增{} {key}", words.zh),
            format!("new {} {key}", words.en),
        );
    }
    for key in old.iter().filter(|key| !new.contains(key)) {
        told.plain(
            "KEY_REMOVED",
            format!("移除{} {key}", words.zh),
            format!("{} {key} goes", words.en),
        );
    }
}

/// A key, where it is valid, and what it may sign.
type Windowed = (String, KeyWindow, String);

fn windowed(told: &mut Told, words: Words, old: Option<Vec<Windowed>>, new: Vec<Windowed>) {
    let Words { zh, en } = words;
    let old = old.unwrap_or_default();
    let find = |among: &[Windowed], key: &str| among.iter().find(|(k, ..)| k == key).cloned();
    for (key, now, rights) in &new {
        let Some((_, before, had)) = find(&old, key) else {
            let (from, end) = (now.from_index, end(now));
            told.plain(
                "KEY_ADDED",
                format!("新增{zh} {key}，有效序号 {from} 至 {end} {rights}"),
                format!("new {en} {key}, valid from index {from} to {end} {rights}"),
            );
            continue;
        };
        if before != *now {
            let (from, to) = (span(&before), span(now));
            let zh = format!("{zh} {key} 的有效区间：{from} → {to}；区间之外由它签署的一律无效");
            let en = format!("{en} {key}: {from} → {to}; what it signed outside counts no more");
            match now.is_within(&before) {
                true => told.plain("KEY_CLOSED", zh, en),
                false => told.grave("WINDOW_OPENED", zh, en),
            }
        }
        if had != *rights {
            told.grave(
                "KEY_RIGHTS",
                format!("{zh} {key} 的权限：{had} → {rights}；对已有记录同样生效"),
                format!("rights of {en} {key}: {had} → {rights}, for records from before too"),
            );
        }
    }
    for (key, ..) in old.iter().filter(|(key, ..)| find(&new, key).is_none()) {
        told.grave(
            "KEY_DROPPED",
            format!("{zh} {key} 被删除而非关闭（不允许）：以前的记录将无法核验"),
            format!("{en} {key} is taken out instead of closed, which is not allowed"),
        );
    }
}

fn reach(told: &mut Told, old: Option<&Member>, new: &Member) {
    let Some(old) = old else { return };
    let addresses = [(&old.grpc, &new.grpc), (&old.http, &new.http)];
    for (before, now) in addresses {
        if before != now {
            told.plain(
                "ADDRESS",
                format!("地址：{before} → {now}"),
                format!("address: {before} → {now}"),
            );
        }
    }
    if old.name != new.name {
        told.plain(
            "NAME",
            format!("名称：{} → {}", old.name, new.name),
            format!("name: {} → {}", old.name, new.name),
        );
    }
    if old.tls_ca != new.tls_ca {
        told.plain(
            "TLS_AUTHORITY",
            "TLS 证书颁发机构变更".to_owned(),
            "other certificate authorities for TLS".to_owned(),
        );
    }
}

/// What a kind of key is called.
#[derive(Clone, Copy)]
struct Words {
    zh: &'static str,
    en: &'static str,
}

impl Words {
    const RECORD: Self = Self::new("记录密钥", "record key");
    const LOG: Self = Self::new("日志密钥", "log key");
    const WITNESS: Self = Self::new("见证密钥", "witness key");
    const MIRROR: Self = Self::new("镜像密钥", "mirror key");
    const ANSWER: Self = Self::new("回执密钥", "answer key");
    const TLS: Self = Self::new("TLS 公钥", "TLS key");

    const fn new(zh: &'static str, en: &'static str) -> Self {
        Self { zh, en }
    }
}

fn end(window: &KeyWindow) -> String {
    window
        .until_index
        .map_or_else(|| "∞".to_owned(), |until| until.to_string())
}

fn span(window: &KeyWindow) -> String {
    format!("[{}, {})", window.from_index, end(window))
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "—".to_owned(), |value| value.to_string())
}

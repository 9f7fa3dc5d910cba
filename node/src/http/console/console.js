// The console: a token in, the node's state as it changes. Whatever may be asked, the gate decides.

/** Points of the chart that are kept: an hour at one a second. */
const KEPT = 3600;
/** Seconds between looks at whether the node is ready, and without news after which it is taken for gone. */
const [LOOK, SILENCE] = [5, 45];
/** Age of a log from which on verdicts about it are `UNKNOWN`: 24 hours, in seconds. */
const TOO_OLD = 86400;

const ERRORS = {
  PEER_UNREACHABLE: ["成员节点无法连接", "the member's node cannot be reached"],
  PEER_REFUSED: ["成员节点拒绝", "the member's node refused"],
  PEER_MALFORMED: ["成员节点答复不可解析", "the member's node sent a malformed answer"],
  LOG_LOST: ["本省日志缺少已签名的记录，见手册", "signed records of the own log are missing: see the handbook"],
  LOG_OTHER_TREE: ["数据库与最后签名的不是同一棵树，见手册", "the database holds another tree than was signed: see the handbook"],
  HIGH_WATER_UNREADABLE: ["high-water 文件不可读", "the high-water file cannot be read"],
  STORE: ["数据库出错", "the database fails"],
  RESTORED_NOT_CAUGHT_UP: ["由备份恢复，尚未补齐删除记录", "restored from a backup, erasures not caught up yet"],
};

const STATES = {
  RUNNING: ["进行中", "goes on"],
  SILENT: ["一分钟没有动静，连接仍在", "silent for a minute, still connected"],
  DONE: ["已完成", "done"],
  BROKEN_OFF: ["中断：未答复的行须再次导入", "broken off: what was not answered is to be imported again"],
};

const sizes = [];
/** The imports that are shown, by id: what was told of each, and where it stands. */
const imports = new Map();
/** What the node says of itself at `/readyz`: what keeps it from its work, and what should be seen to. */
let [obstacles, notices] = [[], []];
let heard = Date.now();
let seen = "";

/** The data of server-sent events, one after the other. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const lines of parts.map((part) => part.split("\n"))) {
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      if (lines.includes("event: problem")) throw new Error(`${JSON.parse(data).code} ${JSON.parse(data).detail}`);
      if (data) yield JSON.parse(data);
    }
  }
}

function age(seconds) {
  if (seconds === undefined) return "—";
  const units = [[86400, "天 d"], [3600, "时 h"], [60, "分 min"], [1, "秒 s"]];
  const [size, name] = units.find(([size]) => Number(seconds) >= size) ?? units[3];
  return `${Math.floor(Number(seconds) / size)} ${name}`;
}

/** What needs somebody to look at it: the worst first. */
function alarms(status) {
  const of = (log, zh, english, tone = "bad") => ({ tone, zh: `${log.extent.region}：${zh}`, english: `${log.extent.region}: ${english}` });
  const found = status.logs.flatMap((log) => [
    ...(log.extent.frozen ? [of(log, "日志自相矛盾，已冻结", "the log contradicted itself and is frozen")] : []),
    ...(log.lastError ? [of(log, ...words(log.lastError))] : []),
    ...(log.extent.ageSeconds === undefined && log.heldSize > 0 ? [of(log, "尚无足够见证，核验答复为无法判定", "no quorum has cosigned it: verdicts are UNKNOWN", "unsure")] : []),
    ...(Number(log.extent.ageSeconds ?? 0) > TOO_OLD ? [of(log, "证据超过一天，核验答复为无法判定", "evidence older than a day: verdicts are UNKNOWN")] : []),
    // Only the process in charge of the logs knows that.
    ...(log.reachable || status.inCharge ? [] : [of(log, "成员节点不应答", "the member's node does not answer", "unsure")]),
    ...(log.quarantined > 0 ? [of(log, `${log.quarantined} 条记录被隔离`, `${log.quarantined} records in quarantine`, "unsure")] : []),
  ]);
  const itself = (tone) => ({ code, zh, en: english }) => ({ tone, zh: `${zh}（${code}）`, english });
  found.unshift(...obstacles.map(itself("bad")), ...notices.map(itself("unsure")));
  const refusals = status.members.filter((member) => Number(member.refused) > 0);
  found.push(...refusals.map(({ region, refused, lastRefusal }) => ({ tone: "unsure",
    zh: `${region}：拒收其答复 ${refused} 次，最近 ${lastRefusal}`, english: `${region}: answers refused ${refused} times, last ${lastRefusal}` })));
  return found.sort((a, b) => (a.tone === "bad" ? 0 : 1) - (b.tone === "bad" ? 0 : 1));
}

const words = (code) => (ERRORS[code] ?? ["出错", "it fails"]).map((text) => `${text} (${code})`);

function showLogs(status) {
  const logs = status.logs.toSorted((a, b) => a.extent.region.localeCompare(b.extent.region));
  const rows = logs.map((log) => {
    const { extent } = log;
    const silent = !log.reachable && !status.inCharge;
    const tone = extent.frozen || log.lastError ? "bad" : silent || log.quarantined > 0 ? "unsure" : "";
    return element("tr", { className: tone }, element("th", { scope: "row" }, `${extent.region} ${extent.origin}`),
      cell(count(log.heldSize)), cell(count(Number(log.knownSize) - Number(extent.size))), cell(count(extent.witnessedSize)),
      cell(age(extent.ageSeconds)), cell(count(log.quarantined)),
      cell(extent.frozen ? "已冻结 frozen" : log.lastError ? words(log.lastError)[0] : silent ? "不应答 silent" : "正常 fine", false));
  });
  const names = [["日志", "Log"], ["条数", "Held", true], ["落后", "Behind", true], ["已见证", "Witnessed", true],
    ["证据时龄", "Age", true], ["隔离", "Quarantined", true], ["状态", "State"]];
  byId("logs").replaceChildren(element("table", {}, heads(names), element("tbody", {}, ...rows)));
}

function showGrowth(status) {
  const own = status.logs.find((log) => log.extent.region === status.region);
  if (!own) return;
  sizes.push([Date.now() / 1000, Number(own.heldSize)]);
  if (sizes.length > KEPT) sizes.shift();
  const [[start, first], [now, last]] = [sizes[0], sizes.at(-1)];
  const rate = now > start ? ((last - first) / (now - start)).toFixed(1) : "0.0";
  const minutes = Math.ceil((now - start) / 60);
  const said = [`近 ${minutes} 分钟：${count(first)} → ${count(last)}，每秒 ${rate} 条`, `in ${minutes} min: ${count(first)} → ${count(last)}, ${rate} a second`];
  byId("growth").replaceChildren(lineChart(sizes, said.join(" ")), element("p", {}, ...both(said)));
}

function show(status) {
  const found = alarms(status).map(({ tone, zh, english }) => element("p", { className: `verdict ${tone}` }, ...both([zh, english])));
  byId("alarms").replaceChildren(...(found.length > 0 ? found : [element("p", { className: "verdict good" }, ...both(["没有警示。", "Nothing to be seen to."]))]));
  byId("node").replaceChildren(table([
    [["省份", "Province"], status.region], [["程序版本", "Version"], status.version],
    [["信任清单", "Trust list"], `${status.trustListVersion}，${status.trustListExpires} 到期 expires`],
    ...(status.inCharge ? [[["主进程", "In charge of the logs"], status.inCharge]] : []),
  ]));
  showLogs(status);
  showGrowth(status);
}

const nothing = () => element("p", {}, ...both(["没有。", "None."]));

/** Each log's newest leaves in quarantine, with how many there are. */
async function showQuarantine(status) {
  const logs = status.logs.filter((log) => log.quarantined > 0);
  const parts = await Promise.all(logs.map(async ({ extent }) => {
    const asked = new URLSearchParams({ origin: extent.origin, limit: 50 });
    const { leaves, total } = await (await ask(`/quarantine?${asked}`)).json();
    const more = total > leaves.length ? [`前 ${leaves.length} 条，共 ${total} 条`, `the first ${leaves.length} of ${total}`] : [`${total} 条`, `${total} in all`];
    return [element("h3", {}, `${extent.origin} `, ...both(more)), table(leaves.map(({ index, code }) => [[`#${index}`, ""], code]))];
  }));
  byId("quarantine").replaceChildren(...(parts.length > 0 ? parts.flat() : [nothing()]));
}

async function showEvidence() {
  const { evidence } = await (await ask("/evidence")).json();
  const contradictions = evidence.map(({ origin, release }) => [[origin, ""],
    release ? `已解除 released: ${release.reason}` : `已冻结 frozen: huren evidence show --origin ${origin}`]);
  byId("evidence").replaceChildren(contradictions.length > 0 ? table(contradictions) : nothing());
}

async function showAudit() {
  const { links } = await (await ask("/audit/search", { newestFirst: true, limit: 50 })).json();
  const rows = links.map(({ sequence, read: entry = {} }) => {
    const time = moment(entry.time);
    // One that is newer than this node is a number.
    const what = String(entry.action).replace("AUDIT_ACTION_", "");
    return element("tr", {}, element("th", { scope: "row" }, sequence), cell(time, false), cell(what, false), cell(entry.actor, false),
      cell(entry.method.split("/").at(-1), false), cell(entry.outcome, false), cell(entry.count));
  });
  const names = [["序号", "No."], ["时间", "Time"], ["事项", "Act"], ["何人", "Actor"], ["调用", "Call"], ["结果", "Outcome"], ["次数", "Count", true]];
  byId("audit").replaceChildren(element("table", {}, heads(names), element("tbody", {}, ...rows)));
}

const moment = (seconds) => new Date(1000 * Number(seconds)).toISOString().replace("T", " ").replace(".000Z", "Z");

/** One import: who, how far, what became of its rows, and why some of them were refused. */
function importOf({ caller, started, last, state, permille = 0, received, accepted, duplicates, putOff, refused, newest }, open) {
  const short = state.replace("IMPORT_STATE_", "");
  const bad = refused.reduce((sum, { count }) => sum + Number(count), 0);
  const answered = Number(accepted) + Number(duplicates) + bad;
  const seconds = Number(last) - Number(started);
  const rate = seconds > 0 ? (answered / seconds).toFixed(1) : "—";
  const label = `${caller}：文件已处理 ${permille / 10}% of the file`;
  const figures = [
    `收到 ${count(received)}，接受 ${count(accepted)}，已有 ${count(duplicates)}，拒绝 ${count(bad)}，稍后再试 ${count(putOff)}；每秒 ${rate}`,
    `received ${count(received)}, accepted ${count(accepted)}, there already ${count(duplicates)}, refused ${count(bad)}, put off ${count(putOff)}; ${rate} a second`,
  ];
  const rows = newest.toReversed().map(({ clientRef, code, field }) =>
    element("tr", {}, element("th", { scope: "row" }, clientRef), cell(code, false), cell(field, false)));
  const codes = refused.map(({ code, count: of }) => `${code} × ${count(of)}`).join("，");
  return element("article", {}, element("h3", {}, `${caller} · ${moment(started)}`),
    element("p", {}, ...both(STATES[short] ?? [short, ""]), permille > 0 ? ` ${permille / 10}%` : ""),
    ...(permille > 0 ? [element("progress", { max: 1000, value: permille, ariaLabel: label })] : []),
    element("p", {}, ...both(figures)),
    ...(bad > 0 ? [element("details", { open }, element("summary", {}, `拒绝原因 `, en("Refused: "), codes),
      element("table", {}, heads([["行", "Line"], ["代码", "Code"], ["字段", "Field"]]), element("tbody", {}, ...rows)))] : []));
}

/** Only what has changed is made anew, so that what a reader has opened stays open and in focus. */
function showImports({ imports: told }) {
  const place = byId("imports");
  if (imports.size === 0) place.replaceChildren(...(told.length === 0 ? [nothing()] : []));
  // The oldest first, each before what is there: new ones are newer.
  for (const one of told.toReversed()) {
    const [state, before] = [JSON.stringify(one), imports.get(one.id)];
    if (before?.state === state) continue;
    const article = importOf(one, before?.article.querySelector("details")?.open ?? false);
    imports.set(one.id, { state, article });
    if (before) {
      const focused = before.article.contains(document.activeElement);
      before.article.replaceWith(article);
      if (focused) article.querySelector("summary")?.focus();
    } else {
      place.prepend(article);
    }
  }
  const ids = new Set(told.map(({ id }) => id));
  for (const [id, { article }] of [...imports].filter(([id]) => !ids.has(id))) {
    article.remove();
    imports.delete(id);
  }
}

/** What is asked for again only when something about it has changed. */
async function showRest(status) {
  const state = JSON.stringify(status.logs.map(({ extent, quarantined }) => [extent.origin, extent.frozen, quarantined]));
  if (state === seen) return;
  seen = state;
  await Promise.all([showQuarantine(status), showEvidence(), showAudit()].map((part) => part.catch(failed)));
}

/** Looks whether the node is ready, and whether it still tells anything. */
async function look() {
  const said = await fetch(`${NODE}readyz`).then((response) => response.json()).catch(() => ({}));
  ({ obstacles = [], notices = [] } = said);
  if (Date.now() - heard > 1000 * SILENCE) {
    byId("alarms").replaceChildren();
    failed(new Error(`${SILENCE} 秒没有消息，所示可能已过时。 No news for ${SILENCE} s: what is shown may be old.`));
  }
}

async function follow(response) {
  for await (const told of events(response)) showImports(told);
}

async function enter() {
  const leaving = new AbortController();
  const watch = (path) => ask(path, undefined, leaving.signal);
  const [response, imported] = await Promise.all([watch("/status/watch"), watch("/imports/watch")]);
  byId("enter").hidden = true;
  byId("console").hidden = false;
  byId("told").replaceChildren();
  await look();
  const looking = setInterval(look, 1000 * LOOK);
  const followStatus = async () => {
    for await (const status of events(response)) {
      heard = Date.now();
      show(status);
      showRest(status).catch(failed);
    }
  };
  try {
    // Where one of both ends, what is shown would be old.
    await Promise.race([followStatus(), follow(imported)]);
  } finally {
    clearInterval(looking);
    leaving.abort();
  }
  throw new Error("与节点的连接已断开，请重新进入。 The connection has ended: enter again.");
}

byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  enter().catch((error) => {
    byId("enter").hidden = false;
    byId("alarms").replaceChildren();
    failed(error);
  });
});
byId("again").addEventListener("click", () => showAudit().catch(failed));

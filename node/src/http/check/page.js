// The page around it: files in, an answer for people out. Everything is put in as text, never as markup.

const FIELDS = {
  number: ["编号", "Number"], occupation_name: ["职业", "Occupation"], job_name: ["工种", "Job"],
  occupation_code: ["职业编码", "Occupation code"], level: ["等级", "Level"], institution_name: ["评价机构", "Institution"],
  issue_date: ["发证日期", "Date of issue"], valid_until: ["有效期至", "Valid until"],
};

const province = (code) => FACTS.provinces[code] ?? code;
const moment = (seconds) => new Date(1000 * seconds).toISOString().replace(".000", "");

/** What a genuine receipt says: what is proven first, then what its node asserts. */
function genuine({ home, origin, index, size, cosignatures, certificate, assertion }) {
  const { verdict, last_known } = assertion;
  const tone = verdict === "valid" ? "good" : ["unknown", "pending", "suspended"].includes(verdict) ? "unsure" : "bad";
  const facts = Object.entries(FIELDS).filter(([field]) => certificate[field]);
  const level = (value) => (FACTS.levels[value] ?? [value]).join(" ");
  return [
    element("div", { className: `verdict ${tone}` },
      element("h2", {}, ...both(["回执真实：", "The receipt is genuine: "]), ...both(FACTS.verdicts[verdict])),
      ...(last_known ? [element("p", {}, "最近一次可确认的状态 ", en("Last known: "), ...both(FACTS.verdicts[last_known]))] : []),
      ...assertion.reasons.map(({ zh, en: english }) => element("p", {}, ...both([zh, english]))),
      element("p", {}, ...both([`所询日期 ${assertion.as_of_date}`, `as of ${assertion.as_of_date}`]))),
    element("h3", {}, ...both(["证书", "Certificate"])),
    facts.length > 0
      ? table(facts.map(([field, label]) => [label, field === "level" ? level(certificate[field]) : certificate[field]]))
      : element("p", {}, ...both(["回执未披露证书内容。", "The receipt discloses nothing of the certificate."])),
    element("h3", {}, ...both(["日志所证明", "Proven by the log"])),
    table([
      [["省份", "Province"], province(home)],
      [["日志", "Log"], origin],
      [["位置", "Index"], `${index} / ${size}`],
      [["见证", "Cosigned by"], Object.entries(cosignatures).map(([name, time]) => `${name} ${moment(time)}`).join("；")],
    ]),
    element("h3", {}, ...both(["节点所声明", "Asserted by the node that answered"])),
    table([
      [["作答节点", "Answered by"], province(assertion.answered_by)],
      [["作答时间", "Time"], assertion.time],
      ...assertion.as_of.map((log) => [[`${province(log.region)}日志`, "records known"], `${log.size}${log.frozen ? "（已冻结 frozen）" : ""}`]),
    ]),
  ];
}

/** Why a receipt is not accepted; 'not genuine' and 'cannot tell' are two answers. */
function refused({ code, detail }) {
  const { zh, en: english, undecided } = FACTS.errors[code];
  const headline = undecided ? ["无法判定", "Cannot tell"] : ["回执不真实", "The receipt is not genuine"];
  return [element("div", { className: `verdict ${undecided ? "unsure" : "bad"}` },
    element("h2", {}, ...both(headline)), element("p", {}, ...both([zh, english])), element("p", { className: "en" }, `${code} ${detail}`))];
}

async function answer(text, roots) {
  try {
    return genuine(await verifyReceipt(text, roots));
  } catch (error) {
    if (error instanceof Refusal) return refused(error);
    const isOld = error.name === "NotSupportedError" || !globalThis.crypto?.subtle;
    if (isOld) return refused({ code: "BROWSER_OLD", detail: "" });
    return refused({ code: "RECEIPT_FORMAT", detail: String(error) });
  }
}

let latest = 0;

async function check(file) {
  const mine = ++latest;
  const shown = await answer(await file.text(), byId("roots").value);
  // Of two that are checked at a time the later one is shown.
  if (mine === latest) {
    byId("answer").replaceChildren(...shown);
    byId("answer").focus();
  }
}

let chosen = null;

function choose(file) {
  if (!file) return;
  chosen = file;
  return check(file);
}

byId("receipt").addEventListener("change", ({ target }) => choose(target.files[0]));
byId("roots").addEventListener("change", () => chosen && check(chosen));
byId("roots-file").addEventListener("change", async ({ target }) => {
  if (target.files[0]) {
    byId("roots").value = await target.files[0].text();
    if (chosen) await check(chosen);
  }
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  choose(event.dataTransfer.files[0]);
});
byId("save").hidden = location.protocol === "file:";
byId("form").hidden = false;

// Records, what is disclosed of them, and the receipt as a whole: node/core/src/receipt/verify.rs says
// the same in Rust, step by step and with the same codes.

const DIGEST = { 1: ["group", "uint"], 2: ["digest", "bytes"] };
const SIGNED_RECORD = { 1: ["record", "bytes"], 2: ["alg", "uint"], 3: ["key_id", "bytes"], 4: ["signature", "bytes"] };
const RECORD = {
  1: ["envelope", {
    1: ["schema", "uint"], 2: ["kind", "uint"], 3: ["writer_region", "text"], 4: ["provenance", "uint"],
    5: ["effective_date", "uint"], 6: ["target", "bytes"], 7: ["previous", "bytes"],
  }],
  2: ["body", "bytes"],
};
const CERTIFICATE = { 1: ["normaliser", "uint"], 2: ["groups", [DIGEST]] };
const STATUS_CHANGE = { 1: ["action", "uint"], 2: ["reason", "uint"], 3: ["normaliser", "uint"], 4: ["replaced", [DIGEST]] };
const INSTITUTION = {
  1: ["code", "text"], 2: ["uscc", "text"], 3: ["name", "text"], 4: ["kind", "uint"], 5: ["home_region", "text"],
  6: ["selecting_region", "text"],
  7: ["scopes", [{ 1: ["edition", "uint"], 2: ["occupation", "text"], 3: ["level_from", "uint"], 4: ["level_to", "uint"], 5: ["valid_from", "uint"], 6: ["valid_to", "uint"] }]],
  8: ["site_regions", ["text"]], 9: ["stars", "uint"], 10: ["state", "uint"],
  11: ["keys", [{ 1: ["alg", "uint"], 2: ["public_key", "bytes"] }]],
};
const [KIND_CERTIFICATE, KIND_STATUS_CHANGE, KIND_INSTITUTION] = [1, 2, 4];
const GROUPS = { certificate: 1, holder_name: 2, holder_id: 3, statistics: 4, scores: 5 };
const ALGORITHMS = { 1: "ed25519", 2: "sm2-sm3" };
const [NORMALISER, ACTIVE] = [1, 1];
// Actions of a status change, as in huren.v1.StatusAction.
const [REVOKE, VOID, SUSPEND, REINSTATE, CORRECT, REISSUE, SUPERSEDE] = [1, 2, 3, 4, 5, 6, 7];
const LAST_REASON = 9;

const OPENING = { group: (name) => Object.hasOwn(GROUPS, name), salt: (salt) => /^[0-9a-fA-F]{32}$/.test(salt), "values?": (values) => isObject(values) && Object.values(values).every(isText) };
const LEAF = { leaf: isText, proof: isText, "disclosed=": listOf(objectOf(OPENING)) };
const RECEIPT = {
  format: isText, asserted: isText, "question_salt=": isText,
  proven: objectOf({ certificate: objectOf(LEAF), statuses: listOf(objectOf(LEAF)), trust_lists: listOf(isText), "institution?": objectOf(LEAF) }),
};
const VERDICTS = (name) => Object.hasOwn(FACTS.verdicts, name);
const ASSERTION = {
  answered_by: isText, time: isText, question: isText, as_of_date: isText, certificate: isText, statuses: listOf(isText),
  "institution?": isText, verdict: VERDICTS, "last_known?": VERDICTS,
  reasons: listOf(objectOf({ code: isText, zh: isText, en: isText })),
  as_of: listOf(objectOf({ origin: isText, region: isText, size: isNumber, witnessed_size: isNumber, "age_seconds?": isNumber, frozen: isFlag })),
  trust_list_version: isNumber, rules: isText,
};

/** A day as a number such as 20240301; null if it is none. */
function day(text) {
  const [, year, month, date] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  return isDay(Number(year + month + date)) ? Number(year + month + date) : null;
}

function isDay(number) {
  const [year, month, date] = [Math.floor(number / 10000), Math.floor(number / 100) % 100, number % 100];
  const real = new Date(Date.UTC(year, month - 1, date));
  return year >= 1800 && real.getUTCFullYear() === year && real.getUTCMonth() === month - 1 && real.getUTCDate() === date;
}

/** A leaf as it says of itself; `body` is null where it holds more than this page knows. */
async function readRecord(leaf) {
  const rule = (holds, what) => demand(holds, "RECEIPT_RECORD", what);
  rule(leaf.length <= 65535, "LEAF_TOO_LARGE");
  const signed = reading("RECEIPT_RECORD", () => decode(leaf, SIGNED_RECORD));
  const { envelope, body: bytes, canonical } = reading("RECEIPT_RECORD", () => decode(signed.record, RECORD));
  rule(envelope !== null, "no envelope");
  const isKnown = signed.canonical && canonical && envelope.schema === 1 && envelope.provenance <= 2;
  const writer = reading("RECEIPT_RECORD", () => region(envelope.writer_region));
  for (const hash of [envelope.target, envelope.previous]) rule(hash.length === 0 || hash.length === 32, "hash");
  const record = { ...envelope, writer, signed, leaf: await leafHash(leaf), body: null };
  if (!isKnown) return record;
  rule(shortRegion(writer) === envelope.writer_region, "writer region is not in its short form");
  rule(envelope.provenance !== 0, "no provenance");
  rule(envelope.effective_date === 0 || isDay(envelope.effective_date), "effective date is not a day");
  const schema = { [KIND_CERTIFICATE]: CERTIFICATE, [KIND_STATUS_CHANGE]: STATUS_CHANGE, [KIND_INSTITUTION]: INSTITUTION }[envelope.kind];
  rule(envelope.kind !== 0, "no kind");
  if (schema === undefined) return envelope.kind in FACTS.kinds ? { ...record, body: {} } : record;
  const body = reading("RECEIPT_RECORD", () => decode(bytes, schema));
  return body.canonical ? { ...record, body: checkBody(envelope, body) } : record;
}

/** The rules of the three kinds that a receipt rests on. */
function checkBody({ kind, effective_date, target, previous }, body) {
  const rule = (holds, what) => demand(holds, "RECEIPT_RECORD", what);
  const [isDated, hasTarget, hasPrevious] = [effective_date !== 0, target.length > 0, previous.length > 0];
  if (kind === KIND_CERTIFICATE) {
    rule(!isDated && !hasTarget && !hasPrevious, "a certificate has no date and no target");
    const digests = readDigests(body.normaliser, body.groups);
    rule(digests === null || [1, 2, 3].every((group) => digests.has(group)), "a group is missing");
    return digests && { digests };
  }
  if (kind === KIND_STATUS_CHANGE) {
    rule(isDated && hasTarget, "a status change has a date and a target");
    if (body.action > SUPERSEDE || body.reason > LAST_REASON) return null;
    rule(body.action !== 0, "no action");
    const isEmpty = body.normaliser === 0 && body.replaced.length === 0;
    const digests = isEmpty ? new Map() : readDigests(body.normaliser, body.replaced);
    if (digests === null) return null;
    rule([CORRECT, REISSUE].includes(body.action) || digests.size === 0, "this action replaces nothing");
    rule(body.action !== CORRECT || digests.size > 0, "a correction replaces something");
    return { ...body, digests };
  }
  rule(isDated && !hasTarget && !hasPrevious, "a directory entry has a date, no target");
  rule(body.code !== "" && utf8.encode(body.code).length <= 32, "institution code");
  const inOrder = (a, b) => a.alg < b.alg || (a.alg === b.alg && precedes(a.public_key, b.public_key));
  rule(body.keys.length <= 8 && body.keys.every((key, at) => at === 0 || inOrder(body.keys[at - 1], key)), "institution keys ascend");
  const isKey = { 1: isEd25519Point, 2: (key) => sm2Point(key) !== null };
  rule(body.keys.every(({ alg, public_key }) => alg !== 0 && (isKey[alg]?.(public_key) ?? true)), "institution key");
  return body;
}

/** Digests by number of their group; null if they are of a normaliser or group not known here. */
function readDigests(normaliser, entries) {
  const rule = (holds, what) => demand(holds, "RECEIPT_RECORD", what);
  rule(normaliser !== 0, "no normaliser version");
  if (normaliser !== NORMALISER || entries.some(({ group }) => group < 1 || group > 5)) return null;
  rule(entries.every(({ digest }) => digest.length === 32), "digest length");
  rule(entries.every(({ group }, at) => at === 0 || entries[at - 1].group < group), "groups ascend");
  return new Map(entries.map(({ group, digest }) => [group, digest]));
}

/** Checks what is disclosed against a record's digests. */
async function checkDisclosed(openings, digests) {
  const wrong = (holds) => demand(holds, "RECEIPT_DISCLOSURE", "");
  const seen = new Map();
  for (const { group, salt, values } of openings) {
    const digest = digests.get(GROUPS[group]);
    wrong(digest !== undefined && !seen.has(group));
    seen.set(group, fromHex(salt, 16));
    if (values == null) continue;
    const fields = Object.entries(values).filter(([, value]) => value !== "");
    fields.sort(([a], [b]) => (precedes(utf8.encode(a), utf8.encode(b)) ? -1 : 1));
    const canonical = framed(fields.flat().map((text) => utf8.encode(text)));
    const parts = [utf8.encode("huren/digest/v1\n"), bigEndian(NORMALISER, 4), utf8.encode(group), seen.get(group), canonical];
    wrong(same(await sha256(framed(parts)), digest));
  }
  const [first, name, id] = ["certificate", "holder_name", "holder_id"].map((group) => seen.get(group));
  if (first && name && id) {
    const bound = await sha256(framed([utf8.encode("huren/salt/v1\n"), name, id]));
    wrong(same(bound.subarray(0, 16), first));
  }
}

const opened = (openings) => openings.find(({ group }) => group === "certificate")?.values ?? {};

/** A leaf that its log proves, signed by a key with authority for its place. */
async function provenLeaf(list, origin, proven, institution = null) {
  const bytes = reading("RECEIPT_FORMAT", () => fromBase64(proven.leaf));
  const proof = reading("RECEIPT_PROOF", () => parseProof(proven.proof));
  const { index, checkpoint } = proof;
  demand(checkpoint.origin === origin, "RECEIPT_PROOF", "another log");
  const record = await readRecord(bytes);
  const judged = await evaluate(list.newest, origin, checkpoint);
  demand(judged.isQuorum, "RECEIPT_NO_QUORUM", "");
  demand(await isIncluded(index, checkpoint.size, record.leaf, proof.hashes, checkpoint.root), "RECEIPT_PROOF", String(index));
  const member = logOf(list.newest, origin);
  // The policy knows every key that the log ever had: one must have been valid at this size.
  const valid = member.log_keys.filter((key) => checkpoint.size === 0n || isInWindow(key, checkpoint.size - 1n));
  const keys = await Promise.all(valid.map(({ key }) => verifierKey(key)));
  const by = await signers(checkpoint.note, keys).catch(() => []);
  demand(by.length > 0, "RECEIPT_LOG_SIGNATURE", "");
  demand(record.body !== null, "RECEIPT_RECORD_NEWER", "");
  const { key, from } = await authority(member, record, index, institution);
  await checkRecordSignature(record, origin, key);
  return { index, record, key, from, size: checkpoint.size, times: judged.times };
}

/** The key that signed a record: one of the province's own, or one that an institution's entry names. */
async function authority(member, { signed, kind, writer }, index, institution) {
  const refuse = (code) => demand(false, "RECEIPT_RECORD", code);
  const id = hex(signed.key_id);
  for (const key of member.record_keys) {
    const bytes = fromBase64(key.public_key);
    if (hex(await keyId(key.alg, bytes)) !== id) continue;
    if (!isInWindow(key, index)) refuse("KEY_OUTSIDE_WINDOW");
    if (!signsKind(key, kind)) refuse("KEY_KIND");
    if (!lies(writer, region(member.region)) || !writesFor(key, writer)) refuse("KEY_REGION");
    return { key: { alg: key.alg, bytes, listed: key }, from: null };
  }
  for (const { alg, public_key } of institution?.record.body.keys ?? []) {
    const isIt = alg in ALGORITHMS && hex(await keyId(ALGORITHMS[alg], public_key)) === id;
    if (!isIt || institution.index >= index) continue;
    if (kind !== KIND_CERTIFICATE) refuse("KEY_KIND");
    if (institution.record.body.state !== ACTIVE) refuse("KEY_INSTITUTION_STATE");
    if (!lies(writer, institution.record.writer)) refuse("KEY_REGION");
    return { key: { alg: ALGORITHMS[alg], bytes: public_key }, from: institution.record.body.code };
  }
  return refuse("KEY_UNKNOWN");
}

const keyId = (alg, bytes) => sha256(framed([utf8.encode(alg), bytes]));

async function checkRecordSignature({ signed }, origin, key) {
  demand(signed.alg in ALGORITHMS, "RECEIPT_RECORD", "SIGNATURE_ALGORITHM_UNKNOWN");
  demand(ALGORITHMS[signed.alg] === key.alg, "RECEIPT_RECORD", "SIGNATURE_INVALID");
  const parts = [utf8.encode(key.alg), signed.key_id, utf8.encode(origin), signed.record];
  const input = join(utf8.encode("huren/record/v1\n"), framed(parts));
  const check = key.alg === "ed25519" ? isSignedBy : isSm2SignedBy;
  demand(await check(key.bytes, input, signed.signature), "RECEIPT_RECORD", "SIGNATURE_INVALID");
}

/** What a member's answer key signed. */
async function readAssertion(text, list) {
  const header = "huren/answer/v1\n";
  const code = "RECEIPT_ANSWER_SIGNATURE";
  const note = reading(code, () => parseNote(text));
  demand(note.text.startsWith(header), code, "header");
  const assertion = reading(code, () => shaped(JSON.parse(note.text.slice(header.length)), ASSERTION));
  const member = list.members.find(({ region }) => region === assertion.answered_by);
  const keys = await Promise.all((member?.answer_keys ?? []).map(verifierKey));
  const by = await signers(note, keys).catch(() => []);
  demand(by.length > 0, code, "");
  return assertion;
}

/** The status that changes leave a certificate in on a day. */
function foldStatuses(rows, asOf) {
  let [verdict, isSuperseded] = ["valid", false];
  for (const { action } of rows.filter(({ date }) => date <= asOf)) {
    if (action === SUPERSEDE) isSuperseded = true;
    if (action === REINSTATE) verdict = isSuperseded ? "superseded" : "valid";
    else verdict = { [REVOKE]: "revoked", [VOID]: "void", [SUSPEND]: "suspended", [SUPERSEDE]: "superseded" }[action] ?? verdict;
  }
  return verdict;
}

/** Whether a certificate is not yet, or not any more, in force on a day by its own dates. */
function hasEnded(values, asOf) {
  const date = (field) => (values[field] ? day(values[field]) : undefined);
  const [issued, until] = [date("issue_date"), date("valid_until")];
  return issued === null || until === null || issued > asOf || until < asOf;
}

/** The answer must be about what is proven, and must not make more of it than it says. */
function checkAssertion(assertion, certificate, rows, values, asOf) {
  const code = "RECEIPT_CONTRADICTION";
  const hashes = rows.map(({ leaf }) => hex(leaf));
  demand(assertion.certificate === hex(certificate.leaf), code, "certificate");
  demand(JSON.stringify(assertion.statuses) === JSON.stringify(hashes), code, "statuses");
  const proven = foldStatuses(rows, asOf);
  const isValid = proven === "valid";
  const claimed = assertion.verdict === "unknown" ? assertion.last_known : assertion.verdict;
  const says = [undefined, null, "holder_mismatch", "not_found", "unknown"].includes(claimed) ||
    (["valid", "pending"].includes(claimed) ? isValid && !hasEnded(values, asOf) : claimed === "expired" ? isValid : claimed === proven);
  demand(says, code, "verdict");
}

/**
 * Checks a receipt with nothing but root keys.
 * @param {string} text the receipt
 * @param {string} roots the file of root keys
 * @returns what it proves and what it asserts; throws a Refusal with the first fault found
 */
async function verifyReceipt(text, roots) {
  const value = reading("RECEIPT_FORMAT", () => JSON.parse(text));
  const format = value?.format;
  demand(format === "huren/receipt/v1" || !String(format).startsWith("huren/receipt/"), "RECEIPT_NEWER", "");
  demand(format === "huren/receipt/v1", "RECEIPT_FORMAT", "");
  const { proven, asserted } = reading("RECEIPT_FORMAT", () => shaped(value, RECEIPT));
  const list = { newest: await verifyChain(await readRoots(roots), proven.trust_lists) };
  const assertion = await readAssertion(asserted, list.newest);
  demand(assertion.trust_list_version === list.newest.version, "RECEIPT_CONTRADICTION", "trust list");
  const { origin } = reading("RECEIPT_PROOF", () => parseProof(proven.certificate.proof)).checkpoint;
  const member = logOf(list.newest, origin);
  demand(member !== undefined, "RECEIPT_LOG_UNKNOWN", "");

  let entry = null;
  if (proven.institution) {
    entry = await provenLeaf(list, origin, proven.institution);
    demand(entry.record.kind === KIND_INSTITUTION, "RECEIPT_RECORD", "not an institution's entry");
  }
  const first = await provenLeaf(list, origin, proven.certificate, entry);
  const isNamed = (assertion.institution ?? null) === (entry && hex(entry.record.leaf));
  demand((entry !== null) === (first.from !== null) && isNamed, "RECEIPT_CONTRADICTION", "institution");
  demand(first.record.kind === KIND_CERTIFICATE, "RECEIPT_RECORD", "not a certificate");
  const disclosed = proven.certificate.disclosed ?? [];
  await checkDisclosed(disclosed, first.record.body.digests);
  let values = opened(disclosed);
  // An institution vouches for its own certificates alone.
  demand(first.from === null || values.institution_code === first.from, "RECEIPT_RECORD", "KEY_INSTITUTION");

  const asOf = day(assertion.as_of_date);
  demand(asOf !== null, "RECEIPT_CONTRADICTION", "date");
  const rows = [];
  let previous = new Uint8Array();
  for (const status of proven.statuses) {
    const { record, key } = await provenLeaf(list, origin, status);
    demand(record.kind === KIND_STATUS_CHANGE, "RECEIPT_STATUSES", "");
    demand(same(record.target, first.record.leaf) && same(record.previous, previous), "RECEIPT_STATUSES", "");
    demand(writesFor(key.listed, first.record.writer), "RECEIPT_RECORD", "KEY_REGION");
    const openings = status.disclosed ?? [];
    await checkDisclosed(openings, record.body.digests);
    // Who leaves a correction's content out does not bring the corrected one back.
    if (record.effective_date <= asOf && record.body.digests.has(GROUPS.certificate)) values = opened(openings);
    previous = record.leaf;
    rows.push({ leaf: record.leaf, action: record.body.action, date: record.effective_date });
  }
  checkAssertion(assertion, first.record, rows, values, asOf);
  return {
    home: member.region, origin, index: Number(first.index), size: Number(first.size), cosignatures: first.times, certificate: values, assertion,
  };
}

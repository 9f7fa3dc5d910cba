// The chain of trust lists from the root keys on, and what each key in it may do: the rules of
// node/core/src/trust.

const LIST_HEADER = "huren/trust-list/v1\n";

/**
 * A JSON value with exactly these fields, as `{ name: check }`; a name with "=" may be missing, one with
 * "?" may be null as well.
 */
function shaped(value, fields) {
  if (!isObject(value)) throw new Error("not an object");
  const names = Object.keys(fields).map((name) => name.replace(/[=?]$/, ""));
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw new Error(`unknown field ${name}`);
  }
  for (const [field, check] of Object.entries(fields)) {
    const name = field.replace(/[=?]$/, "");
    if (!Object.hasOwn(value, name)) {
      if (name === field) throw new Error(`missing field ${name}`);
    } else if (!(value[name] === null && field.endsWith("?")) && !check(value[name])) {
      throw new Error(`field ${name}`);
    }
  }
  return value;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === "string";
const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;
const isFlag = (value) => typeof value === "boolean";
const isTime = (value) => isText(value) && !Number.isNaN(Date.parse(value));
const listOf = (check) => (value) => Array.isArray(value) && value.every(check);
const objectOf = (fields) => (value) => Boolean(shaped(value, fields));

const LOG_KEY = { key: isText, "from_index=": isNumber, "until_index?": isNumber };
const RECORD_KEY = {
  alg: isText, public_key: isText, kinds: listOf(isText), regions: listOf(isText),
  "from_index=": isNumber, "until_index?": isNumber,
};
const MEMBER = {
  region: isText, name: isText, origin: isText, grpc: isText, http: isText, log_keys: listOf(objectOf(LOG_KEY)),
  witness_key: isText, mirror_key: isText, answer_keys: listOf(isText), record_keys: listOf(objectOf(RECORD_KEY)),
  tls_keys: listOf(isText), tls_ca: isText,
};
const WITNESS = { name: isText, key: isText, "url=": isText, "tls_ca=": isText, "counts=": isFlag };
const LIST = {
  version: isNumber, previous: isText, issued: isTime, expires: isTime,
  root: objectOf({ threshold: isNumber, keys: listOf(isText) }), quorum: isNumber,
  members: listOf(objectOf(MEMBER)), "former_members=": listOf(objectOf(MEMBER)), "witnesses=": listOf(objectOf(WITNESS)),
};

/** A region as six digits; throws where there is no such province. */
function region(text) {
  const six = /^\d{2}$/.test(text) ? `${text}0000` : /^\d{4}$/.test(text) && !text.endsWith("00") ? `${text}00` : text;
  const isOne = /^\d{6}$/.test(six) && six.slice(0, 2) in FACTS.provinces;
  if (!isOne || (six.slice(4) !== "00" && six.slice(2, 4) === "00")) throw new Error("region");
  return six;
}

/** The one short form: 33, 3302, 330206. */
const shortRegion = (six) => six.replace(/^(..)0000$/, "$1").replace(/^(....)00$/, "$1");

/** Whether a region lies in another one, or is it. */
const lies = (inner, outer) => inner.startsWith(shortRegion(outer));

function regionOrNull(text) {
  try {
    return region(text);
  } catch {
    return null;
  }
}

const isInWindow = (key, index) => index >= BigInt(key.from_index ?? 0) && (key.until_index == null || index < BigInt(key.until_index));
const writesFor = (key, six) => key.regions.some((own) => regionOrNull(own) !== null && lies(six, region(own)));
const signsKind = (key, kind) => key.kinds.includes("*") || key.kinds.includes(FACTS.kinds[kind] ?? String(kind));

const logs = (list) => [...list.members, ...(list.former_members ?? [])];
const logOf = (list, origin) => logs(list).find((member) => member.origin === origin);

/** What `--trust ROOTS` reads as well. */
async function readRoots(text) {
  const role = { threshold: 0, keys: [] };
  for (const line of text.split("\n").map((line) => line.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const [, word, rest] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (word === "threshold" && role.threshold === 0 && /^\d+$/.test(rest.trim())) role.threshold = Number(rest);
    else if (word === "root") role.keys.push(rest.trim());
    else throw new Refusal("RECEIPT_TRUST", "root keys");
  }
  return rootRole(role);
}

async function rootRole({ threshold, keys }) {
  const parsed = await Promise.all(keys.map(verifierKey)).catch(() => []);
  const distinct = new Set(parsed.map(({ key }) => hex(key)));
  const isOne = distinct.size === keys.length && threshold >= 1 && threshold <= keys.length;
  demand(isOne, "RECEIPT_TRUST", "root keys");
  return { threshold, keys: parsed };
}

async function haveSigned({ threshold, keys }, note) {
  const by = await signers(note, keys).catch(() => demand(false, "RECEIPT_TRUST", "signature"));
  demand(new Set(by.map(({ key }) => hex(key))).size >= threshold, "RECEIPT_TRUST", "threshold");
}

/** Verifies the lists, version 1 first; gives the newest one. */
async function verifyChain(roots, notes) {
  let [last, digest] = [null, ""];
  for (const text of notes) {
    const note = reading("RECEIPT_TRUST", () => parseNote(text));
    const list = reading("RECEIPT_TRUST", () => {
      if (!note.text.startsWith(LIST_HEADER)) throw new Error("header");
      return shaped(JSON.parse(note.text.slice(LIST_HEADER.length)), LIST);
    });
    demand(list.version === (last?.version ?? 0) + 1, "RECEIPT_TRUST", "version");
    demand(list.previous === digest, "RECEIPT_TRUST", "predecessor");
    await haveSigned(last === null ? roots : await rootRole(last.root), note);
    await haveSigned(await rootRole(list.root), note);
    await checkContent(list);
    if (last !== null) checkSuccession(last, list);
    [last, digest] = [list, hex(await sha256(utf8.encode(note.text)))];
  }
  demand(last !== null, "RECEIPT_TRUST", "empty");
  return last;
}

const ascend = (items, by) => items.every((item, at) => at === 0 || precedes(utf8.encode(by(items[at - 1])), utf8.encode(by(item))));

async function checkContent(list) {
  const rule = (holds, what) => demand(holds, "RECEIPT_TRUST", what);
  const former = list.former_members ?? [];
  const witnesses = list.witnesses ?? [];
  rule(Date.parse(list.issued) < Date.parse(list.expires), "it expires before it is issued");
  rule(ascend(list.members, ({ region }) => region), "members ascend");
  rule(list.quorum < Math.max(list.members.length, 1) + witnesses.filter(({ counts }) => counts).length, "quorum");
  rule(ascend(former, ({ origin }) => origin), "former members ascend");
  for (const { log_keys, record_keys, tls_keys } of former) {
    rule([...log_keys, ...record_keys].every((key) => key.until_index != null), "keys of a former member are open");
    rule(tls_keys.length === 0, "a former member has a TLS key");
  }
  const [origins, keys, tls] = [new Set(), new Set(), new Set()];
  const once = (set, item, what) => {
    rule(!set.has(item), what);
    set.add(item);
  };
  const noteKey = (text) => verifierKey(text).catch(() => rule(false, "a verifier key"));
  for (const member of logs(list)) {
    for (const key of member.tls_keys) once(tls, key, "one TLS key names two nodes");
    rule(regionOrNull(member.region) !== null && /^\d{2}$/.test(member.region), "a member's region is no province");
    rule(/^[^\u0000-\u001f\u007f-\u009f]+$/.test(member.origin), "origin");
    once(origins, member.origin, "two members have one origin");
    rule(member.log_keys.length > 0, "a member has no log key");
    for (const text of [member.witness_key, member.mirror_key]) {
      const key = await noteKey(text);
      // Those of a former member are in no policy, and so of any type.
      rule(key.type === 4 || former.includes(member), "a cosigner's key");
      once(keys, hex(key.key), "one key serves two roles");
    }
    for (const text of member.answer_keys) {
      const key = await noteKey(text);
      rule(key.type === 1, "an answer key");
      once(keys, hex(key.key), "one key serves two roles");
    }
    for (const { key: text } of member.log_keys) {
      const key = await noteKey(text);
      rule(key.type === 1 && key.name === member.origin, "a log key");
      once(keys, hex(key.key), "one key serves two roles");
    }
    for (const { public_key } of member.record_keys) {
      once(keys, hex(reading("RECEIPT_TRUST", () => fromBase64(public_key))), "one key serves two roles");
    }
  }
  const names = new Set();
  for (const { name, key: text, url = "", tls_ca = "" } of witnesses) {
    rule(/^[A-Za-z0-9._-]+$/.test(name), "a witness's name");
    once(names, name, "two witnesses have one name");
    const key = await noteKey(text);
    rule(key.type === 4, "a witness's key");
    once(keys, hex(key.key), "one key serves two roles");
    rule(url === "" || (/^https:\/\/[^\u0000-\u0020\u007f]*$/.test(url) && tls_ca !== ""), "a witness's address");
  }
}

/** A later list closes and narrows what an earlier one allowed, and never takes a key out. */
function checkSuccession(old, list) {
  const rule = (holds, what) => demand(holds, "RECEIPT_TRUST", what);
  const isWithin = (now, before) =>
    (now.from_index ?? 0) >= (before.from_index ?? 0) &&
    (before.until_index == null || (now.until_index != null && now.until_index <= before.until_index));
  for (const before of logs(old)) {
    const now = logOf(list, before.origin);
    rule(now?.region === before.region, "a log was dropped");
    for (const key of before.log_keys) {
      const found = now.log_keys.find((found) => found.key === key.key);
      rule(found, "a log key was dropped");
      rule(isWithin(found, key), "a window was opened");
    }
    for (const key of before.record_keys) {
      const found = now.record_keys.find((found) => found.alg === key.alg && found.public_key === key.public_key);
      rule(found, "a record key was dropped");
      rule(isWithin(found, key), "a window was opened");
      const signs = key.kinds.includes("*") || found.kinds.every((kind) => key.kinds.includes(kind));
      const writes = found.regions.every((text) => key.regions.includes(text) || (regionOrNull(text) !== null && writesFor(key, region(text))));
      rule(signs && writes, "a key was widened");
    }
  }
}

/**
 * Judges a log's checkpoint: `times` is what each of its cosigners states last, `isQuorum` whether
 * enough members are among them. A member counts once, whether it cosigned as witness or as mirror.
 */
async function evaluate(list, origin, checkpoint) {
  const refuse = () => demand(false, "RECEIPT_LOG_SIGNATURE", "");
  const { log_keys } = logOf(list, origin);
  const keys = await Promise.all(log_keys.map(({ key }) => verifierKey(key)));
  const { note } = checkpoint;
  await signers(note, keys.filter(({ name }) => name === checkpoint.origin)).then((by) => by.length || refuse(), refuse);
  const times = {};
  const cosigned = async (name, text) => {
    const key = await verifierKey(text);
    for (const signature of note.signatures.filter((signature) => isBy(signature, key))) {
      const time = await cosignatureTime(note.text, signature, key).catch(refuse);
      times[name] = Math.max(times[name] ?? 0, time);
    }
    return name in times;
  };
  const [members, { witnesses = [], quorum }] = [list.members.filter((member) => member.origin !== origin), list];
  let [have, groups] = [0, members.length];
  for (const { region, witness_key, mirror_key } of members) {
    const [witness, mirror] = [await cosigned(`witness-${region}`, witness_key), await cosigned(`mirror-${region}`, mirror_key)];
    if (witness || mirror) have += 1;
  }
  for (const { name, key, counts } of witnesses) {
    const isThere = await cosigned(`foreign-${name}`, key);
    if (counts) groups += 1;
    if (counts && isThere) have += 1;
  }
  return { times, isQuorum: groups === 0 || quorum === 0 || have >= quorum };
}

// The formats that a receipt is made of: base64, protobuf, signed notes, checkpoints and proofs
// (C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof; RFC 6962). A second
// implementation of what node/core does, which shares no line with it.

/** Why a receipt is not accepted: a code of FACTS.errors, and what exactly was wrong. */
class Refusal extends Error {
  constructor(code, detail = "") {
    super(`${code} ${detail}`);
    this.code = code;
    this.detail = detail;
  }
}

function demand(holds, code, detail) {
  if (!holds) throw new Refusal(code, detail);
}

/** What `read` gives, or a refusal with this code whatever it stumbles over. */
function reading(code, read) {
  try {
    return read();
  } catch (error) {
    throw new Refusal(code, error.message);
  }
}

const utf8 = new TextEncoder();
const U64 = 1n << 64n;

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function fromHex(text, length) {
  if (!new RegExp(`^[0-9a-fA-F]{${2 * length}}$`).test(text)) throw new Error("hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

/** Standard base64 in its one spelling. */
function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new Error("base64");
  return bytes;
}

function join(...parts) {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

const same = (a, b) => a.length === b.length && a.every((byte, at) => byte === b[at]);

/** Whether `a` stands before `b`, byte by byte, as Rust orders text and bytes. */
function precedes(a, b) {
  const at = a.findIndex((byte, at) => byte !== b[at]);
  return at < 0 ? a.length < b.length : at >= b.length ? false : a[at] < b[at];
}

function bigEndian(number, length) {
  return Uint8Array.from({ length }, (_, at) => Number((BigInt(number) >> BigInt(8 * (length - 1 - at))) & 255n));
}

/** Every part behind its length, so that no two lists of parts give the same bytes. */
const framed = (parts) => join(...parts.flatMap((part) => [bigEndian(part.length, 4), part]));

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// Encodings of points of small order, without their sign: anybody can sign for such a key
// (https://eprint.iacr.org/2020/1244, table 1).
const SMALL_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

function isSmallOrder(point) {
  const unsigned = Uint8Array.from(point);
  unsigned[31] &= 127;
  return SMALL_ORDER.includes(hex(unsigned));
}

/** Ed25519, strictly: neither the key nor the signature's point may be of small order. */
async function isSignedBy(key, message, signature) {
  if (key.length !== 32 || signature.length !== 64) return false;
  if (isSmallOrder(key) || isSmallOrder(signature.subarray(0, 32))) return false;
  try {
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify({ name: "Ed25519" }, imported, signature, message);
  } catch (error) {
    // Bytes that are no point at all are refused here or there, as the browser likes.
    if (error.name === "NotSupportedError") throw error;
    return false;
  }
}

/** A decimal number below 2^64 without leading zeros. */
function decimal(text) {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text) || BigInt(text) >= U64) throw new Error("number");
  return BigInt(text);
}

/** A verifier key: `name+id+base64` (signed-note). */
async function verifierKey(text) {
  const [, name, id, encoded] = /^([^+]+)\+([0-9a-f]{8})\+(.*)$/s.exec(text) ?? [];
  if (name === undefined || /[\s\u0000-\u001f]/u.test(name)) throw new Error("verifier key");
  const bytes = fromBase64(encoded);
  const [type, key] = [bytes[0], bytes.subarray(1)];
  if (![1, 4].includes(type) || key.length !== 32 || isSmallOrder(key)) throw new Error("verifier key");
  const hash = await sha256(join(utf8.encode(name), Uint8Array.of(10, type), key));
  if (hex(hash.subarray(0, 4)) !== id) throw new Error("key id");
  return { text, name, id, type, key };
}

/** A signed note; nothing in it is verified yet. */
function parseNote(text) {
  const blank = text.lastIndexOf("\n\n");
  if (blank < 0 || !text.endsWith("\n") || /[\u0000-\u0009\u000b-\u001f]/.test(text)) throw new Error("note");
  const lines = text.slice(blank + 2, -1).split("\n");
  if (lines.length > 64) throw new Error("signatures");
  const signatures = lines.map((line) => {
    const [, name, encoded] = /^— (\S+) (\S+)$/u.exec(line) ?? [];
    if (name === undefined || name.includes("+")) throw new Error("signature line");
    const bytes = fromBase64(encoded);
    if (bytes.length < 5) throw new Error("signature line");
    return { name, id: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
  });
  return { text: text.slice(0, blank + 1), signatures };
}

const isBy = (signature, key) => signature.id === key.id && signature.name === key.name;

/** The time that a cosignature states, in seconds since 1970 (tlog-cosignature). */
async function cosignatureTime(text, { signature }, key) {
  if (signature.length !== 72) throw new Error("cosignature");
  const time = BigInt(`0x${hex(signature.subarray(0, 8))}`);
  const message = utf8.encode(`cosignature/v1\ntime ${time}\n${text}`);
  if (time >> 63n !== 0n || !(await isSignedBy(key.key, message, signature.subarray(8)))) {
    throw new Error("cosignature");
  }
  return Number(time);
}

/** The keys that signed a note: a wrong signature of a known key spoils the whole note. */
async function signers(note, keys) {
  const found = new Set();
  for (const signature of note.signatures) {
    const known = keys.filter((key) => isBy(signature, key));
    if (known.length === 0) continue;
    if (known.some((key) => key.text !== known[0].text)) throw new Error("ambiguous key");
    const [key] = known;
    if (key.type === 4) await cosignatureTime(note.text, signature, key);
    else if (!(await isSignedBy(key.key, utf8.encode(note.text), signature.signature))) throw new Error("signature");
    found.add(key);
  }
  return [...found];
}

function parseCheckpoint(text) {
  const note = parseNote(text);
  const lines = note.text.slice(0, -1).split("\n");
  if (lines.length < 3 || lines.includes("")) throw new Error("checkpoint");
  const root = fromBase64(lines[2]);
  if (root.length !== 32) throw new Error("root");
  return { note, origin: lines[0], size: decimal(lines[1]), root };
}

/** An offline proof (tlog-proof). */
function parseProof(text) {
  const blank = text.indexOf("\n\n");
  if (blank < 0) throw new Error("proof");
  const lines = text.slice(0, blank).split("\n");
  if (lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("proof");
  if (lines[0]?.startsWith("extra ") && fromBase64(lines.shift().slice(6)).length === 0) throw new Error("extra");
  const index = lines.shift();
  if (!index?.startsWith("index ") || lines.length > 64) throw new Error("index");
  const hashes = lines.map(fromBase64);
  if (hashes.some((hash) => hash.length !== 32)) throw new Error("hash");
  return { index: decimal(index.slice(6)), hashes, checkpoint: parseCheckpoint(text.slice(blank + 2)) };
}

const leafHash = (leaf) => sha256(join(Uint8Array.of(0), leaf));
const nodeHash = (left, right) => sha256(join(Uint8Array.of(1), left, right));

/** Whether a leaf is in a tree (RFC 9162 section 2.1.3.2). */
async function isIncluded(index, size, leaf, hashes, root) {
  if (index >= size) return false;
  let [at, last, hash] = [index, size - 1n, leaf];
  for (const sibling of hashes) {
    if (last === 0n) return false;
    if ((at & 1n) === 1n || at === last) {
      hash = await nodeHash(sibling, hash);
      while ((at & 1n) === 0n && at !== 0n) [at, last] = [at >> 1n, last >> 1n];
    } else {
      hash = await nodeHash(hash, sibling);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  return last === 0n && same(hash, root);
}

/**
 * A protobuf message of a schema `{ number: [name, type] }`, a type being "uint", "bytes", "text",
 * a schema, or a list of one for repeated fields. `canonical` tells whether encoding it again gives the
 * same bytes: each field in its place, nothing unknown, nothing spelled out that goes without saying.
 */
function decode(bytes, schema) {
  const message = { canonical: true };
  for (const [name, type] of Object.values(schema)) {
    message[name] = Array.isArray(type) ? [] : type === "uint" ? 0 : type === "text" ? "" : type === "bytes" ? new Uint8Array() : null;
  }
  let [at, before] = [0, 0];
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      if (at >= bytes.length || shift > 63n) throw new Error("protobuf");
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        if (byte === 0 && shift > 0n) message.canonical = false;
        if (value >= U64) throw new Error("protobuf");
        return value;
      }
      shift += 7n;
    }
  };
  const delimited = () => {
    const length = varint();
    if (length > BigInt(bytes.length - at)) throw new Error("protobuf");
    at += Number(length);
    return bytes.subarray(at - Number(length), at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    const [name, type] = schema[number] ?? [];
    const repeated = Array.isArray(type);
    if (name === undefined) {
      message.canonical = false;
      if (wire === 0) varint();
      else if (wire === 2) delimited();
      else throw new Error("protobuf");
      continue;
    }
    if (wire !== (type === "uint" ? 0 : 2)) throw new Error("protobuf");
    if (number < before || (number === before && !repeated)) message.canonical = false;
    before = number;
    const value = read(repeated ? type[0] : type);
    const isDefault = value === 0 || value === "" || value.length === 0;
    if (isDefault && !repeated) message.canonical = false;
    if (repeated) message[name].push(value);
    else message[name] = value;
  }
  return message;

  function read(type) {
    if (type === "uint") {
      const value = varint();
      if (value >= 1n << 32n) message.canonical = false;
      return Number(value);
    }
    const part = delimited();
    if (type === "bytes") return part;
    if (type === "text") return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(part);
    const inner = decode(part, type);
    if (!inner.canonical) message.canonical = false;
    return inner;
  }
}

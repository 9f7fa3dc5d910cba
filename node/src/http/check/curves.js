// Points of curves, and SM2 signatures with SM3 (GB/T 32918.2, GB/T 32905), which browsers do not have. What
// is checked here is public, so nothing needs to take the same time whatever it is.

const rotate = (word, by) => ((word << (by & 31)) | (word >>> ((32 - by) & 31))) >>> 0;

/** SM3 of bytes (GB/T 32905-2016). */
function sm3(bytes) {
  const length = bytes.length;
  const padded = join(bytes, Uint8Array.of(128), new Uint8Array((119 - (length % 64)) % 64), bigEndian(8n * BigInt(length), 8));
  const view = new DataView(padded.buffer);
  const p0 = (x) => x ^ rotate(x, 9) ^ rotate(x, 17);
  const p1 = (x) => x ^ rotate(x, 15) ^ rotate(x, 23);
  let state = [0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e];
  for (let block = 0; block < padded.length; block += 64) {
    const w = Array.from({ length: 16 }, (_, at) => view.getUint32(block + 4 * at));
    for (let at = 16; at < 68; at++) {
      w.push((p1(w[at - 16] ^ w[at - 9] ^ rotate(w[at - 3], 15)) ^ rotate(w[at - 13], 7) ^ w[at - 6]) >>> 0);
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at++) {
      const early = at < 16;
      const ss1 = rotate((rotate(a, 12) + e + rotate(early ? 0x79cc4519 : 0x7a879d8a, at)) >>> 0, 7);
      const ss2 = ss1 ^ rotate(a, 12);
      const ff = early ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
      const gg = early ? e ^ f ^ g : (e & f) | (~e & g);
      const tt1 = (ff + d + ss2 + (w[at] ^ w[at + 4])) >>> 0;
      const tt2 = (gg + h + ss1 + w[at]) >>> 0;
      [a, b, c, d, e, f, g, h] = [tt1, a, rotate(b, 9), c, p0(tt2) >>> 0, e, rotate(f, 19), g];
    }
    state = [a, b, c, d, e, f, g, h].map((word, at) => (word ^ state[at]) >>> 0);
  }
  return join(...state.map((word) => bigEndian(word, 4)));
}

// The curve sm2p256v1 (GB/T 32918.5-2017): y² = x³ + a·x + b modulo p, a generator of order n.
const SM2 = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  generator: [
    0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
    0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
  ],
};

const modulo = (value, p) => ((value % p) + p) % p;

function inverse(value, p) {
  let [a, b, x, y] = [modulo(value, p), p, 1n, 0n];
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x];
  return modulo(x, p);
}

function power(base, exponent, p) {
  let [result, square] = [1n, modulo(base, p)];
  for (let rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % p) {
    if (rest & 1n) result = (result * square) % p;
  }
  return result;
}

/** Whether 32 bytes are a point of Ed25519: for its y there is an x (RFC 8032 section 5.1.3). */
function isEd25519Point(bytes) {
  if (bytes.length !== 32) return false;
  const [p, d] = [(1n << 255n) - 19n, 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n];
  const y = integer(Uint8Array.from(bytes).reverse()) & ((1n << 255n) - 1n);
  // x² is u / v, which is a square if u · v is one.
  const [u, v] = [modulo(y * y - 1n, p), modulo(d * y * y + 1n, p)];
  return power(u * v, (p - 1n) / 2n, p) <= 1n;
}

/** The sum of two points of SM2's curve; null is the point at infinity. */
function sum(one, other) {
  if (one === null || other === null) return one ?? other;
  const [{ p, a }, [x1, y1], [x2, y2]] = [SM2, one, other];
  if (x1 === x2 && modulo(y1 + y2, p) === 0n) return null;
  const slope = x1 === x2 ? (3n * x1 * x1 + a) * inverse(2n * y1, p) : (y2 - y1) * inverse(x2 - x1, p);
  const x = modulo(slope * slope - x1 - x2, p);
  return [x, modulo(slope * (x1 - x) - y1, p)];
}

function times(factor, point) {
  let result = null;
  for (let [rest, doubled] = [factor, point]; rest > 0n; rest >>= 1n, doubled = sum(doubled, doubled)) {
    if (rest & 1n) result = sum(result, doubled);
  }
  return result;
}

const integer = (bytes) => BigInt(`0x${hex(bytes)}`);

/** The point of an SM2 public key, `04 || x || y`; null if it is none. */
function sm2Point(key) {
  if (key.length !== 65 || key[0] !== 4) return null;
  const [{ p, a, b }, x, y] = [SM2, integer(key.subarray(1, 33)), integer(key.subarray(33))];
  return x < p && y < p && modulo(y * y - (x * x * x + a * x + b), p) === 0n ? [x, y] : null;
}

/** Whether `r || s` is the key's signature of a message, with the default user ID. */
function isSm2SignedBy(key, message, signature) {
  const point = sm2Point(key);
  if (point === null || signature.length !== 64) return false;
  const { a, b, n, generator } = SM2;
  const [r, s] = [integer(signature.subarray(0, 32)), integer(signature.subarray(32))];
  if (r < 1n || r >= n || s < 1n || s >= n) return false;
  const id = utf8.encode("1234567812345678");
  const who = [bigEndian(8 * id.length, 2), id, ...[a, b, ...generator, ...point].map((number) => bigEndian(number, 32))];
  const digest = integer(sm3(join(sm3(join(...who)), message)));
  const t = (r + s) % n;
  const at = t === 0n ? null : sum(times(s, generator), times(t, point));
  return at !== null && (digest + at[0]) % n === r;
}

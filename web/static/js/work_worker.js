// Computes in the background: counts nonces up until SHA-256 of `challenge:nonce` begins with enough zero bits.
// The page's own digest() answers by promise, one hash at a time; this is ten times as fast.

const K = new Uint32Array(64);
const START = new Uint32Array(8);
const REPORT_EVERY = 20_000;

// The constants are the first bits of the roots of the first primes.
function fillConstants() {
  const fraction = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32);
  for (let n = 2, count = 0; count < 64; n += 1) {
    let prime = true;
    for (let d = 2; d * d <= n; d += 1) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (count < 8) START[count] = fraction(Math.sqrt(n));
    K[count] = fraction(Math.cbrt(n));
    count += 1;
  }
}

const W = new Uint32Array(64);

function compress(state, bytes, at) {
  for (let i = 0; i < 16; i += 1) {
    const b = at + 4 * i;
    W[i] = (bytes[b] << 24) | (bytes[b + 1] << 16) | (bytes[b + 2] << 8) | bytes[b + 3];
  }
  for (let i = 16; i < 64; i += 1) {
    const x = W[i - 15];
    const y = W[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    W[i] = (W[i - 16] + s0 + W[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + W[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  const worked = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i += 1) state[i] = (state[i] + worked[i]) | 0;
}

// What all tries have in common is hashed once: the whole blocks of the text.
export function tries(text) {
  const whole = text.length - (text.length % 64);
  const head = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const begun = START.slice();
  for (let at = 0; at < whole; at += 64) compress(begun, head, at);
  const rest = head.subarray(whole);
  return (nonce) => {
    const length = rest.length + nonce.length;
    const tail = new Uint8Array(length + 9 > 64 ? 128 : 64);
    tail.set(rest);
    for (let i = 0; i < nonce.length; i += 1) tail[rest.length + i] = nonce.charCodeAt(i);
    tail[length] = 0x80;
    new DataView(tail.buffer).setUint32(tail.length - 4, (whole + length) * 8);
    const state = begun.slice();
    for (let at = 0; at < tail.length; at += 64) compress(state, tail, at);
    return state;
  };
}

// Fewer than 32 bits are ever asked.
export const enough = (state, bits) => state[0] >>> (32 - bits) === 0;

fillConstants();

addEventListener('message', ({ data: { challenge, bits } }) => {
  const hash = tries(`${challenge}:`);
  for (let nonce = 0; ; nonce += 1) {
    if (enough(hash(String(nonce)), bits)) {
      postMessage({ solution: `${challenge}:${nonce}`, tried: nonce + 1 });
      return;
    }
    if (nonce % REPORT_EVERY === 0) postMessage({ tried: nonce });
  }
});

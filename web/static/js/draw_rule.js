// The rule of a draw, as queue/draw.py has it: what a pre-queue number is drawn as, worked out on this device alone.

const ROUNDS = 10;
const HALF_BITS_MIN = 4;

const text = new TextEncoder();
const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
export const hexOf = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('');

// Browsers offer their cryptography to pages that came over a safe connection only.
export const canCheck = () => Boolean(globalThis.crypto?.subtle);

async function hmac(key, message) {
  const own = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return crypto.subtle.sign('HMAC', own, message);
}

export async function seedHash(seed) {
  return hexOf(await crypto.subtle.digest('SHA-256', bytesOf(seed)));
}

export async function drawKey(seed, beacon, size) {
  return hexOf(await hmac(bytesOf(seed), text.encode(`onsale draw 1\n${beacon}\n${size}`)));
}

export function halfBits(size) {
  let bits = HALF_BITS_MIN;
  while (4 ** bits < size) bits += 1;
  return bits;
}

export class Draw {
  static async of(key, size) {
    const own = await crypto.subtle.importKey('raw', bytesOf(key), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    return new Draw(own, size);
  }

  constructor(key, size) {
    Object.assign(this, { key, size, bits: halfBits(size), seen: new Map() });
    this.half = 2 ** this.bits;
  }

  // The drawn number of a pre-queue number; `told(walk)` is called with each of the walks of ten rounds.
  async drawn(number, told = () => {}) {
    let at = number - 1;
    do {
      let [left, right] = [Math.floor(at / this.half), at % this.half];
      for (let round = 0; round < ROUNDS; round += 1) {
        [left, right] = [right, left ^ (await this.mixed(round, right))];
      }
      const from = at;
      at = left * this.half + right;
      told({ from, to: at, again: at >= this.size });
    } while (at >= this.size);
    return at + 1;
  }

  // Who has `weight` pre-queue numbers in a row gets the best drawn one: [that, which of theirs it was].
  async best(number, weight) {
    let best = [Infinity, number];
    for (let own = number; own < number + weight; own += 1) {
      const drawn = await this.drawn(own);
      if (drawn < best[0]) best = [drawn, own];
    }
    return best;
  }

  mixed(round, right) {
    const place = round * this.half + right;
    return this.seen.get(place) ?? this.work(place, round, right);
  }

  async work(place, round, right) {
    const message = new DataView(new ArrayBuffer(5));
    message.setUint8(0, round);
    message.setUint32(1, right);
    const mixed = new DataView(await crypto.subtle.sign('HMAC', this.key, message)).getUint32(0) % this.half;
    this.seen.set(place, mixed);
    return mixed;
  }
}

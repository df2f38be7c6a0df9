// A place whose number is still to be drawn: waits for the draw, works the number out here, and fetches the page without haste.

import { canCheck, Draw, drawKey } from './draw_rule.js';
import { say } from './say.js';

// A million people learn of the draw within seconds: each fetches the page before their turn, and no more at once than come in.
const SOON_MS = 3_000;
const SPREAD_MS = 60_000;
const AGAIN_MS = 10_000;

async function numberOf({ seed, beacon_value: beacon, size }, { number, weight }) {
  if (!canCheck() || !seed || number > size) return null;
  return (await (await Draw.of(await drawKey(seed, beacon ?? '', size), size)).best(number, weight))[0];
}

export class InDraw {
  constructor() {
    this.waitsFor = undefined;
    this.lookAt = Infinity;
    this.done = false;
  }

  // Follows the status; `look` fetches the page as it is now.
  async told(standing, status, look) {
    standing.lost(null);
    standing.toggle('notice', Boolean(status.notice));
    standing.write('notice-words', status.notice);
    const waitsFor = status.draw?.waits_for ?? null;
    const before = this.waitsFor;
    this.waitsFor = waitsFor;
    if (this.done) {
      // The page that was fetched did not know it yet.
      if (performance.now() > this.lookAt + AGAIN_MS) this.lookWithin(AGAIN_MS, look);
      return;
    }
    if (waitsFor !== null) {
      if (before !== undefined && before !== waitsFor) setTimeout(look, SPREAD_MS * Math.random());
      return;
    }
    this.done = true;
    const number = await numberOf(status.draw ?? {}, standing.place);
    if (number !== null) {
      const words = `Yours is ${number.toLocaleString('en')}.`;
      standing.write('drawn-words', words);
      standing.toggle('drawn', true);
      say(`The numbers are drawn. ${words}`);
    }
    const turnMs = number === null ? SPREAD_MS : (60_000 * number) / Math.max(1, status.rate_per_minute);
    this.lookWithin(Math.min(SPREAD_MS, Math.max(SOON_MS, turnMs / 2)), look);
  }

  lookWithin(longest, look) {
    const wait = longest * Math.random();
    this.lookAt = performance.now() + wait;
    setTimeout(look, wait);
  }
}

// How long one person still waits, as a band, and what may be told after what was told; the same rules as queue/band.py.

const MINUTE_MS = 60_000;
const EARLIER_MS = 2_000;
const LATER_MS = 6_000;

// The band of a place whose turn is the `turns`-th from now, in milliseconds of the server's clock; null: nobody can know.
export function told(turns, status, nowMs, isReturn) {
  const { wait } = status;
  if (!wait) return null;
  let [soonest, latest, left] = [0, 0, Math.max(1, turns)];
  for (const piece of isReturn ? wait.returns : wait.pieces) {
    const people = piece.people === null ? left : Math.min(left, piece.people);
    soonest += (people / piece.fast_per_minute) * MINUTE_MS;
    latest += (people / piece.slow_per_minute) * MINUTE_MS;
    left -= people;
    if (left <= 0) break;
  }
  if (left > 0) return null;
  const begin = Math.max(nowMs, wait.opens_at_ms);
  return {
    from: Math.floor(Math.max(nowMs, begin + soonest - EARLIER_MS)),
    to: Math.ceil(begin + latest + LATER_MS),
    epoch: wait.epoch,
  };
}

// Never later and never wider than before, but in a new epoch, which has its reason.
export function kept(before, now) {
  if (!before || !now || before.epoch !== now.epoch) return now;
  const to = Math.min(before.to, now.to);
  const from = now.from < to ? now.from : before.from;
  return { from: Math.min(to, Math.max(from, to - (before.to - before.from))), to, epoch: now.epoch };
}

// From now to the band's two ends, in whole seconds.
export function seconds(band, nowMs) {
  return [Math.max(0, Math.floor((band.from - nowMs) / 1000)), Math.max(0, Math.ceil((band.to - nowMs) / 1000))];
}

// What was told before, read from its text; null for anything else.
export function keptText(text) {
  const found = /^(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/.exec(text ?? '');
  if (!found) return null;
  const [from, to, epoch] = found.slice(1).map(Number);
  return from <= to ? { from, to, epoch } : null;
}

export const textOf = (band) => `${band.from}.${band.to}.${band.epoch}`;

// The band in words, as web/pages/words.py says it.
export function bandWords(ends) {
  if (!ends) return 'not known yet';
  const [low, high] = ends;
  if (high < 60) return 'under a minute';
  const [unit, name] = high < 5400 ? [60, 'minutes'] : [3600, 'hours'];
  const [from, to] = [Math.floor(low / unit), Math.ceil(high / unit)];
  if (to <= 1) return unit === 60 ? 'about a minute' : 'about an hour';
  return from ? `${from} to ${to} ${name}` : `up to ${to} ${name}`;
}

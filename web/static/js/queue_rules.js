// What one person reads out of the status document that everybody gets; the same rules as queue/status.py.

const LOW_FACTOR = 0.8;
const HIGH_FACTOR = 1.3;
const HIGH_SECONDS_MORE = 10;
const NOT_OPEN = ['scheduled', 'pre_queue'];

// How many come before this place. `seen` is the largest serving ever shown: the answer never rises.
export function peopleAhead(place, status, seen) {
  return Math.max(0, place.number - Math.max(serving(place, status), seen) - 1);
}

export function serving(place, status) {
  return place.isReturn ? status.return_serving : status.serving;
}

// The wait in seconds as [low, high]; null where nobody can know. Before the opening the time until then is added.
export function waitBand(place, status, seen, nowMs) {
  // A draw opens when it was held; nobody knows when that is.
  if (status.draw?.waits_for) return null;
  const waiting = NOT_OPEN.includes(status.phase);
  const pace = waiting ? status.rate_per_minute : status.pace_per_minute;
  const untilOpen = waiting ? Math.max(0, (Date.parse(status.opens_at) - nowMs) / 1000) : 0;
  if (pace <= 0) return null;
  const turns = peopleAhead(place, status, seen) + 1;
  const low = (LOW_FACTOR * turns * 60) / Math.max(pace, status.rate_per_minute);
  const share = place.isReturn || status.returns_waiting ? 2 : 1;
  const high = (HIGH_FACTOR * share * turns * 60) / pace + HIGH_SECONDS_MORE;
  return [Math.floor(untilOpen + low), Math.ceil(untilOpen + high)];
}

// The band in words, as web/pages/words.py says it.
export function bandWords(band) {
  if (!band) return 'not known yet';
  const [low, high] = band;
  if (high < 60) return 'under a minute';
  const [unit, name] = high < 5400 ? [60, 'minutes'] : [3600, 'hours'];
  const [from, to] = [Math.floor(low / unit), Math.ceil(high / unit)];
  if (to <= 1) return unit === 60 ? 'about a minute' : 'about an hour';
  return from ? `${from} to ${to} ${name}` : `up to ${to} ${name}`;
}

// When to ask again, in milliseconds.
export function pollMs(place, status, seen) {
  const ahead = peopleAhead(place, status, seen);
  const fits = status.poll.find((band) => band.ahead === null || ahead <= band.ahead);
  return 1000 * (fits?.seconds ?? 10);
}

// Whether this place is asked to show that somebody is there.
export function heartbeatWanted(place, status) {
  return place.isReturn || place.number <= status.heartbeat.up_to;
}

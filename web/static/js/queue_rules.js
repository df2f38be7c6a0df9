// What one person reads out of the status document that everybody gets; the same rules as queue/status.py.

import { told } from './queue_wait.js';

// How many come before this place; numbers that a restored queue skipped are nobody's. `seen` is the largest serving ever shown: the answer never rises.
export function peopleAhead(place, status, seen) {
  const [first, last] = [Math.max(serving(place, status), seen) + 1, place.number - 1];
  const gaps = (place.isReturn ? status.gaps?.returns : status.gaps?.numbers) ?? [];
  const nobodys = gaps.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(last, to) - Math.max(first, from) + 1), 0);
  return Math.max(0, last - first + 1 - nobodys);
}

export function serving(place, status) {
  return place.isReturn ? status.return_serving : status.serving;
}

// When this place's turn comes, as a band; null where nobody can know.
export function waitBand(place, status, seen, nowMs) {
  return told(peopleAhead(place, status, seen) + 1, status, nowMs, place.isReturn);
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

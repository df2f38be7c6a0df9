// Follows which seats of one section are free: what changed since the last look, waited for where that can be done.

const EVERY_MS = 2_000;
const HIDDEN_MS = 20_000;
const TIMEOUT_MS = 10_000;
const WAIT_SECONDS = 25;
// So long the web is asked after waiting has failed; then it is tried again.
const AGAIN_MS = 30_000;
// Sooner than this nobody says that nothing has changed, unless nobody may wait there.
const AT_ONCE_MS = 500;
const FREE = 'f';

// Calls `told(free)` at every change; `free(index)` says whether the section's seat with this index can be had.
// `url` answers at once; at `live`, where there is one, an answer may be waited for.
export function availability({ url, live, section }, told) {
  let version = '';
  let states = [];
  let waitsFrom = 0;
  let timer;

  function take(seats) {
    const ours = seats.sections.find((each) => each.id === section);
    version = seats.version;
    if (!ours) return false;
    if (seats.since === null) states = [...ours.states];
    else for (const [index, letter] of ours.changes) states[index] = letter;
    told((index) => states[index] === FREE);
    return true;
  }

  async function look(waits) {
    const asked = new URLSearchParams({ section });
    if (version) asked.set('since', version);
    if (waits) asked.set('wait', WAIT_SECONDS);
    const signal = AbortSignal.timeout(TIMEOUT_MS + (waits ? WAIT_SECONDS * 1000 : 0));
    const answer = await fetch(`${waits ? live : url}?${asked}`, { credentials: 'omit', signal });
    if (!answer.ok) throw new Error(answer.status);
    return take(await answer.json());
  }

  async function round() {
    timer = undefined;
    const began = Date.now();
    const waits = Boolean(live && version && !document.hidden && began >= waitsFrom);
    let pause = (document.hidden ? HIDDEN_MS : EVERY_MS) * (0.8 + 0.4 * Math.random());
    try {
      const changed = await look(waits);
      if (waits && (changed || Date.now() - began > AT_ONCE_MS)) pause = 0;
      // The first look was only for a version to wait with.
      if (!waits && live && !document.hidden && Date.now() >= waitsFrom) pause = 0;
    } catch {
      // The booking itself says whether a seat is free; the picture only saves a try.
      if (waits) waitsFrom = Date.now() + AGAIN_MS * (0.8 + 0.4 * Math.random());
    }
    timer = setTimeout(round, pause);
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden || !timer) return;
    clearTimeout(timer);
    round();
  });
  round();
}

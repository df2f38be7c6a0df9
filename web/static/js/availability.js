// Follows which seats of one section are free: the document of changes since the last look.

const EVERY_MS = 2_000;
const HIDDEN_MS = 20_000;
const TIMEOUT_MS = 10_000;
const FREE = 'f';

// Calls `told(free)` at every change; `free(index)` says whether the section's seat with this index can be had.
export function availability(url, section, told) {
  let version = '';

  async function round() {
    try {
      const asked = `${url}?section=${section}${version ? `&since=${encodeURIComponent(version)}` : ''}`;
      const answer = await fetch(asked, { credentials: 'omit', signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.ok) {
        const live = await answer.json();
        version = live.version;
        const ours = live.sections.find((each) => each.id === section);
        if (ours) told((index) => ours.states[index] === FREE);
      }
    } catch {
      // The booking itself says whether a seat is free; the picture only saves a try.
    }
    setTimeout(round, (document.hidden ? HIDDEN_MS : EVERY_MS) * (0.8 + 0.4 * Math.random()));
  }
  round();
}

// Follows one queue's public status document, at the pace the document asks for.

const FIRST_RETRY_MS = 2_000;
const RETRY_MAX_MS = 30_000;
const HIDDEN_MIN_MS = 30_000;
const TIMEOUT_MS = 10_000;
const JITTER = 0.2;

export class Watch {
  // `told(status)` is called with every document; `pace(status)` gives the wait in milliseconds; `lost(since, failures)` after each failure;
  // `hidden` is the shortest wait while nobody sees the page.
  constructor(url, told, { pace = (status) => status.poll_ms ?? 10_000, lost = () => {}, hidden = HIDDEN_MIN_MS } = {}) {
    Object.assign(this, { url, told, pace, lost, hidden, failures: 0, timer: null, stopped: false, lastAt: Date.now() });
    this.shown = () => { if (!document.hidden && !this.stopped) this.again(200 * Math.random()); };
  }

  start() {
    document.addEventListener('visibilitychange', this.shown);
    this.again(500 + 1_000 * Math.random());
    return this;
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    document.removeEventListener('visibilitychange', this.shown);
  }

  again(wait) {
    clearTimeout(this.timer);
    if (!this.stopped) this.timer = setTimeout(() => this.round(), wait);
  }

  async round() {
    let wait = Math.min(FIRST_RETRY_MS * 2 ** this.failures, RETRY_MAX_MS);
    try {
      // Credentials would keep a shared cache from answering.
      const answer = await fetch(this.url, { credentials: 'omit', signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const status = await answer.json();
      this.failures = 0;
      this.lastAt = Date.now();
      wait = this.pace(status);
      this.told(status);
    } catch {
      this.failures += 1;
      this.lost(this.lastAt, this.failures);
    }
    if (document.hidden) wait = Math.max(wait, this.hidden);
    this.again(wait * (1 - JITTER + 2 * JITTER * Math.random()));
  }
}

// One person's place on the page: reads it out of what the server drew, and writes the numbers that change.

const SEEN_PREFIX = 'onsale-seen-';
const WAY_START = 14;
const WAY_END = 360;
const FEW = 500;

const count = (n) => n.toLocaleString('en');

function left(free) {
  if (free === 0) return 'none left';
  return free > FEW ? `over ${FEW} left` : `${free} left`;
}

export class Standing {
  constructor() {
    for (const spare of document.querySelectorAll('[data-without-script]')) spare.hidden = true;
    const drawn = document.querySelector('#standing').dataset;
    this.name = drawn.standing;
    this.statusUrl = drawn.statusUrl;
    this.heartbeatUrl = drawn.heartbeatUrl;
    this.place = { number: Number(drawn.returnNumber || drawn.number), isReturn: Boolean(drawn.returnNumber) };
    this.key = `${SEEN_PREFIX}${drawn.event}-${this.place.isReturn ? 'r' : ''}${this.place.number}`;
    this.phase = null;
    this.firstAhead = Number(document.querySelector('.way')?.dataset.firstAhead ?? 0);
    // What the server showed counts as seen: a reload never shows more people ahead.
    const shown = this.name === 'ahead' ? this.place.number - Number(drawn.ahead) - 1 : 0;
    this.seen = Math.max(shown, this.kept());
  }

  kept() {
    try { return Number(sessionStorage.getItem(this.key) ?? 0); } catch { return 0; }
  }

  // Keeps the largest serving seen, also over a reload of this tab.
  see(serving) {
    this.seen = Math.max(this.seen, serving);
    try { sessionStorage.setItem(this.key, String(this.seen)); } catch { /* A private window: this page remembers. */ }
    return this.seen;
  }

  fact(name) { return document.querySelector(`#standing [data-fact="${name}"]`); }

  write(name, words) {
    const element = this.fact(name);
    if (element && element.textContent !== words) element.textContent = words;
  }

  show(status, ahead, wait) {
    this.write('ahead', count(ahead));
    this.write('ahead-words', `${ahead === 1 ? 'person' : 'people'} ahead of you`);
    this.write('wait', wait);
    this.write('wait-why', this.why(status));
    this.toggle('paused', status.phase === 'paused');
    this.toggle('all-held', status.phase === 'all_held');
    this.toggle('sold-out', status.phase === 'sold_out');
    this.toggle('closed', status.phase === 'closed');
    this.toggle('notice', Boolean(status.notice));
    this.write('reason', status.reason || 'The organiser has not said why.');
    this.write('notice-words', status.notice);
    this.way(ahead);
    this.prices(status.tickets_left);
  }

  why(status) {
    if (status.phase !== 'open') return '';
    if (status.why) return status.why;
    const slower = status.pace_per_minute < status.rate_per_minute;
    if (slower) return `About ${count(status.pace_per_minute)} people per minute now: as many are inside as fit, and people come in as others finish.`;
    return `At ${count(status.rate_per_minute)} people per minute, between everybody taking their turn and some staying away.`;
  }

  phaseWords(status) {
    return ['paused', 'all-held', 'sold-out', 'closed']
      .filter((name) => name === status.phase.replace('_', '-'))
      .map((name) => this.fact(name)?.textContent.trim())
      .join('');
  }

  toggle(name, on) {
    const element = this.fact(name);
    if (element) element.hidden = !on;
  }

  way(ahead) {
    const gone = this.firstAhead ? 1 - ahead / this.firstAhead : 1;
    const x = (WAY_START + (WAY_END - WAY_START) * Math.max(0, gone)).toFixed(1);
    this.fact('way-line')?.setAttribute('x2', x);
    this.fact('way-dot')?.setAttribute('cx', x);
  }

  prices(sections) {
    const free = new Map();
    for (const section of sections) free.set(section.price_minor, (free.get(section.price_minor) ?? 0) + section.free);
    for (const cell of document.querySelectorAll('[data-price]')) {
      const now = free.get(Number(cell.dataset.price));
      if (now !== undefined) cell.textContent = left(now);
    }
  }

  // Says since when nothing was heard; null takes it away.
  lost(since) {
    this.toggle('away', since !== null);
    if (since) this.write('away-since', new Date(since).toLocaleTimeString('en-GB'));
  }
}

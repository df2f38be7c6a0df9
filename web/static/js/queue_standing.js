// One person's place on the page: reads it out of what the server drew, and writes the numbers that change.

import { kept, keptText, textOf } from './queue_wait.js';
import { ROUGH, causeWords, oddsWords, soldOutWords } from './queue_words.js';

const SEEN_PREFIX = 'onsale-seen-';
const TOLD_PREFIX = 'onsale-told-';
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
    this.place = { number: Number(drawn.returnNumber || drawn.number), isReturn: Boolean(drawn.returnNumber), weight: Number(drawn.weight || 1) };
    const who = `${drawn.event}-${this.place.isReturn ? 'r' : ''}${this.place.number}`;
    [this.key, this.toldKey] = [SEEN_PREFIX + who, TOLD_PREFIX + who];
    const before = keptText(this.read(this.toldKey));
    this.told = drawn.told ? kept(before, keptText(drawn.told)) : before;
    this.known = null;
    this.phase = null;
    this.firstAhead = Number(document.querySelector('.way')?.dataset.firstAhead ?? 0);
    // What the server showed counts as seen: a reload never shows more people ahead.
    const shown = this.name === 'ahead' ? this.place.number - Number(drawn.ahead) - 1 : 0;
    this.seen = Math.max(shown, this.kept());
  }

  read(key) {
    try { return sessionStorage.getItem(key); } catch { return null; }
  }

  remember(key, text) {
    try { sessionStorage.setItem(key, text); } catch { /* A private window: this page remembers. */ }
  }

  kept() { return Number(this.read(this.key) ?? 0); }

  // Keeps the largest serving seen, also over a reload of this tab.
  see(serving) {
    this.seen = Math.max(this.seen, serving);
    this.remember(this.key, String(this.seen));
    return this.seen;
  }

  // Keeps the band that was told: it gets no later without a reason, also over a reload of this tab.
  keep(band) {
    const shown = kept(this.told, band);
    if (!shown) return null;
    this.told = shown;
    this.remember(this.toldKey, textOf(shown));
    return shown;
  }

  // What is worth saying aloud since the last status: a section gone, other chances, a wait told anew.
  news(status, odds) {
    const gone = status.tickets_left.filter((one) => one.sold_out_at);
    const now = { gone: new Set(gone.map((one) => one.section_id)), odds, epoch: status.wait?.epoch };
    const before = this.known;
    this.known = now;
    if (!before) return [];
    const words = gone.filter((one) => !before.gone.has(one.section_id)).map(soldOutWords);
    if (odds && odds !== before.odds) words.push(`A ticket left at your turn: ${oddsWords(odds, status.held)}.`);
    if (now.epoch !== before.epoch && status.wait?.cause) words.push(causeWords(status.wait));
    return words.length ? [words.join(' ')] : [];
  }

  fact(name) { return document.querySelector(`#standing [data-fact="${name}"]`); }

  write(name, words) {
    const element = this.fact(name);
    if (element && element.textContent !== words) element.textContent = words;
  }

  show(status, ahead, mine) {
    this.write('ahead', count(ahead));
    this.write('ahead-words', `${ahead === 1 ? 'person' : 'people'} ahead of you`);
    this.write('wait', mine.wait);
    this.write('wait-why', `${this.why(status)}${status.wait?.sure === false ? ` ${ROUGH}` : ''}`);
    this.write('wait-cause', mine.cause);
    this.toggle('wait-cause', Boolean(mine.cause));
    this.write('odds', mine.oddsWords);
    this.fact('odds')?.setAttribute('data-odds', mine.odds ?? '');
    this.figures(status, ahead);
    this.toggle('waits', status.phase !== 'closed');
    this.toggle('paused', status.phase === 'paused');
    this.toggle('all-held', status.phase === 'all_held');
    this.toggle('sold-out', status.phase === 'sold_out');
    this.toggle('closed', status.phase === 'closed');
    this.toggle('notice', Boolean(status.notice));
    this.write('reason', status.reason || 'The organiser has not said why.');
    this.write('notice-words', status.notice);
    this.way(ahead);
    this.sections(status.tickets_left);
  }

  why(status) {
    if (status.phase !== 'open') return '';
    if (status.why) return status.why;
    if (status.rate_per_minute === 0) return 'The organiser lets nobody in for now, so nobody knows how long it takes.';
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

  figures(status, ahead) {
    const known = status.odds;
    if (!known) return;
    const figures = {
      free: status.free, held: status.held, choosing: known.choosing, ahead, present: known.present_percent,
      buys: known.buys_percent, each: known.tickets_per_buyer, seen: known.seen_percent,
    };
    for (const [name, figure] of Object.entries(figures)) this.write(`figures-${name}`, figure === null ? 'unknown' : count(figure));
  }

  sections(sections) {
    for (const section of sections) {
      const cell = document.querySelector(`[data-section="${section.section_id}"]`);
      const words = section.sold_out_at ? 'sold out' : left(section.free);
      if (cell && cell.textContent !== words) cell.textContent = words;
    }
    const list = this.fact('gone');
    if (!list) return;
    const gone = sections.filter((one) => one.sold_out_at).sort((a, b) => a.sold_out_at.localeCompare(b.sold_out_at));
    list.hidden = !gone.length;
    if (list.children.length === gone.length) return;
    list.replaceChildren(...gone.map((one) => Object.assign(document.createElement('li'), { textContent: soldOutWords(one) })));
  }

  // Says since when nothing was heard; null takes it away.
  lost(since) {
    this.toggle('away', since !== null);
    if (since) this.write('away-since', new Date(since).toLocaleTimeString('en-GB'));
  }
}

// The booking page: looks again until the booking has ended, and draws what changed.

import { countDown } from './clock.js';
import { look, swap } from './part.js';
import { say } from './say.js';
import './post.js';

const FAST_MS = 700;
const SLOW_MS = 5_000;
const FAST_FOR_MS = 60_000;
const HIDDEN_TIMES = 4;
const started = performance.now();

const state = () => document.querySelector('#state');

async function round() {
  try {
    const theirs = await look('#state');
    if (theirs && theirs.dataset.mark !== state().dataset.mark) {
      const focusIn = state().contains(document.activeElement);
      const drawn = swap(state(), theirs);
      document.dispatchEvent(new Event('drawn'));
      say(drawn.dataset.say);
      document.title = `${drawn.querySelector('h1').textContent} · Onsale`;
      if (focusIn) document.querySelector('#main').focus();
    }
  } catch {
    // The next round asks again; nothing on the page has become wrong.
  }
  next();
}

function next() {
  if (state().dataset.settled) return;
  const base = performance.now() - started < FAST_FOR_MS ? FAST_MS : SLOW_MS;
  setTimeout(round, base * (0.8 + 0.4 * Math.random()) * (document.hidden ? HIDDEN_TIMES : 1));
}

countDown(say);
document.addEventListener('over', () => setTimeout(round, 1500));
next();

// The event page: counts down to the opening, and shows how the sale stands meanwhile.

import { countDown } from './clock.js';
import { refresh } from './part.js';
import { say } from './say.js';
import { Watch } from './status.js';
import './post.js';
import './work.js';

const OPENING_SPREAD_MS = 1_500;
const sale = () => document.querySelector('#sale');

async function redraw() {
  const drawn = await refresh('#sale');
  if (drawn) say(drawn.dataset.say ?? '');
}

countDown(say);
document.addEventListener('over', () => setTimeout(redraw, 300 + Math.random() * OPENING_SPREAD_MS));
if (sale()?.dataset.statusUrl) {
  new Watch(sale().dataset.statusUrl, (status) => {
    if (status.phase !== sale().dataset.phase) redraw();
    const waiting = document.querySelector('[data-fact="waiting"]');
    if (waiting && status.waiting !== null) waiting.textContent = status.waiting.toLocaleString('en');
  }).start();
}

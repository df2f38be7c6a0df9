// The console: the dial's slider and number say the same, and the live numbers renew themselves.

import { refresh } from './part.js';
import { say } from './say.js';
import './post.js';

const EVERY_MS = 2_000;
const HIDDEN_MS = 15_000;

const [range, exactly, now] = ['rate-range', 'rate_per_minute', 'rate-now'].map((id) => document.getElementById(id));

function turn(value) {
  now.textContent = Number(value).toLocaleString('en');
}

function follow() {
  exactly.value = range.value;
  turn(range.value);
}

range?.addEventListener('input', follow);
exactly?.addEventListener('input', () => { range.value = exactly.value; turn(exactly.value || 0); });
// Turned while this file was still on its way.
if (range && range.value !== range.defaultValue) follow();

let lost = 0;
async function round() {
  const drawn = await refresh('#now-part');
  lost = drawn ? 0 : lost + 1;
  if (lost === 3) say('The live numbers have stopped coming. Trying again.');
  setTimeout(round, document.hidden ? HIDDEN_MS : EVERY_MS);
}
setTimeout(round, EVERY_MS);

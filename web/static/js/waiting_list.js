// The waiting list's page: shows that somebody is there by asking again, and says when a ticket is offered.

import { countDown } from './clock.js';
import { tell } from './notifying.js';
import { look, refresh, swap } from './part.js';
import { say } from './say.js';
import './post.js';
import './work.js';

const JITTER = 0.2;
const FAILED_SECONDS = 15;
let standing = document.querySelector('#listed')?.dataset.standing;

async function round() {
  // Whoever is choosing in the form must not lose what they chose; asking still shows that they are there.
  const busy = document.querySelector('#listed')?.querySelector('details[open]');
  const drawn = await (busy ? look('#listed').catch(() => null) : refresh('#listed'));
  if (drawn && drawn.dataset.standing !== standing) changed(busy ? swap(document.querySelector('#listed'), drawn) : drawn);
  next(drawn ? Number(drawn.dataset.pollSeconds) : FAILED_SECONDS);
}

function changed(drawn) {
  standing = drawn.dataset.standing;
  const title = drawn.querySelector('h1');
  say(`${title.textContent}. ${drawn.querySelector('p')?.textContent ?? ''}`);
  document.title = `${title.textContent} · Onsale`;
  if (standing === 'offered') {
    title.focus();
    tell(title.textContent, 'It is held for you. Pay, or say no.');
  }
}

function next(seconds) {
  if (!seconds || standing === 'ended' || standing === 'none') return;
  setTimeout(round, seconds * 1000 * (1 - JITTER + 2 * JITTER * Math.random()));
}

countDown(say);
document.addEventListener('over', () => setTimeout(round, 2_000));
next(Number(document.querySelector('#listed')?.dataset.pollSeconds));

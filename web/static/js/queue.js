// The queue page: follows the shared status, subtracts this person's number, shows presence, and says when it is time.

import { countDown, now } from './clock.js';
import { drawNotices } from './notices.js';
import { tell } from './notifying.js';
import { refresh } from './part.js';
import { post } from './post.js';
import { InDraw } from './queue_draw.js';
import { odds } from './queue_odds.js';
import { heartbeatWanted, peopleAhead, pollMs, serving, waitBand } from './queue_rules.js';
import { Standing } from './queue_standing.js';
import { bandWords, seconds } from './queue_wait.js';
import { causeWords, oddsWords } from './queue_words.js';
import { showReadiness } from './readiness.js';
import { say, saySometimes } from './say.js';
import { Watch } from './status.js';
import './work.js';

const LOST_AFTER = 2;
const HIDDEN_HEARTBEAT_MS = 60_000;
// Somebody who touched the page this lately is there, and is taken in without a press.
const ATTENTIVE_MS = 60_000;
const LOOK_AGAIN_MS = 4_000;
const LIST_LOOK_MS = 60_000;

let standing = new Standing();
const inDraw = new InDraw();
let watch = null;
let lastHeartbeat = 0;
let lastTouch = performance.now();
let looking = false;
let notice = null;
let listLookedAt = -Infinity;

function told(status) {
  if (standing.name === 'in_draw') {
    inDraw.told(standing, status, look);
    return;
  }
  standing.lost(null);
  const seen = standing.see(serving(standing.place, status));
  const ahead = peopleAhead(standing.place, status, seen);
  const band = standing.keep(waitBand(standing.place, status, seen, now()));
  const wait = bandWords(band && seconds(band, now()));
  const chance = odds(ahead, status);
  standing.show(status, ahead, { wait, odds: chance, oddsWords: oddsWords(chance, status.held), cause: status.why || causeWords(status.wait) });
  for (const words of standing.news(status, chance)) say(words);
  document.title = `${ahead.toLocaleString('en')} ahead · Onsale`;
  if (standing.phase && standing.phase !== status.phase) say(standing.phaseWords(status) || `The queue goes on. ${ahead} ahead of you.`);
  standing.phase = status.phase;
  noticed(status);
  if (listed(status)) look();
  saySometimes(`${ahead} people ahead of you. Your wait: ${wait}.`);
  if (heartbeatWanted(standing.place, status)) heartbeat(status.heartbeat.every_seconds * 1000);
  if (serving(standing.place, status) >= standing.place.number) look();
}

function noticed(status) {
  if (notice !== null && notice !== status.notice) {
    if (status.notice) say(`From the organiser: ${status.notice}`);
    drawNotices();
  }
  notice = status.notice;
}

// Near the front of a waiting list: the server leads to its page, once this person is on it.
function listed(status) {
  const near = status.waiting_list && standing.place.number <= status.heartbeat.up_to;
  if (!near || !['sold_out', 'all_held'].includes(status.phase) || performance.now() - listLookedAt < LIST_LOOK_MS) return false;
  listLookedAt = performance.now();
  return true;
}

async function heartbeat(everyMs) {
  const due = document.hidden ? Math.max(everyMs, HIDDEN_HEARTBEAT_MS) : everyMs;
  if (performance.now() - lastHeartbeat < due - 500) return;
  lastHeartbeat = performance.now();
  try {
    // The session behind the form protection was lost: the page as it is now has a new one.
    if ((await post(standing.heartbeatUrl)).status >= 400) look();
  } catch {
    // Not heard. The next status brings the next try.
    lastHeartbeat = 0;
  }
}

// Asks the server where this person stands and draws it.
async function look() {
  if (looking) return;
  looking = true;
  const before = standing.name;
  const drawn = await refresh('#standing');
  looking = false;
  if (!drawn) {
    setTimeout(look, LOOK_AGAIN_MS);
    return;
  }
  standing = new Standing();
  showReadiness();
  if (standing.name !== before) changed();
  else if (standing.name === 'ahead') standing.phase = null;
  follow();
}

function changed() {
  const title = document.querySelector('#standing h1');
  say(`${title.textContent}. ${title.parentElement.querySelector('p')?.textContent ?? ''}`);
  document.title = `${title.textContent} · Onsale`;
  if (standing.name !== 'admitted') return;
  title.focus();
  tell(title.textContent, 'Go in and choose tickets.');
  goIn();
}

// Goes in by itself only for somebody who is there: a forgotten page must not take the turn of a person.
function goIn() {
  if (standing.name !== 'admitted' || document.hidden || performance.now() - lastTouch > ATTENTIVE_MS) return;
  document.querySelector('#enter').requestSubmit();
}

function follow() {
  const waits = ['ahead', 'in_draw'].includes(standing.name);
  if (waits && !watch) {
    watch = new Watch(standing.statusUrl, told, {
      pace: (status) => pollMs(standing.place, status, standing.seen),
      hidden: HIDDEN_HEARTBEAT_MS,
      lost: (since, failures) => failures >= LOST_AFTER && standing.lost(since),
    }).start();
  } else if (!waits && watch) {
    watch.stop();
    watch = null;
  }
}

for (const kind of ['pointerdown', 'pointermove', 'keydown', 'scroll', 'touchstart']) {
  addEventListener(kind, () => { lastTouch = performance.now(); }, { passive: true });
}
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  lastTouch = performance.now();
  if (standing.name === 'admitted') look();
});
document.addEventListener('over', () => {
  // Of a draw the status tells, and everybody's countdown ends at once.
  if (standing.name !== 'in_draw') setTimeout(look, 1_500);
});
countDown(say);
showReadiness();
follow();
// The turn may have come before the page did.
if (standing.name === 'admitted') changed();

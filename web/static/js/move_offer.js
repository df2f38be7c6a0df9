// While a code is shown: looks whether the place has moved, and then says so on the place's own page.

import { look } from './part.js';
import './post.js';

const LOOK_EVERY_MS = 4_000;
const { placeUrl, lifeSeconds } = document.querySelector('#move').dataset;
const until = performance.now() + Number(lifeSeconds) * 1000;

async function watch() {
  if (performance.now() > until) return;
  try {
    if (!document.hidden && await look('#moved', placeUrl)) {
      location.assign(placeUrl);
      return;
    }
  } catch {
    // Not heard; the next look is the next try.
  }
  setTimeout(watch, LOOK_EVERY_MS);
}
setTimeout(watch, LOOK_EVERY_MS);

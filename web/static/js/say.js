// What a screen reader hears: one polite line, seldom, the newest thing only.

const QUIET_MS = 60_000;
let lastAt = -QUIET_MS;
let lastWords = '';

// Says it now; the same words are not said twice.
export function say(words) {
  const line = document.querySelector('#say');
  if (!line || words === lastWords) return;
  lastWords = words;
  lastAt = performance.now();
  line.textContent = words;
}

// Says it only when the last words are a minute old: numbers that change all the time.
export function saySometimes(words) {
  if (performance.now() - lastAt >= QUIET_MS) say(words);
}

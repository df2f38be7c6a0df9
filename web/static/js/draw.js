// "Check my draw": works the visitor's own number out again, from what is on this page, and shows the steps.

import { canCheck, Draw, drawKey, halfBits, seedHash } from './draw_rule.js';

const check = document.querySelector('#check');
const verdict = check.querySelector('[data-fact="verdict"]');
const steps = check.querySelector('[data-fact="steps"]');
// Of a handful of entries hundreds of results are nobody's.
const WALKS_SHOWN = 3;
const count = (n) => Number(n).toLocaleString('en');

function step(words, code = '') {
  const item = document.createElement('li');
  item.append(words);
  if (code) {
    const shown = document.createElement('code');
    shown.textContent = code;
    item.append(' ', shown);
  }
  steps.append(item);
}

function say(words, kind) {
  verdict.className = `note ${kind}`;
  verdict.textContent = words;
  verdict.hidden = false;
}

async function work({ seed, seedHash: announced, beacon, size, number, weight, drawn }) {
  const found = await seedHash(seed);
  step(found === announced ? 'The seed has the hash that was published.' : 'The seed has ANOTHER hash than was published:', found);
  const key = await drawKey(seed, beacon, Number(size));
  step(`The key, from the seed, ${beacon ? `the beacon’s value ${beacon}` : 'no beacon'} and ${count(size)} entries:`, key);
  const draw = await Draw.of(key, Number(size));
  const [, own] = await draw.best(Number(number), Number(weight));
  if (Number(weight) > 1) step(`Of your ${weight} numbers, ${count(number)} to ${count(Number(number) + Number(weight) - 1)}, ${count(own)} was drawn best.`);
  step(`${Number(weight) > 1 ? 'That' : 'Your'} number less one, ${count(own - 1)}, in two halves of ${halfBits(Number(size))} bits, goes through ten rounds.`);
  let walks = 0;
  const result = await draw.drawn(own, ({ to, again }) => {
    walks += 1;
    if (!again && walks > WALKS_SHOWN + 1) step(`And so on, ${count(walks - WALKS_SHOWN - 1)} times more.`);
    if (again && walks <= WALKS_SHOWN) step(`That gives ${count(to)}, which nobody has: ten rounds again.`);
    if (!again) step(`That gives ${count(to)}.`);
  });
  step(`One more is your drawn number: ${count(result)}.`);
  steps.hidden = false;
  const right = found === announced && result === Number(drawn);
  if (right) say(`Your browser has worked it out: ${count(result)}. It is right.`, 'good');
  else say('Your browser comes to another result. Save this page and ask the organiser.', 'bad');
}

for (const spare of document.querySelectorAll('[data-without-script]')) spare.hidden = true;
if (canCheck()) work(check.dataset);
else say('Your browser works things like this out only on pages that came over a safe connection (https). Below is how to do it by hand.', '');

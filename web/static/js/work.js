// Where an event asks newcomers for a computation: does it in the background, shows how far it is, then joins.

import { post } from './post.js';
import { say } from './say.js';

const count = (n) => n.toLocaleString('en');

async function challengeOf(form) {
  const answer = await post(form.dataset.workUrl);
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return answer.json();
}

function solve({ challenge, bits }, tried) {
  return new Promise((done, failed) => {
    const worker = new Worker(new URL('./work_worker.js', import.meta.url), { type: 'module' });
    worker.onerror = () => failed(new Error('This browser does not compute in the background.'));
    worker.onmessage = ({ data }) => {
      tried(data.tried);
      if (!data.solution) return;
      worker.terminate();
      done(data.solution);
    };
    worker.postMessage({ challenge, bits });
  });
}

async function work(form) {
  const part = form.querySelector('[data-work]');
  const [bar, words, button] = [part.querySelector('progress'), part.querySelector('p'), form.querySelector('button')];
  part.hidden = false;
  button.setAttribute('aria-disabled', 'true');
  say('Your device is computing. You join by yourself when it is done.');
  try {
    const asked = await challengeOf(form);
    // Luck has no memory: the bar is the share of devices that would be done by now.
    const tried = (tries) => {
      bar.value = 1 - Math.exp(-tries / asked.expected_tries);
      words.textContent = `Your device is computing: ${count(tries)} tries so far, ${count(asked.expected_tries)} on average.`;
    };
    const solution = asked.bits ? await solve(asked, tried) : 'none';
    // The part of the page with the form may have been drawn anew meanwhile.
    const now = form.isConnected ? form : document.querySelector('form[data-work-url]');
    if (!now) return;
    now.elements.work.value = solution;
    now.requestSubmit();
  } catch (error) {
    delete form.dataset.working;
    button.removeAttribute('aria-disabled');
    words.textContent = `That did not work. ${error.message} Try again.`;
    say(words.textContent);
  }
}

// Before post.js sees it: a form that still has to compute is not sent yet.
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (!form.dataset.workUrl || form.elements.work.value) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (form.dataset.working) return;
  form.dataset.working = 'yes';
  work(form);
}, true);

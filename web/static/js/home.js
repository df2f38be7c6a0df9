// The front page: countdowns, and how long the queues are that are open now.

import { countDown } from './clock.js';
import { Watch } from './status.js';
import './suggest.js';

countDown();
document.addEventListener('over', () => setTimeout(() => location.reload(), 2000 + Math.random() * 3000), { once: true });
for (const card of document.querySelectorAll('[data-status]')) {
  new Watch(card.dataset.status, (status) => {
    const waiting = card.querySelector('[data-fact="waiting"]');
    if (status.waiting !== null) waiting.textContent = `${status.waiting.toLocaleString('en')} waiting`;
  }).start();
}

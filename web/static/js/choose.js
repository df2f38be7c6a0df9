// The choose page: the picture beside the list, the sum of what is picked, and what others take meanwhile.

import { availability } from './availability.js';
import { countDown } from './clock.js';
import { SeatPicture } from './seat_picture.js';
import { say, saySometimes } from './say.js';
import './post.js';

const form = document.querySelector('#seat-form');
countDown(say);
document.addEventListener('over', () => setTimeout(() => location.reload(), 1000));

function price(minor) {
  const money = new Intl.NumberFormat('en', { style: 'currency', currency: form.dataset.currency });
  return money.format(minor / 10 ** Number(form.dataset.digits));
}

function tell(boxes) {
  const picked = boxes.filter((box) => box.checked);
  const names = picked.map((box) => `${box.closest('fieldset').dataset.row}${box.dataset.seat}`).join(', ');
  const others = [...form.querySelectorAll('select[name="count"]')];
  const many = others.reduce((sum, one) => sum + Number(one.value), 0);
  const each = others.reduce((sum, one) => sum + Number(one.value) * Number(one.dataset.price), (picked.length - many) * Number(form.dataset.price));
  const words = many > picked.length ? `${many} tickets at other prices, and ${picked.length} picked: pick more seats.` : `${names}: ${price(each + (each ? Number(form.dataset.once) : 0))} together`;
  document.querySelector('#picked-words').textContent = picked.length ? words : `Pick up to ${form.dataset.most} seats, then take them.`;
  document.querySelector('#take').disabled = !picked.length || many > picked.length;
}

function show(view) {
  document.querySelector('#picture').hidden = view !== 'picture';
  document.querySelector('#seat-list').hidden = view !== 'list';
  for (const button of document.querySelectorAll('[data-view]')) button.setAttribute('aria-pressed', button.dataset.view === view);
  try { localStorage.setItem('seat-view', view); } catch { /* A private window keeps nothing; the picture comes first then. */ }
}

function seats() {
  const boxes = [...form.querySelectorAll('input[name="ticket"]')];
  const picture = new SeatPicture(document.querySelector('#seat-list'), document.querySelector('#picture'));
  const changed = (event) => {
    const picked = boxes.filter((box) => box.checked);
    if (event && picked.length > Number(form.dataset.most)) {
      event.target.checked = false;
      say(`${form.dataset.most} tickets are the most for one buyer.`);
    }
    picture.mark();
    tell(boxes);
  };
  form.addEventListener('change', (event) => event.target.name === 'ticket' && changed(event));
  form.addEventListener('change', (event) => event.target.name === 'count' && tell(boxes));
  for (const button of document.querySelectorAll('[data-view]')) button.addEventListener('click', () => show(button.dataset.view));
  document.querySelector('#view-switch').hidden = false;
  let kept = 'picture';
  try { kept = localStorage.getItem('seat-view') ?? kept; } catch { /* As above. */ }
  show(kept);
  changed();
  const { availability: url, live } = form.dataset;
  availability({ url, live, section: Number(form.dataset.section) }, (free) => {
    for (const [index, box] of boxes.entries()) {
      const taken = !free(index);
      if (taken && box.checked) {
        box.checked = false;
        say(`Row ${box.closest('fieldset').dataset.row}, seat ${box.dataset.seat} has just been taken.`);
      } else if (taken && !box.disabled) {
        saySometimes('Some seats have been taken.');
      }
      box.disabled = taken;
    }
    changed();
  });
}

if (form) seats();

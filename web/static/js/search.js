// The search page: suggestions, filters that apply as they are ticked, and the place of whoever asks.

import './suggest.js';

const PLACE_TIMEOUT_MS = 10_000;
// A hundredth of a degree is a kilometre: near enough, and the address does not say where somebody lives.
const DIGITS = 2;
const WIDE = matchMedia('(min-width: 56rem)');

const form = document.querySelector('#search');
const filters = document.querySelector('#filters');
const near = document.querySelector('#near');
// A hidden field is not reset with its form.
const there = near.value;

function open() {
  if (WIDE.matches) filters.open = true;
}
open();
WIDE.addEventListener('change', open);

// Empty fields do not belong into an address that is kept and shared.
form.addEventListener('submit', () => {
  for (const field of form.elements) {
    if (field.name && !field.value) field.disabled = true;
  }
});
// Back from the page that was found: the browser may show this one as it was left, and what is set is what the address
// says.
addEventListener('pageshow', ({ persisted }) => {
  if (persisted) {
    form.reset();
    near.value = there;
  }
  for (const field of form.elements) {
    if (field !== near || near.value) field.disabled = false;
  }
});
form.addEventListener('change', (event) => {
  // On a phone several filters are set before the list is looked at; beside it each one shows at once.
  if (event.target.name === 'sort' || (WIDE.matches && event.target.matches('[type="checkbox"], [type="radio"], [type="date"]'))) form.requestSubmit();
});

const button = document.querySelector('#near-me');
if (navigator.geolocation && isSecureContext) button.parentElement.hidden = false;
button.addEventListener('click', () => {
  const says = document.querySelector('#near-error');
  says.hidden = true;
  button.disabled = true;
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      near.disabled = false;
      near.value = `${coords.latitude.toFixed(DIGITS)},${coords.longitude.toFixed(DIGITS)}`;
      form.elements.sort.add(new Option('Distance', 'distance', false, true));
      form.requestSubmit();
    },
    () => {
      button.disabled = false;
      says.hidden = false;
      says.textContent = 'Your browser does not say where you are. Type a city instead.';
    },
    { timeout: PLACE_TIMEOUT_MS, maximumAge: 600_000 },
  );
});

// Fills in the code that came in the link's fragment, and takes it out of the address: no history or screenshot keeps it.

import './post.js';

const field = document.querySelector('#code');
const code = decodeURIComponent(location.hash.slice(1));
if (code && field) {
  field.value = code;
  history.replaceState(null, '', location.pathname);
  document.querySelector('form button.big')?.focus();
}

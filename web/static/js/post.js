// Forms: ask before what cannot be undone, never send twice, and send from a script with the same protection.

const token = () => document.querySelector('meta[name="csrf-token"]')?.content ?? '';

export function post(url) {
  return fetch(url, { method: 'POST', headers: { 'X-CSRFToken': token() }, credentials: 'same-origin', redirect: 'manual' });
}

document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  if (form.method !== 'post') return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = 'yes';
  // After the browser has read the pressed button's own value.
  setTimeout(() => form.querySelectorAll('button').forEach((button) => button.setAttribute('aria-disabled', 'true')));
});

// The page came back from the browser's memory: its forms work again.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) document.querySelectorAll('form[data-sent]').forEach((form) => delete form.dataset.sent);
});

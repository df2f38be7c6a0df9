// The payment provider's own form (Stripe's Payment Element): cards and wallets. What is typed there never comes here;
// the form of this page is sent with the name that the provider gave it.

import { say } from './say.js';

const AWAY = 'The payment form could not be loaded. Check that nothing blocks js.stripe.com, and load this page again.';

let loading;

// Loads the provider's script, once, and not before there is something to pay.
function provider() {
  loading ??= new Promise((done) => {
    const script = document.createElement('script');
    script.src = document.querySelector('#pay-js').dataset.provider;
    script.onload = script.onerror = () => done(window.Stripe);
    document.head.append(script);
  });
  return loading;
}

function tell(form, words) {
  form.querySelector('#pay-problem').textContent = words;
  form.querySelector('#pay-problem').hidden = !words;
  if (words) say(words);
}

async function mount() {
  const form = document.querySelector('#pay-form');
  if (!form || form.dataset.mounted) return;
  form.dataset.mounted = 'yes';
  const Stripe = await provider();
  if (!form.isConnected) return;
  if (!Stripe) {
    tell(form, AWAY);
    return;
  }
  const button = form.querySelector('button');
  const stripe = Stripe(form.dataset.key);
  const elements = stripe.elements({
    mode: 'payment',
    amount: Number(form.dataset.amount),
    currency: form.dataset.currency,
    captureMethod: form.dataset.capture,
    paymentMethodCreation: 'manual',
    allowedPaymentMethodTypes: form.dataset.methods.split(' '),
    appearance: { theme: matchMedia('(prefers-color-scheme: dark)').matches ? 'night' : 'stripe' },
  });
  const element = elements.create('payment');
  element.on('ready', () => { button.disabled = false; });
  element.on('loaderror', () => tell(form, AWAY));
  element.mount('#payment-element');

  form.addEventListener('submit', async (event) => {
    const named = form.elements.payment_method;
    if (named.value) return;
    // Not this time: first the provider gives what was typed a name.
    event.preventDefault();
    event.stopPropagation();
    if (button.disabled) return;
    button.disabled = true;
    tell(form, '');
    const name = await nameOf(stripe, elements).catch(() => ({ problem: AWAY }));
    button.disabled = false;
    if (name.problem) {
      tell(form, name.problem);
      return;
    }
    named.value = name.id;
    // A browser ignores a second submission while the first one's event is still going its rounds.
    setTimeout(() => form.requestSubmit(button));
  });
}

async function nameOf(stripe, elements) {
  const checked = await elements.submit();
  if (checked.error) return { problem: checked.error.message };
  const made = await stripe.createPaymentMethod({ elements });
  return made.error ? { problem: made.error.message } : { id: made.paymentMethod.id };
}

mount();
// The page's part was drawn anew (a declined card: the form is there again).
document.addEventListener('drawn', mount);

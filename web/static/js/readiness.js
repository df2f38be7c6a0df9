// What only the browser knows of being ready: whether its clock is right and whether it may notify.

import { skewMs } from './clock.js';

const CLOCK_OFF_MS = 60_000;

function line(name, ok, words) {
  const element = document.querySelector(`[data-ready="${name}"]`);
  if (!element) return null;
  element.hidden = false;
  element.classList.toggle('ok', ok);
  element.querySelector('[data-words]').textContent = words;
  element.querySelector('[data-mark]').textContent = ok ? 'Ready: ' : 'To do: ';
  return element;
}

function clock() {
  const off = Math.abs(skewMs);
  const minutes = Math.round(off / 60_000);
  line('clock', off < CLOCK_OFF_MS, off < CLOCK_OFF_MS ? 'The clock of this device is right'
    : `The clock of this device is about ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} off. The times on this page are right all the same; let the device set its clock by itself.`);
}

function notifications() {
  if (!('Notification' in window)) return;
  const words = {
    granted: 'This browser tells you when it is your turn',
    denied: 'Notifications are blocked for this site; its settings in your browser can allow them',
    default: 'Let this browser tell you when it is your turn, also from another tab',
  };
  const element = line('notify', Notification.permission === 'granted', words[Notification.permission]);
  const button = element?.querySelector('button');
  if (!button) return;
  button.hidden = Notification.permission !== 'default';
  button.onclick = async () => { await Notification.requestPermission(); notifications(); };
}

export function showReadiness() {
  clock();
  notifications();
}

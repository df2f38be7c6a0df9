// The server's time, and countdowns to it: a phone's clock may be minutes off, a deadline may not.

const told = document.querySelector('meta[name="now"]');
const skew = told ? Date.parse(told.content) - Date.now() : 0;
const WARN_AT_SECONDS = [120, 30];

// How much this device's clock is behind.
export const skewMs = skew;

export const now = () => Date.now() + skew;

export function apart(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, '0');
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

function write(element, say) {
  const seconds = (Date.parse(element.dateTime) - now()) / 1000;
  const until = element.dataset.countdown === 'until';
  if (!element.dataset.words) element.dataset.words = element.textContent;
  if (seconds <= 0) {
    element.textContent = until ? `${element.dataset.words} (time is up)` : 'now';
    if (!element.dataset.over) {
      element.dataset.over = 'yes';
      element.dispatchEvent(new CustomEvent('over', { bubbles: true }));
    }
    return;
  }
  element.textContent = until ? `${element.dataset.words} (${apart(seconds)} left)` : `in ${apart(seconds)}`;
  element.classList.toggle('late', until && seconds < 60);
  const warned = WARN_AT_SECONDS.find((at) => seconds <= at && seconds > at - 1.5 && until);
  if (warned && element.dataset.warned !== String(warned)) {
    element.dataset.warned = String(warned);
    say(`${apart(seconds)} left.`);
  }
}

// Writes every countdown of the page once a second; `say` announces the last warnings.
export function countDown(say = () => {}) {
  const tick = () => document.querySelectorAll('time[data-countdown]').forEach((element) => write(element, say));
  tick();
  setInterval(tick, 1000);
}

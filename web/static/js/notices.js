// What the organiser says: fetched once from everybody's document when the status has new words.

const TIMEOUT_MS = 10_000;
const SPREAD_MS = 2_000;

function item(notice) {
  const element = document.createElement('li');
  const at = document.createElement('time');
  at.dateTime = notice.at;
  at.textContent = `${new Date(notice.at).toISOString().slice(11, 16)} UTC`;
  element.append(at, ` ${notice.words}`);
  return element;
}

// Draws the last notices; the caller says the newest aloud.
export async function drawNotices() {
  const place = document.querySelector('[data-fact="notices"]');
  if (!place) return;
  await new Promise((done) => { setTimeout(done, SPREAD_MS * Math.random()); });
  try {
    const answer = await fetch(place.dataset.url, { credentials: 'omit', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) return;
    const { notices } = await answer.json();
    const before = notices.filter((one) => !one.current);
    place.hidden = !before.length;
    place.querySelector('ol').replaceChildren(...before.map(item));
    const current = notices.find((one) => one.current);
    const at = document.querySelector('[data-fact="notice-at"]');
    if (at) at.textContent = current ? `said at ${new Date(current.at).toISOString().slice(11, 16)} UTC` : '';
  } catch {
    // The words themselves are in the status; only their history is missing.
  }
}

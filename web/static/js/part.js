// One part of the page, kept equal to what the server would draw: words are written in one place only.

const TIMEOUT_MS = 10_000;

// Fetches this page again and puts its `selector` in place of ours. Returns the new element, or null when that failed.
export async function refresh(selector, url = location.href) {
  try {
    const answer = await fetch(url, { credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) return null;
    if (answer.redirected && new URL(answer.url).pathname !== new URL(url, location.href).pathname) {
      location.assign(answer.url);
      return null;
    }
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const [ours, theirs] = [document.querySelector(selector), page.querySelector(selector)];
    if (!ours || !theirs) return null;
    return swap(ours, theirs);
  } catch {
    return null;
  }
}

function swap(ours, theirs) {
  const focused = ours.contains(document.activeElement) ? document.activeElement.id : '';
  const element = document.importNode(theirs, true);
  ours.replaceWith(element);
  if (focused) document.getElementById(focused)?.focus();
  return element;
}

// Only asks what the server has now, without touching the page: for deciding whether to swap.
export async function look(selector, url = location.href) {
  const answer = await fetch(url, { credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector(selector);
}

export { swap };

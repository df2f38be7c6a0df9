// What may be meant, under every search box: an ARIA combobox. Without it the form searches all the same.

const WAIT_MS = 120;
const TIMEOUT_MS = 3_000;
const LETTERS_MIN = 2;
const KIND_WORDS = { artist: 'Artist', event: 'Show', venue: 'Venue', city: 'City' };

class Suggest {
  #box;
  #list = document.createElement('ul');
  #found = [];
  #at = -1;
  #timer = 0;
  #asking = null;

  constructor(box) {
    this.#box = box;
    this.#list.id = `${box.id}-suggestions`;
    this.#list.className = 'suggestions';
    this.#list.setAttribute('role', 'listbox');
    this.#list.setAttribute('aria-label', 'Suggestions');
    this.#list.hidden = true;
    box.after(this.#list);
    for (const [name, value] of Object.entries({ role: 'combobox', 'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': this.#list.id })) {
      box.setAttribute(name, value);
    }
    box.addEventListener('input', () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ask(), WAIT_MS);
    });
    box.addEventListener('keydown', (event) => this.#pressed(event));
    box.addEventListener('blur', () => this.#show([]));
    // Before the box loses its focus, and the list with it.
    this.#list.addEventListener('pointerdown', (event) => event.preventDefault());
    this.#list.addEventListener('click', (event) => {
      const row = event.target.closest('li');
      if (row) this.#go([...this.#list.children].indexOf(row));
    });
  }

  async #ask() {
    const typed = this.#box.value.trim();
    this.#asking?.abort();
    if (typed.length < LETTERS_MIN) {
      this.#show([]);
      return;
    }
    this.#asking = new AbortController();
    const signal = AbortSignal.any([this.#asking.signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const answer = await fetch(`${this.#box.dataset.suggest}?q=${encodeURIComponent(typed)}`, { credentials: 'omit', signal });
      const found = answer.ok ? (await answer.json()).suggestions : [];
      // An older answer must not replace what is typed now.
      if (typed === this.#box.value.trim() && document.activeElement === this.#box) this.#show(found);
    } catch {
      // The form searches without suggestions.
    }
  }

  #show(found) {
    clearTimeout(this.#timer);
    this.#found = found;
    this.#at = -1;
    this.#list.replaceChildren(...found.map((one, index) => this.#row(one, index)));
    this.#list.hidden = !found.length;
    this.#box.setAttribute('aria-expanded', String(found.length > 0));
    this.#box.removeAttribute('aria-activedescendant');
  }

  #row(one, index) {
    const row = document.createElement('li');
    row.id = `${this.#list.id}-${index}`;
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', 'false');
    const words = document.createElement('span');
    words.append(...one.parts.map((part) => {
      const piece = document.createElement(part.marked ? 'b' : 'span');
      piece.textContent = part.text;
      return piece;
    }));
    const kind = document.createElement('span');
    kind.className = 'kind';
    kind.textContent = KIND_WORDS[one.kind];
    row.append(words, kind);
    return row;
  }

  #pressed(event) {
    if (event.key === 'Escape' && this.#found.length) {
      event.preventDefault();
      this.#show([]);
    } else if (event.key === 'Enter' && this.#at >= 0) {
      event.preventDefault();
      this.#go(this.#at);
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && this.#found.length) {
      event.preventDefault();
      this.#mark(this.#at + (event.key === 'ArrowDown' ? 1 : -1));
    }
  }

  // Round and round: from the last to the first.
  #mark(at) {
    this.#at = (at + this.#found.length) % this.#found.length;
    for (const [index, row] of [...this.#list.children].entries()) row.setAttribute('aria-selected', String(index === this.#at));
    this.#box.setAttribute('aria-activedescendant', this.#list.children[this.#at].id);
  }

  #go(at) {
    const one = this.#found[at];
    this.#show([]);
    if (one.event_id !== null) {
      location.assign(`/events/${one.event_id}`);
      return;
    }
    const place = one.kind === 'venue' || one.kind === 'city';
    location.assign(`${this.#box.form.action.split('?')[0]}?${new URLSearchParams({ [place ? 'location' : 'q']: one.text })}`);
  }
}

for (const box of document.querySelectorAll('[data-suggest]')) new Suggest(box);

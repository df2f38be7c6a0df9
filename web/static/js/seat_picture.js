// Draws a section's seats from the checkboxes of the list; both always say the same.

const SVG = 'http://www.w3.org/2000/svg';
const STEP = 24;
const RADIUS = 8;
const NAMES_WIDTH = 34;

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export class SeatPicture {
  // `list` holds one fieldset per row with a checkbox per seat; `room` is where the picture goes.
  constructor(list, room) {
    this.rows = [...list.querySelectorAll('fieldset')].map((row) => ({ name: row.dataset.row, boxes: [...row.querySelectorAll('input')] }));
    this.marks = new Map();
    this.longest = Math.max(...this.rows.map((row) => row.boxes.length));
    room.replaceChildren(this.draw());
    this.current = this.rows[0].boxes[0];
    this.mark();
    room.addEventListener('keydown', (event) => this.move(event));
    room.addEventListener('click', (event) => this.toggle(this.boxOf(event.target)));
  }

  draw() {
    const width = this.longest * STEP + 2 * NAMES_WIDTH;
    const height = (this.rows.length + 1.5) * STEP;
    const picture = element('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'group', 'aria-label': 'Seats of this section; the front row is at the top' });
    const towards = element('text', { x: width / 2, y: STEP * 0.5 });
    towards.textContent = 'towards the stage';
    picture.append(towards);
    this.rows.forEach((row, line) => {
      const y = (line + 1.6) * STEP;
      const left = NAMES_WIDTH + ((this.longest - row.boxes.length) * STEP) / 2;
      for (const x of [NAMES_WIDTH / 2, width - NAMES_WIDTH / 2]) {
        const name = element('text', { x, y });
        name.textContent = row.name;
        picture.append(name);
      }
      row.boxes.forEach((box, index) => {
        const seat = element('circle', { cx: left + (index + 0.5) * STEP, cy: y, r: RADIUS, role: 'checkbox', tabindex: -1 });
        this.marks.set(box, seat);
        seat.box = box;
        picture.append(seat);
      });
    });
    return picture;
  }

  boxOf(target) { return target.box ?? null; }

  toggle(box) {
    if (!box || box.disabled) return;
    this.current = box;
    box.checked = !box.checked;
    box.dispatchEvent(new Event('change', { bubbles: true }));
  }

  // Draws every seat as its checkbox is now.
  mark() {
    for (const row of this.rows) {
      for (const box of row.boxes) {
        const seat = this.marks.get(box);
        seat.setAttribute('class', `seat${box.disabled ? ' taken' : box.checked ? ' mine' : ''}`);
        seat.setAttribute('aria-checked', box.checked);
        seat.setAttribute('aria-disabled', box.disabled);
        seat.setAttribute('aria-label', `Row ${row.name}, seat ${box.dataset.seat}${box.disabled ? ', taken' : ''}`);
        seat.setAttribute('tabindex', box === this.current ? 0 : -1);
      }
    }
  }

  // Arrow keys walk from seat to seat, space and enter pick.
  move(event) {
    const line = this.rows.findIndex((row) => row.boxes.includes(this.current));
    const at = this.rows[line].boxes.indexOf(this.current);
    const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (event.key === ' ' || event.key === 'Enter') {
      event.preventDefault();
      this.toggle(this.current);
    } else if (down !== undefined) {
      event.preventDefault();
      const row = this.rows[Math.min(Math.max(line + down, 0), this.rows.length - 1)];
      this.current = row.boxes[Math.min(Math.max(at + across, 0), row.boxes.length - 1)];
      this.mark();
      this.marks.get(this.current).focus();
    }
  }
}

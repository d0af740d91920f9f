// The list of messages: only the rows that are in view are in the document, however many there are.
// Its place in the list names a row; pages of rows come from the server as markup, and go again.

const HEIGHT = 76;
const PAGE = 50;
const AROUND = 12;

export class List {
  constructor({ rows, scroller, fetchRows, prepare, changed }) {
    Object.assign(this, { rows, scroller, fetchRows, prepare, changed });
    this.isCounted = "total" in rows.dataset;
    this.total = Number(rows.dataset.total ?? rows.children.length + PAGE);
    this.pages = new Map();
    this.loading = new Map();
    this.generation = 0;
    this.picked = new Set();
    this.at = -1;
    this.open = rows.querySelector("[aria-current]")?.dataset.id ?? null;
    const first = [...rows.querySelectorAll(".row")];
    rows.replaceChildren();
    rows.classList.add("windowed");
    if (first.length > 0 && !rows.dataset.before) this.pages.set(0, this.take(first));
    this.lay();
    this.show();
    if (!this.isCounted) this.count();
    let waits = false;
    scroller.addEventListener("scroll", () => {
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => { waits = false; this.show(); });
    }, { passive: true });
    new ResizeObserver(() => this.show()).observe(scroller);
  }

  // Rows that came, ready to be shown. One that is as it was is the same element as before, so
  // that nothing is taken away from under a click.
  take(rows, known = new Map()) {
    return rows.map((row) => {
      const markup = row.outerHTML;
      const own = known.get(row.dataset.id);
      if (own?.markup === markup) return own;
      row.markup = markup;
      this.prepare([row]);
      return row;
    });
  }

  lay() {
    this.rows.style.height = `${this.total * HEIGHT}px`;
  }

  // The places of the first and the last row in view, with some around them.
  range() {
    const top = Math.max(0, this.scroller.scrollTop - this.rows.offsetTop);
    const first = Math.max(0, Math.floor(top / HEIGHT) - AROUND);
    const last = Math.min(this.total, Math.ceil((top + this.scroller.clientHeight) / HEIGHT) + AROUND);
    return [first, last];
  }

  // Puts the rows that are in view into the document, and asks for those that are not here.
  show() {
    const [first, last] = this.range();
    const wanted = [];
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) {
      const rows = this.pages.get(page);
      if (rows) rows.forEach((row, place) => wanted.push([page * PAGE + place, row]));
      else this.load(page);
    }
    for (const page of [...this.pages.keys()]) {
      if ((page + 2) * PAGE < first || (page - 1) * PAGE > last) this.pages.delete(page);
    }
    const seen = wanted.filter(([place]) => place >= first && place < last);
    const kept = new Set(seen.map(([, row]) => row));
    for (const row of [...this.rows.children]) if (!kept.has(row)) row.remove();
    for (const [place, row] of seen) {
      row.style.top = `${place * HEIGHT}px`;
      row.dataset.place = place;
      row.setAttribute("aria-posinset", place + 1);
      row.setAttribute("aria-setsize", this.total);
      row.classList.toggle("at", place === this.at);
      row.toggleAttribute("aria-current", row.dataset.id === this.open);
      if (row.dataset.id === this.open) row.setAttribute("aria-current", "true");
      row.querySelector(".pick").checked = this.picked.has(row.dataset.id);
      if (!row.isConnected) this.rows.append(row);
    }
  }

  // A list that nobody counted yet is as long as its last page, and one more while there may be.
  grow(page, found) {
    if (this.isCounted) return;
    const seen = page * PAGE + found + (found === PAGE ? PAGE : 0);
    if (found < PAGE ? seen === this.total : seen <= this.total) return;
    this.total = seen;
    this.lay();
  }

  async load(page) {
    if (this.loading.has(page)) return this.loading.get(page);
    const turn = this.generation;
    const before = this.pages.get(page - 1)?.at(-1)?.dataset.number;
    const asked = before ? { before } : { skip: page * PAGE };
    const loaded = this.fetchRows(asked).then((found) => {
      if (turn !== this.generation) return;
      this.pages.set(page, this.take(found.rows));
      this.grow(page, found.rows.length);
      this.show();
    }).finally(() => this.loading.delete(page));
    this.loading.set(page, loaded);
    return loaded;
  }

  // Counts what a search finds, which may take longer than its first rows.
  async count() {
    if (this.counting) { this.recount = true; return; }
    this.counting = true;
    try {
      do {
        this.recount = false;
        const turn = this.generation;
        const found = await this.fetchRows({ count: true });
        if (turn !== this.generation) { this.recount = true; continue; }
        // Of very many nobody knows how many there are; the list grows as one scrolls.
        if (found.total === null) break;
        this.isCounted = true;
        this.total = found.total;
        this.lay();
        this.show();
        this.changed(found);
      } while (this.recount);
    } finally {
      this.counting = false;
    }
  }

  // Asks anew for all that is in view, in one go while it is asked already.
  async reload() {
    if (this.reloading) { this.again = true; return; }
    this.reloading = true;
    try {
      do {
        this.again = false;
        const [first, last] = this.range();
        const fresh = new Map();
        const newest = await this.fetchRows({ skip: 0 });
        fresh.set(0, newest.rows);
        const isCounted = newest.total !== null;
        if (!isCounted) newest.total = Math.max(this.total, newest.rows.length);
        const grown = newest.total - this.total;
        const scrolled = this.scroller.scrollTop > HEIGHT && grown > 0;
        const shift = scrolled ? grown : 0;
        const from = Math.floor((first + shift) / PAGE);
        for (let page = Math.max(1, from); page * PAGE < last + shift; page++) {
          fresh.set(page, (await this.fetchRows({ skip: page * PAGE })).rows);
        }
        this.generation += 1;
        this.total = newest.total;
        const known = new Map([...this.pages.values()].flat().map((row) => [row.dataset.id, row]));
        this.pages = new Map([...fresh].map(([page, rows]) => [page, this.take(rows, known)]));
        this.lay();
        if (shift > 0) this.scroller.scrollTop += shift * HEIGHT;
        if (this.at >= 0 && grown > 0) this.at += grown;
        this.at = Math.min(this.at, this.total - 1);
        this.show();
        if (isCounted) this.changed(newest);
        else this.count();
      } while (this.again);
    } finally {
      this.reloading = false;
    }
  }

  row(id) {
    for (const rows of this.pages.values()) {
      const found = rows.find((row) => row.dataset.id === id);
      if (found) return found;
    }
    return null;
  }

  // The row at a place, once it is here.
  async place(at) {
    const page = Math.floor(at / PAGE);
    if (!this.pages.has(page)) await this.load(page);
    return this.pages.get(page)?.[at % PAGE] ?? null;
  }

  move(to) {
    this.at = Math.max(0, Math.min(this.total - 1, to));
    const top = this.rows.offsetTop + this.at * HEIGHT;
    const { scrollTop, clientHeight } = this.scroller;
    // What is above the list stays in view, and covers some of it.
    if (top - this.rows.offsetTop < scrollTop) this.scroller.scrollTop = top - this.rows.offsetTop;
    if (top + HEIGHT > scrollTop + clientHeight) this.scroller.scrollTop = top + HEIGHT - clientHeight;
    this.show();
  }

  pick(id, picked) {
    if (picked) this.picked.add(id);
    else this.picked.delete(id);
    this.show();
  }
}

// The pages of the sandbox: live, by keyboard, without a reload. They work without this module.

const main = document.querySelector("main.split");
const policy = globalThis.trustedTypes?.createPolicy("mailwright", { createHTML: (text) => text })
  ?? { createHTML: (text) => text };

// Markup comes from our own server alone, which escapes all that a message says.
function fragment(text) {
  const template = document.createElement("template");
  template.innerHTML = policy.createHTML(text);
  return template.content;
}

function showTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = at.toLocaleString();
    time.textContent = at.toDateString() === today
      ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })
      : at.toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  }
}

showTimes(document);
if (main) inbox();

function inbox() {
  const name = main.dataset.inbox;
  const query = main.dataset.query;
  const base = `/inbox/${encodeURIComponent(name)}`;
  const api = `/api/inboxes/${encodeURIComponent(name)}`;
  const rows = document.getElementById("rows");
  const pane = document.getElementById("pane");
  const live = document.getElementById("live");
  const list = document.querySelector(".list");
  let unread = Number(main.dataset.unread);
  let at = rows.querySelector("[aria-current]");

  const title = () => { document.title = unread > 0 ? `(${unread}) ${name}` : name; };
  const all = () => [...rows.querySelectorAll(".row")];

  async function ask(path, options) {
    const answer = await fetch(path, options);
    if (!answer.ok) {
      live.textContent = `${answer.status} ${answer.statusText}`;
      throw new Error(`${path}: ${answer.status}`);
    }
    return answer;
  }

  function setRead(row, read) {
    if (!row || row.classList.contains("unread") === !read) return;
    row.classList.toggle("unread", !read);
    unread = Math.max(0, unread + (read ? -1 : 1));
    title();
  }

  function move(row) {
    at?.classList.remove("at");
    at = row;
    at?.classList.add("at");
    at?.scrollIntoView({ block: "nearest" });
  }

  let opening = 0;
  async function open(row) {
    const turn = ++opening;
    move(row);
    const id = row.dataset.id;
    const answer = await ask(`${base}/message/${id}`);
    const text = await answer.text();
    if (turn !== opening) return;
    pane.replaceChildren(fragment(text));
    showTimes(pane);
    pane.scrollTop = 0;
    main.classList.add("reading");
    for (const one of rows.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    row.setAttribute("aria-current", "true");
    setRead(row, true);
    const place = new URLSearchParams({ message: id });
    if (query) place.set("query", query);
    history.replaceState(null, "", `${base}?${place}`);
  }

  function close() {
    main.classList.remove("reading");
    for (const one of rows.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    history.replaceState(null, "", query ? `${base}?${new URLSearchParams({ query })}` : base);
  }

  async function remove(some) {
    for (const row of some) {
      await ask(`/api/messages/${row.dataset.id}`, { method: "DELETE" });
      drop(row);
    }
  }

  function drop(row) {
    if (!row.isConnected) return;
    setRead(row, true);
    if (row === at) move(row.nextElementSibling ?? row.previousElementSibling);
    if (row.hasAttribute("aria-current")) {
      pane.replaceChildren();
      close();
    }
    row.remove();
  }

  // Older rows come when the end of the list comes into view.
  let loading = false;
  async function older() {
    const more = document.getElementById("more");
    if (!more || loading) return;
    loading = true;
    try {
      const asked = new URLSearchParams({ before: more.dataset.before, query });
      const answer = await ask(`${base}/rows?${asked}`);
      const some = answer.status === 204 ? null : fragment(await answer.text());
      const next = some?.querySelector(".next");
      next?.remove();
      if (some) {
        showTimes(some);
        rows.append(some);
      }
      if (next) more.dataset.before = next.dataset.before;
      else more.remove();
    } finally {
      loading = false;
    }
  }
  const end = document.getElementById("more");
  if (end) {
    new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) older();
    }, { root: list, rootMargin: "600px" }).observe(end);
    end.addEventListener("click", (event) => { event.preventDefault(); older(); });
  }

  // New rows: the newest page is asked for, and what is not here yet is put on top.
  let fetching = false, again = false;
  async function newer() {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      do {
        again = false;
        const answer = await ask(`${base}/rows?${new URLSearchParams({ query })}`);
        if (answer.status === 204) break;
        const some = fragment(await answer.text());
        some.querySelector(".next")?.remove();
        showTimes(some);
        const newest = Math.max(0, ...all().map((row) => Number(row.dataset.number)));
        const fresh = [...some.querySelectorAll(".row")]
          .filter((row) => Number(row.dataset.number) > newest);
        unread += fresh.filter((row) => row.classList.contains("unread")).length;
        rows.prepend(...fresh);
        if (fresh.length > 0) document.getElementById("empty")?.remove();
        title();
      } while (again);
    } finally {
      fetching = false;
    }
  }

  const source = new EventSource(`${api}/events`);
  let wasOpen = false;
  source.addEventListener("open", () => {
    live.textContent = "Live";
    if (wasOpen) newer();
    wasOpen = true;
  });
  source.addEventListener("error", () => { live.textContent = "Not connected"; });
  source.addEventListener("new", () => newer());
  source.addEventListener("reload", () => location.reload());
  source.addEventListener("end", () => { source.close(); live.textContent = "This inbox is gone"; });
  source.addEventListener("gone", (event) => {
    const gone = new Set(JSON.parse(event.data).numbers);
    for (const row of all()) if (gone.has(Number(row.dataset.number))) drop(row);
  });

  rows.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link.closest(".row"));
  });

  pane.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const id = pane.querySelector(".message")?.dataset.id;
    const row = rows.querySelector(`[data-id="${CSS.escape(id ?? "")}"]`);
    if (button.classList.contains("back")) close();
    if (button.classList.contains("width")) {
      pane.querySelector("iframe").className = button.dataset.width;
    }
    if (button.classList.contains("unread-one")) {
      await ask(`/api/messages/${id}`, {
        method: "PATCH",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ read: false }),
      });
      setRead(row, false);
    }
    if (button.classList.contains("delete-one")) {
      if (row) await remove([row]);
      else {
        await ask(`/api/messages/${id}`, { method: "DELETE" });
        pane.replaceChildren();
        close();
      }
    }
  });

  document.getElementById("inbox").addEventListener("change", (event) => {
    location.href = `/inbox/${encodeURIComponent(event.target.value)}`;
  });
  document.getElementById("read-all").addEventListener("click", async () => {
    await ask(`${api}/messages?${new URLSearchParams({ query })}`, {
      method: "PATCH",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ read: true }),
    });
    for (const row of all()) setRead(row, true);
  });
  document.getElementById("delete-all").addEventListener("click", async () => {
    if (!confirm(query ? "Delete all messages that match?" : "Delete all messages of this inbox?")) return;
    await ask(`${api}/messages?${new URLSearchParams({ query })}`, { method: "DELETE" });
    location.href = base;
  });
  const keys = document.getElementById("keys");
  document.getElementById("help").addEventListener("click", () => keys.showModal());

  const steps = {
    j: () => move(at ? at.nextElementSibling ?? at : all()[0]),
    k: () => move(at ? at.previousElementSibling ?? at : all()[0]),
    o: () => at && open(at),
    Enter: () => at && open(at),
    u: () => close(),
    x: () => {
      const pick = at?.querySelector(".pick");
      if (pick) pick.checked = !pick.checked;
    },
    "#": () => {
      const picked = all().filter((row) => row.querySelector(".pick").checked);
      const some = picked.length > 0 ? picked : at ? [at] : [];
      remove(some);
    },
    "/": () => document.querySelector(".search input").focus(),
    "?": () => keys.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, button, a")
      && !(event.target.closest("a") && event.key !== "Enter")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  });
  title();
}

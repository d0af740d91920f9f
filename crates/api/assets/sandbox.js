// The pages of the sandbox: live, by keyboard, without a reload. They work without this module.

import { List } from "./list.js";
import { palette } from "./palette.js";

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

const theme = localStorage.getItem("theme");
if (theme) document.documentElement.dataset.theme = theme;
function toggleTheme() {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const own = document.documentElement.dataset.theme ?? (isDark ? "dark" : "light");
  const next = own === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
}

// Puts lines that are to be copied on the clipboard; where that may not be, they are selected.
async function copy(button) {
  const lines = button.parentElement.querySelector("pre");
  getSelection().selectAllChildren(lines);
  try {
    await navigator.clipboard.writeText(lines.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Selected";
  }
}

document.getElementById("theme")?.addEventListener("click", toggleTheme);
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => copy(button));
}
if (main) inbox();
showTimes(document);

function inbox() {
  const name = main.dataset.inbox;
  const query = main.dataset.query;
  const base = `/inbox/${encodeURIComponent(name)}`;
  const api = `/api/inboxes/${encodeURIComponent(name)}`;
  const pane = document.getElementById("pane");
  const live = document.getElementById("live");
  const bulk = document.getElementById("bulk");
  let unread = Number(main.dataset.unread);

  const title = () => {
    const shown = query ? `${name}: ${query}` : name;
    document.title = unread > 0 ? `(${unread}) ${shown}` : shown;
  };
  const say = (text, isOn = false) => {
    live.textContent = text;
    live.title = text;
    live.classList.toggle("on", isOn);
  };

  const number = (text) => (text === null ? null : Number(text));

  async function ask(path, options) {
    const answer = await fetch(path, options);
    if (answer.status === 401) location.reload();
    if (!answer.ok) {
      say(`${answer.status} ${answer.statusText}`);
      throw new Error(`${path}: ${answer.status}`);
    }
    return answer;
  }
  const send = (method, path, body) => ask(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

  const list = new List({
    rows: document.getElementById("rows"),
    scroller: document.querySelector(".list"),
    async fetchRows(asked) {
      const answer = await ask(`${base}/rows?${new URLSearchParams({ query, ...asked })}`);
      const rows = [...fragment(await answer.text()).querySelectorAll(".row")];
      return {
        rows,
        total: number(answer.headers.get("Mailwright-Total")),
        unread: number(answer.headers.get("Mailwright-Unread")),
      };
    },
    prepare(rows) { for (const row of rows) showTimes(row); },
    changed(found) {
      unread = found.unread;
      document.getElementById("empty")?.toggleAttribute("hidden", found.total > 0);
      document.getElementById("count").textContent = String(found.total);
      document.getElementById("counted").textContent = found.total === 1 ? "message" : "messages";
      title();
    },
  });
  document.getElementById("more")?.remove();

  function setRead(row, read) {
    if (!row || row.classList.contains("unread") === !read) return;
    row.classList.toggle("unread", !read);
    unread = Math.max(0, unread + (read ? -1 : 1));
    title();
  }

  function showPicked() {
    bulk.hidden = list.picked.size === 0;
    document.getElementById("all").hidden = list.picked.size > 0;
    document.getElementById("picked").textContent = `${list.picked.size} selected`;
  }

  let opening = 0;
  async function open(row) {
    if (!row) return;
    const turn = ++opening;
    const id = row.dataset.id;
    list.at = Number(row.dataset.place);
    const text = await (await ask(`${base}/message/${id}`)).text();
    if (turn !== opening) return;
    pane.replaceChildren(fragment(text));
    showTimes(pane);
    pane.scrollTop = 0;
    main.classList.add("reading");
    list.open = id;
    setRead(row, true);
    list.show();
    const place = new URLSearchParams({ message: id });
    if (query) place.set("query", query);
    history.replaceState(null, "", `${base}?${place}`);
  }

  function close() {
    main.classList.remove("reading");
    list.open = null;
    list.show();
    history.replaceState(null, "", query ? `${base}?${new URLSearchParams({ query })}` : base);
  }

  async function remove(ids) {
    if (ids.length === 0) return;
    await send("DELETE", `/api/v1/messages?${new URLSearchParams({ inbox: name })}`, { IDs: ids });
    for (const id of ids) list.picked.delete(id);
    if (ids.includes(list.open)) {
      pane.replaceChildren();
      close();
    }
    showPicked();
    await list.reload();
  }

  const chosen = async () => {
    if (list.picked.size > 0) return [...list.picked];
    if (list.at < 0) return list.open ? [list.open] : [];
    const row = await list.place(list.at);
    return row ? [row.dataset.id] : [];
  };

  // Live: what happened is asked for anew, in one go while much happens.
  const source = new EventSource(`${api}/events`);
  source.addEventListener("open", () => {
    say("Live", true);
    // What came since the page was made, or since the connection broke, was told to nobody.
    list.reload();
  });
  source.addEventListener("error", () => say("Not connected"));
  for (const kind of ["new", "gone", "changed", "reload"]) {
    source.addEventListener(kind, () => list.reload());
  }
  source.addEventListener("end", () => { source.close(); say("This inbox is gone"); });

  let lastPicked = -1;
  list.rows.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    if (event.target.closest(".pick")) {
      const place = Number(row.dataset.place);
      const picked = event.target.checked;
      list.pick(row.dataset.id, picked);
      if (event.shiftKey && lastPicked >= 0) {
        for (const other of list.rows.children) {
          const own = Number(other.dataset.place);
          if (own >= Math.min(place, lastPicked) && own <= Math.max(place, lastPicked)) {
            list.pick(other.dataset.id, picked);
          }
        }
      }
      lastPicked = place;
      showPicked();
      return;
    }
    if (!event.target.closest("a") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(row);
  });

  function preview() {
    const frame = pane.querySelector("iframe");
    if (!frame) return;
    const asked = new URLSearchParams();
    const dark = pane.querySelector("#dark")?.value;
    if (dark) asked.set("dark", dark);
    const client = pane.querySelector("#client")?.value;
    if (client) asked.set("client", client);
    if (pane.querySelector("#remote")?.checked) asked.set("remote", "1");
    const text = asked.toString();
    frame.src = `/render/${pane.querySelector(".message").dataset.id}${text ? `?${text}` : ""}`;
  }

  // Lets a message go, and says what became of that; what is not allowed is told, too.
  async function release(id) {
    const told = pane.querySelector(".released");
    const to = pane.querySelector(".release-to").value.split(/[\s,;]+/).filter(Boolean);
    const answer = await fetch(`/api/messages/${id}/release`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ to }),
    });
    const text = await answer.text();
    if (!answer.ok) {
      let why = text;
      try { why = JSON.parse(text).error ?? text; } catch { /* It is no JSON. */ }
      told.textContent = `Not released: ${why}`;
      return;
    }
    const [one] = JSON.parse(text).released;
    const sent = one.to.length > 0 ? `Released to ${one.to.join(", ")}.` : "Nothing was released.";
    const before = one.before.length > 0 ? ` ${one.before.join(", ")} had it before.` : "";
    told.textContent = sent + before;
  }

  pane.addEventListener("change", async (event) => {
    if (event.target.closest("#dark, #client, #remote")) preview();
    const place = event.target.closest(".tabs > input")?.nextElementSibling?.nextElementSibling;
    const later = place?.querySelector("[data-load]");
    if (!later) return;
    const path = later.dataset.load;
    delete later.dataset.load;
    later.replaceChildren(fragment(await (await ask(path)).text()));
  });

  // The checks are asked anew, for others or of others.
  pane.addEventListener("submit", async (event) => {
    const form = event.target.closest(".wishes");
    if (!form) return;
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    button.textContent = "Checking";
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await ask(form.getAttribute("action"), { method: "POST", body });
      form.parentElement.replaceChildren(fragment(await answer.text()));
    } finally {
      button.disabled = false;
      button.textContent = "Check";
    }
  });

  pane.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const id = pane.querySelector(".message")?.dataset.id;
    if (button.classList.contains("back")) close();
    if (button.classList.contains("width")) {
      const frame = pane.querySelector("iframe");
      frame.className = button.dataset.width;
      for (const one of pane.querySelectorAll(".width")) {
        one.setAttribute("aria-pressed", String(one === button));
      }
    }
    if (button.classList.contains("unread-one")) {
      await send("PATCH", `/api/messages/${id}`, { read: false });
      setRead(list.row(id), false);
    }
    if (button.classList.contains("delete-one")) await remove([id]);
    if (button.classList.contains("release-one")) await release(id);
  });

  const on = (id, run) => document.getElementById(id)?.addEventListener("click", run);
  document.getElementById("inbox").addEventListener("change", (event) => {
    location.href = `/inbox/${encodeURIComponent(event.target.value)}`;
  });
  const readAll = async () => {
    await send("PATCH", `${api}/messages?${new URLSearchParams({ query })}`, { read: true });
    await list.reload();
  };
  const deleteAll = async () => {
    if (!confirm(query ? "Delete all messages that match?" : "Delete all messages of this inbox?")) return;
    await ask(`${api}/messages?${new URLSearchParams({ query })}`, { method: "DELETE" });
    list.picked.clear();
    showPicked();
    pane.replaceChildren();
    close();
    await list.reload();
  };
  const readPicked = async () => {
    const ids = [...list.picked];
    await send("PUT", `/api/v1/messages?${new URLSearchParams({ inbox: name })}`, { IDs: ids, Read: true });
    list.picked.clear();
    showPicked();
    await list.reload();
  };
  const clear = () => { list.picked.clear(); showPicked(); list.show(); };
  const help = document.getElementById("keys");
  on("read-all", readAll);
  on("delete-all", deleteAll);
  on("read-picked", readPicked);
  on("delete-picked", async () => remove(await chosen()));
  on("clear-picked", clear);
  on("help", () => help.showModal());
  on("search-help", () => help.showModal());

  const toggle = async () => {
    const row = list.at >= 0 ? await list.place(list.at) : null;
    if (row) list.pick(row.dataset.id, !list.picked.has(row.dataset.id));
    showPicked();
  };
  const openAt = async () => open(list.at >= 0 ? await list.place(list.at) : await list.place(0));
  const search = () => document.querySelector(".search input").focus();
  const tab = (id) => {
    const input = document.getElementById(`tab-${id}`);
    if (input) { input.checked = true; input.dispatchEvent(new Event("change", { bubbles: true })); }
  };
  const steps = {
    j: () => list.move(list.at + 1),
    k: () => list.move(list.at < 0 ? 0 : list.at - 1),
    o: openAt,
    Enter: openAt,
    u: close,
    x: toggle,
    "#": async () => remove(await chosen()),
    "/": search,
    "?": () => help.showModal(),
  };
  const commands = [
    { name: "Next message", key: "j", run: steps.j },
    { name: "Previous message", key: "k", run: steps.k },
    { name: "Open message", key: "o", run: openAt },
    { name: "Back to the list", key: "u", run: close },
    { name: "Select message", key: "x", run: toggle },
    { name: "Clear selection", run: clear },
    { name: "Delete what is selected, or the message", key: "#", run: steps["#"] },
    { name: "Search", key: "/", run: search },
    { name: "Release message", run: () => {
      const place = pane.querySelector(".release");
      if (place) { place.open = true; place.querySelector("input").focus(); }
    } },
    { name: "Mark all read", run: readAll },
    { name: "Delete all", run: deleteAll },
    { name: "Show preview", run: () => tab("preview") },
    { name: "Show text", run: () => tab("text") },
    { name: "Show HTML source", run: () => tab("html-source") },
    { name: "Show header", run: () => tab("header") },
    { name: "Show parts", run: () => tab("parts") },
    { name: "Show raw message", run: () => tab("raw") },
    { name: "Show conversation", run: () => tab("conversation") },
    { name: "Show checks", run: () => tab("checks") },
    { name: "Settings of this inbox: login, faults, webhooks, tokens", run: () => { location.href = `${base}/settings`; } },
    { name: "Inboxes, and a new one", run: () => { location.href = "/inboxes"; } },
    { name: "Refusals", run: () => { location.href = "/refusals"; } },
    { name: "Light or dark", run: toggleTheme },
    { name: "Keys and search terms", key: "?", run: steps["?"] },
    ...[...document.querySelectorAll("#inbox option")].map((option) => ({
      name: `Go to inbox ${option.value}`,
      run: () => { location.href = `/inbox/${encodeURIComponent(option.value)}`; },
    })),
  ];
  const ask_palette = palette(document.getElementById("palette"), commands);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      ask_palette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    // A link or a button takes its own Enter.
    if (event.key === "Enter" && event.target.closest("a, button")) return;
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  });
  title();
}

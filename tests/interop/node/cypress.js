// Runs a test that is written for Cypress, without a browser: pages are fetched, forms are sent, and `cy.request` asks
// as it would there. It knows what the example of the guide uses, and nothing else.
const [, , file, base] = process.argv;
const tests = [];
const queue = [];
let page = { url: base, text: "" };
let fields = {};

const attribute = (tag, name) => (tag.match(new RegExp(`\\b${name}=["']?([^"'\\s>]*)`)) ?? [])[1];

/** The first tag that a selector of the forms `name` and `[name=value]` finds. */
function find(selector) {
  const named = selector.match(/^\[(\w+)=(\w+)\]$/);
  const tags = page.text.match(/<[a-z][^>]*>/g) ?? [];
  const found = tags.find((tag) => (named ? attribute(tag, named[1]) === named[2] : tag.startsWith(`<${selector}`)));
  if (!found) throw new Error(`no ${selector} in ${page.text}`);
  return found;
}

async function load(path, options) {
  const answer = await fetch(new URL(path, page.url), options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  page = { url: answer.url, text: await answer.text() };
  fields = {};
}

globalThis.it = (name, body) => tests.push({ name, body });
globalThis.cy = {
  visit: (path) => queue.push(() => load(path)),
  get: (selector) => ({
    type: (text) => queue.push(async () => { fields[attribute(find(selector), "name")] = text; }),
    submit: () => queue.push(async () => {
      find(selector);
      await load(page.url, { method: "POST", body: new URLSearchParams(fields) });
    }),
  }),
  request: ({ url, qs, timeout }) => ({
    then: (next) => queue.push(async () => {
      const answer = await fetch(`${url}?${new URLSearchParams(qs)}`, { signal: AbortSignal.timeout(timeout) });
      if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
      // What the callback asks for comes before what stands behind it.
      const behind = queue.splice(0);
      next({ status: answer.status, body: await answer.json() });
      queue.push(...behind);
    }),
  }),
};

(async () => {
  require(file);
  for (const { name, body } of tests) {
    body();
    while (queue.length) await queue.shift()();
    // The last form is sent, so that the program tells what was typed.
    if (Object.keys(fields).length) await load(page.url, { method: "POST", body: new URLSearchParams(fields) });
    console.log(`ok ${name}`);
  }
  console.log(`${tests.length} passed`);
})().catch((error) => { console.error(error); process.exit(1); });

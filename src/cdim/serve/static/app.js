// The page: sends the query to the server stroke by stroke and shows the answers.

import { checkSize, get, hasToken, send, setToken, takeToken } from "./api.js";
import { Adding } from "./adding.js";
import { Details } from "./details.js";
import { Drawing } from "./drawing.js";
import { $, closable, element, explain, many, percent, quoted } from "./elements.js";
import { Filters } from "./filters.js";
import { listenGifts } from "./gifts.js";
import { Picture } from "./picture.js";
import { Results } from "./results.js";

const HITS = 24, PAGE = 48, PAUSE = 90; // hits, items a page, milliseconds until a search is sent
let gallery = null, following = null, running = null, timer = 0;

const given = takeToken();
const drawing = new Drawing($("canvas"));
const picture = new Picture(refresh);
const filters = new Filters(refresh);
const results = new Results($("hits"), (id) => details.open(id, results.shown));
const details = new Details({ like: (item) => picture.more(item), removed });
const adding = new Adding(added);

// A token that was just given is said to be wrong at once; one that is kept, where it is needed.
async function start(given) {
  try {
    await learn();
    refresh();
    if (given && !gallery.may_write) askToken();
  } catch (failure) {
    failed(failure);
  }
}

async function learn() {
  const [told, facets] = await Promise.all([get("v1/gallery"), get("v1/facets")]);
  gallery = told;
  document.title = `${gallery.name} · cdim`;
  $("name").textContent = gallery.name;
  $("about").textContent = `${many(gallery.items, "item")} · model ${gallery.bundle}`;
  $("drawing").hidden = !gallery.domains.includes("sketch");
  const both = ["photo", "sketch"].every((domain) => gallery.domains.includes(domain));
  $("domain").hidden = !both;
  details.mayWrite(gallery.may_write);
  adding.limit(gallery.max_bytes);
  filters.show(facets);
}

// A search that a later stroke has overtaken is cancelled, and its answer never shown.
function refresh() {
  update();
  clearTimeout(timer);
  running?.abort();
  running = null;
  timer = setTimeout(search, PAUSE);
}

function search() {
  timer = 0;
  return run(async (signal) => {
    if (!gallery) await learn();
    const asked = question();
    const answer = await (asked ? find(asked, signal) : browse(signal));
    return () => (asked ? showFound : showItems)(answer);
  });
}

// What is shown belongs to another question once a newer search is on its way.
function showMore() {
  if (timer || running) return;
  const before = results.shown;
  run(async (signal) => {
    const answer = await browse(signal, following);
    return () => showItems(answer, before);
  });
}

// Asks, and shows the answer unless another question has overtaken this one.
async function run(ask) {
  const mine = new AbortController();
  running = mine;
  $("results").setAttribute("aria-busy", "true");
  try {
    const show = await ask(mine.signal);
    if (running !== mine) return;
    show();
    $("failure").hidden = true;
    $("results").classList.remove("stale");
  } catch (failure) {
    if (failure.name !== "AbortError" && running === mine) failed(failure);
  } finally {
    if (running === mine) {
      running = null;
      $("results").removeAttribute("aria-busy");
    }
  }
}

function question() {
  const strokes = $("drawing").hidden ? null : drawing.query();
  if (!strokes && !picture.any) return null;
  const query = strokes ? [strokes] : [];
  if (picture.like) query.push({ id: picture.like });
  const asked = { query, k: HITS, where: filters.where };
  const share = $("weight").value / 100;
  if (strokes && picture.any) asked.weights = [1 - share, share];
  return asked;
}

function find(asked, signal) {
  if (!picture.file) return send("v1/search", { method: "POST", json: asked, signal });
  checkSize(picture.file, gallery.max_bytes);
  const form = new FormData();
  form.append("search", JSON.stringify(asked));
  if (picture.domain) form.append("domain", picture.domain);
  form.append("image", picture.file, "query");
  return send("v1/search", { method: "POST", body: form, signal });
}

function browse(signal, after = null) {
  const parts = new URLSearchParams({ limit: PAGE });
  if (filters.where) parts.set("where", JSON.stringify(filters.where));
  if (after) parts.set("after", after);
  return get(`v1/items?${parts}`, { signal });
}

function showFound(found) {
  if (picture.file) picture.taken(found.taken.at(-1));
  following = null;
  $("more").hidden = true;
  $("heading").textContent = picture.like && !drawing.strokes.length ? "More like this" : "Nearest first";
  results.show(found.hits);
  const first = found.hits[0];
  const sure = first?.probability == null ? "" : `, ${percent(first.probability)}`;
  const absent = found.probably_absent && first;
  $("absent").hidden = !absent;
  $("absent").replaceChildren(element("strong", {}, "Probably not in this gallery"), ` · ${percent(found.present ?? 0)} likely`);
  $("detail").textContent = `of ${many(found.searched, "item")}`;
  $("status").textContent = !first ? "no hits" :
    `${absent ? "probably not in this gallery; " : ""}first of ${many(found.searched, "item")}: ${first.id}${sure}`;
  blank(found.hits.length);
}

function showItems({ items, after }, before = []) {
  following = after;
  $("more").hidden = !after;
  $("absent").hidden = true;
  $("heading").textContent = !gallery.items ? "Welcome" : filters.where ? "Filtered" : "Everything";
  results.show([...before, ...items]);
  const shown = results.shown.length;
  const told = after ? `${shown.toLocaleString("en")} items shown, more follow` : shown ? many(shown, "item") : "";
  $("detail").textContent = $("status").textContent = told;
  blank(shown);
}

// Nothing to show: say why, and what to do.
function blank(shown) {
  const box = $("empty");
  box.hidden = shown > 0;
  if (shown) return;
  if (filters.where && gallery.items) {
    box.replaceChildren(element("h3", {}, "No item passes these filters"),
      element("p", {}, "Remove a filter, or show everything."),
      element("button", { type: "button", class: "button", onclick: () => filters.reset() }, "Reset filters"));
  } else if (!gallery.items) {
    const place = gallery.place === null ? "GALLERY" : quoted(gallery.place);
    box.replaceChildren(element("h3", {}, "This gallery is empty"),
      element("p", {}, "Fill it with a folder of photos: stop this server, index the folder, and start it again. Indexing the folder again adds only new photos."),
      element("pre", { tabindex: "0", "aria-label": "Commands" }, `cdim index PHOTOS -o ${place}\ncdim serve ${place}`),
      element("p", {}, "Or start with a few images:"),
      element("button", { type: "button", class: "button primary", onclick: openAdding }, "Add images"));
  } else {
    box.replaceChildren(element("h3", {}, "No other item to compare with"), element("p", {}, "Add more images, or draw something."));
  }
}

function failed(failure) {
  if (!failure.given) throw failure;
  // The hits before are no answer to this question.
  $("results").classList.add("stale");
  $("heading").textContent = results.shown.length ? "Before the failure" : "No answer";
  $("absent").hidden = $("more").hidden = true;
  $("detail").textContent = $("status").textContent = "";
  if (failure.status === 401) askToken();
  else complain(failure);
}

function complain(failure) {
  const box = $("failure");
  box.replaceChildren(element("strong", {}, "The request failed."), ` ${explain(failure)}`);
  box.hidden = false;
}

function update() {
  $("undo").disabled = !drawing.canUndo;
  $("redo").disabled = !drawing.canRedo;
  const strokes = drawing.strokes.length;
  $("clear").disabled = !strokes;
  $("canvas").setAttribute("aria-label", `Drawing canvas, ${strokes ? many(strokes, "stroke") : "empty"}`);
  $("hint").classList.toggle("gone", strokes > 0);
  $("blend").hidden = !(strokes && picture.any);
}

async function added(ids) {
  await learn();
  for (const id of ids) results.forget(id);
  refresh();
}

async function removed(id) {
  if (picture.like === id) picture.forget();
  results.forget(id);
  await learn();
  refresh();
  $("results").focus({ preventScroll: true });
}

function openAdding() {
  if (gallery && !gallery.may_write) askToken();
  else adding.open();
}

function askToken() {
  const wrong = hasToken();
  $("token-title").textContent = wrong ? "Wrong token" : "Token needed";
  $("token-wrong").hidden = !wrong;
  if (!$("token").open) $("token").showModal();
}

function use(tool) {
  drawing.tool = tool;
  for (const name of ["pen", "eraser"]) $(name).setAttribute("aria-pressed", String(name === tool));
  $("canvas").classList.toggle("erasing", tool === "eraser");
}

function listen() {
  drawing.addEventListener("change", refresh);
  $("canvas").addEventListener("pointercancel", update);
  $("canvas").addEventListener("pointerdown", () => $("hint").classList.add("gone"));
  for (const tool of ["pen", "eraser"]) $(tool).addEventListener("click", () => use(tool));
  for (const action of ["undo", "redo", "clear"]) $(action).addEventListener("click", () => drawing[action]());
  $("weight").addEventListener("input", refresh);
  $("add").addEventListener("click", openAdding);
  $("keys").addEventListener("click", () => $("shortcuts").showModal());
  $("more").addEventListener("click", showMore);
  $("theme").addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", document.documentElement.dataset.theme);
    drawing.redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawing.redraw());
  for (const dialog of [$("shortcuts"), $("token")]) closable(dialog);
  $("token-form").addEventListener("submit", () => {
    setToken($("token-value").value.trim());
    $("token-value").value = "";
    start(true);
  });
  addEventListener("hashchange", () => takeToken() && start(true));
  addEventListener("keydown", shortcut);
  listenGifts({
    search: (file) => picture.take(file),
    add: (files) => (gallery?.may_write ? adding.take(files) : askToken()),
    complain,
  });
}

function shortcut(event) {
  if (document.querySelector("dialog[open]") || event.altKey) return;
  const typing = event.target.matches?.("input:not([type=checkbox], [type=radio], [type=range]), textarea");
  if (typing) return;
  const command = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
  const actions = command
    ? { z: () => (event.shiftKey ? drawing.redo() : drawing.undo()), y: () => drawing.redo() }
    : { p: () => use("pen"), e: () => use("eraser"), delete: () => drawing.clear(), "?": () => $("shortcuts").showModal() };
  if (!Object.hasOwn(actions, key)) return;
  event.preventDefault();
  actions[key]();
}

listen();
update();
start(given);

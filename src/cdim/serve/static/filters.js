// Filters made from the gallery's facets: boxes for values, ends of a range for numbers and dates.

import { $, element } from "./elements.js";

const FEW = 6; // values shown before "all"

export class Filters {
  #changed; #where = new Map(); #facets = "";

  constructor(changed) {
    this.#changed = changed;
    $("reset").addEventListener("click", () => this.reset());
    $("fields").addEventListener("submit", (event) => event.preventDefault());
  }

  get where() {
    return this.#where.size ? Object.fromEntries(this.#where) : null;
  }

  show(facets) {
    const useful = facets.filter(tellsApart);
    if (JSON.stringify(useful) === this.#facets) return;
    this.#facets = JSON.stringify(useful);
    // An item more or less changes the counts: what was chosen stays chosen where it is still there.
    const focused = $("fields").contains(document.activeElement) ? document.activeElement : null;
    focused?.blur(); // what was typed counts
    const before = this.#where;
    this.#where = new Map();
    $("fields").replaceChildren(...useful.map((facet) => this.#group(facet, before.get(facet.field))));
    if (focused?.name) [...$("fields").elements].find(({ name }) => name === focused.name)?.focus();
    $("filters").hidden = !useful.length;
    this.#tell();
  }

  reset() {
    this.#where.clear();
    $("fields").reset();
    this.#tell();
    this.#changed();
  }

  #keep(field, condition) {
    if (condition === null) this.#where.delete(field);
    else this.#where.set(field, condition);
  }

  #set(field, condition) {
    this.#keep(field, condition);
    this.#tell();
    this.#changed();
  }

  #tell() {
    const count = this.#where.size;
    $("filtered").textContent = count ? `${count} on` : "";
    $("reset").hidden = !count;
  }

  #group(facet, before) {
    const legend = element("legend", {}, facet.field.replaceAll("_", " "));
    const inside = facet.kind === "value" ? this.#boxes(facet, before) : this.#ends(facet, before);
    return element("fieldset", { class: "facet" }, legend, ...inside);
  }

  #boxes({ field, values }, before) {
    const wanted = Array.isArray(before) ? before : []; // a range, where the field was of numbers
    const kept = values.map(({ value }) => value).filter((value) => wanted.includes(value));
    this.#keep(field, kept.length ? kept : null);
    const folded = !values.slice(FEW + 1).some(({ value }) => kept.includes(value));
    const rows = values.map(({ value, count }, i) => {
      const box = element("input", { type: "checkbox", name: `${field}=${value}`, onchange: () => {
        const chosen = new Set(this.#where.get(field));
        if (box.checked) chosen.add(value);
        else chosen.delete(value);
        this.#set(field, chosen.size ? [...chosen] : null);
      } });
      box.checked = kept.includes(value);
      return element("label", { class: "check", hidden: folded && i >= FEW + 1 }, box,
        element("span", { class: "value" }, String(value)), element("span", { class: "soft" }, count.toLocaleString("en")));
    });
    if (!folded || rows.length <= FEW + 1) return rows;
    const all = element("button", { type: "button", class: "quiet", onclick: () => {
      for (const row of rows) row.hidden = false;
      all.remove();
      rows[FEW + 1].querySelector("input").focus();
    } }, `all ${rows.length}`);
    return [...rows, all];
  }

  #ends({ field, kind, low, high }, before) {
    const type = kind === "number" ? "number" : "date";
    const make = (label, end) => element("input", {
      type, step: "any", name: `${field}=${label}`, "aria-label": `${field}, ${label}`, placeholder: end ?? label,
    });
    const from = make("from", low), to = make("to", high);
    const read = () => {
      const range = {};
      const end = (input) => (kind === "number" ? Number(input.value) : input.value);
      if (from.value) range.gte = end(from);
      if (to.value) range.lte = end(to); // a day counts until its end
      return Object.keys(range).length ? range : null;
    };
    const set = () => this.#set(field, read());
    from.value = before?.gte ?? "";
    to.value = before?.lte ?? "";
    this.#keep(field, read());
    from.addEventListener("change", set);
    to.addEventListener("change", set);
    return [element("div", { class: "ends" }, from, element("span", { class: "soft" }, "to"), to)];
  }
}

// A field of one value, or of a value an item, filters nothing.
function tellsApart({ kind, values, low, high }) {
  if (kind !== "value") return low === null || low !== high;
  return values.length > 1 && (values.length <= 12 || values[0].count > 1);
}

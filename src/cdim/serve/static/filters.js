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
    this.#where.clear();
    $("fields").replaceChildren(...useful.map((facet) => this.#group(facet)));
    $("filters").hidden = !useful.length;
    this.#tell();
  }

  reset() {
    this.#where.clear();
    $("fields").reset();
    this.#tell();
    this.#changed();
  }

  #set(field, condition) {
    if (condition === null) this.#where.delete(field);
    else this.#where.set(field, condition);
    this.#tell();
    this.#changed();
  }

  #tell() {
    const count = this.#where.size;
    $("filtered").textContent = count ? `${count} on` : "";
    $("reset").hidden = !count;
  }

  #group(facet) {
    const legend = element("legend", {}, facet.field.replaceAll("_", " "));
    const inside = facet.kind === "value" ? this.#boxes(facet) : this.#ends(facet);
    return element("fieldset", { class: "facet" }, legend, ...inside);
  }

  #boxes({ field, values }) {
    const chosen = new Set();
    const rows = values.map(({ value, count }, i) => {
      const box = element("input", { type: "checkbox", onchange: () => {
        if (box.checked) chosen.add(value);
        else chosen.delete(value);
        this.#set(field, chosen.size ? [...chosen] : null);
      } });
      $("fields").addEventListener("reset", () => chosen.clear());
      return element("label", { class: "check", hidden: i >= FEW + 1 }, box,
        element("span", { class: "value" }, String(value)), element("span", { class: "soft" }, count.toLocaleString("en")));
    });
    if (rows.length <= FEW + 1) return rows;
    const all = element("button", { type: "button", class: "quiet", onclick: () => {
      for (const row of rows) row.hidden = false;
      all.remove();
      rows[FEW + 1].querySelector("input").focus();
    } }, `all ${rows.length}`);
    return [...rows, all];
  }

  #ends({ field, kind, low, high }) {
    const type = kind === "number" ? "number" : "date";
    const make = (label, end) => element("input", {
      type, step: "any", "aria-label": `${field}, ${label}`, placeholder: end ?? label,
    });
    const from = make("from", low), to = make("to", high);
    const read = () => {
      const range = {};
      const end = (input) => (kind === "number" ? Number(input.value) : input.value);
      if (from.value) range.gte = end(from);
      if (to.value) range.lte = end(to); // a day counts until its end
      this.#set(field, Object.keys(range).length ? range : null);
    };
    from.addEventListener("change", read);
    to.addEventListener("change", read);
    return [element("div", { class: "ends" }, from, element("span", { class: "soft" }, "to"), to)];
  }
}

// A field of one value, or of a value an item, filters nothing.
function tellsApart({ kind, values, low, high }) {
  if (kind !== "value") return low === null || low !== high;
  return values.length > 1 && (values.length <= 12 || values[0].count > 1);
}

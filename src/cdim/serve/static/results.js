// The list of hits. Cards are kept from one answer to the next and glide to their new places.

import { thumbnail } from "./api.js";
import { element, paint, percent, title } from "./elements.js";

export class Results {
  #list; #open; #cards = new Map(); #shown = [];

  constructor(list, open) {
    this.#list = list;
    this.#open = open;
  }

  get shown() { return this.#shown; }

  show(hits) {
    const before = this.#places();
    const cards = new Map();
    for (const [rank, hit] of hits.entries()) {
      const card = this.#cards.get(hit.id) ?? this.#card(hit.id);
      fill(card, hit, rank);
      cards.set(hit.id, card);
    }
    // A focused card stays where the keyboard is: replaceChildren would take its focus away.
    const focused = document.activeElement?.closest?.("#hits > li");
    this.#list.replaceChildren(...cards.values());
    if (focused?.isConnected) focused.querySelector("button").focus({ preventScroll: true });
    this.#cards = cards;
    this.#shown = hits;
    this.#glide(before);
  }

  forget(id) {
    this.#cards.delete(id);
  }

  #card(id) {
    const image = element("img", { alt: "", draggable: "false", width: 160, height: 160 });
    thumbnail(id).then((small) => paint(image, small), () => image.classList.add("missing"));
    const button = element("button", { type: "button", class: "card", onclick: () => this.#open(id) },
      element("span", { class: "frame" }, image),
      element("span", { class: "match" }, element("b"), element("span", { class: "distance" })),
      element("span", { class: "meter", "aria-hidden": "true" }, element("span")),
      element("span", { class: "title", title: id }));
    return element("li", {}, button);
  }

  #places() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return new Map();
    return new Map([...this.#cards].map(([id, card]) => [id, card.getBoundingClientRect()]));
  }

  #glide(before) {
    const far = innerHeight * 1.5;
    for (const [id, card] of this.#cards) {
      const from = before.get(id), to = card.getBoundingClientRect();
      if (to.top > far) continue;
      if (!from) {
        if (before.size) card.animate([{ opacity: 0 }, { opacity: 1 }], { duration: 160 });
      } else if (Math.abs(from.left - to.left) > 1 || Math.abs(from.top - to.top) > 1) {
        const shift = `translate(${from.left - to.left}px, ${from.top - to.top}px)`;
        card.animate([{ transform: shift }, { transform: "none" }], { duration: 240, easing: "cubic-bezier(.2,.8,.2,1)" });
      }
    }
  }
}

function fill(card, hit, rank) {
  const found = hit.distance !== undefined, sure = hit.probability ?? null;
  const button = card.firstElementChild, [, match, meter, name] = button.children;
  match.hidden = !found;
  meter.hidden = sure === null || !found;
  name.textContent = title(hit);
  let said = hit.metadata?.title ?? hit.id;
  if (found) {
    const distance = hit.distance.toFixed(3);
    match.firstChild.textContent = sure === null ? `${rank + 1}` : percent(sure);
    match.lastChild.textContent = distance;
    match.lastChild.title = "distance";
    if (sure !== null) meter.firstChild.style.width = `${Math.round(sure * 100)}%`;
    said = `${rank + 1}: ${said}, ${sure === null ? "" : `${percent(sure)} likely the same, `}distance ${distance}`;
  }
  button.setAttribute("aria-label", said);
}

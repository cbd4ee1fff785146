// One item in a dialog: its picture and metadata, more like it, and taking it out.

import { forgetThumbnail, get, part, picture, send, thumbnail } from "./api.js";
import { $, closable, element, explain, paint, percent } from "./elements.js";

export class Details {
  #item = null; #order = []; #events;

  // events: like(item), removed(id)
  constructor(events) {
    this.#events = events;
    closable($("details"));
    $("details").addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight") this.#step(1);
      else if (event.key === "ArrowLeft") this.#step(-1);
    });
    $("like").addEventListener("click", () => {
      $("details").close();
      events.like(this.#item);
    });
    $("delete").addEventListener("click", () => this.#ask(true));
    $("delete-no").addEventListener("click", () => this.#ask(false));
    $("delete-yes").addEventListener("click", () => this.#remove());
  }

  mayWrite(may) {
    $("delete").hidden = !may;
  }

  async open(id, hits) {
    this.#order = hits;
    const hit = hits.find((each) => each.id === id) ?? { id, metadata: {}, source: "" };
    this.#item = hit;
    $("details-id").textContent = id;
    $("details-match").textContent = hit.distance === undefined ? "" :
      `${hit.probability == null ? "" : `${percent(hit.probability)} likely the same, `}distance ${hit.distance.toFixed(3)}`;
    $("details-failure").textContent = "";
    $("sure-text").textContent = hit.source ? "Remove it from the gallery? Its file stays." :
      "Remove it from the gallery? It was uploaded, so the gallery holds the only copy.";
    this.#tell(hit.metadata);
    this.#confirm(false);
    if (!$("details").open) $("details").showModal();
    await Promise.all([this.#look(hit), this.#refresh(id)]);
  }

  async #refresh(id) {
    try {
      const item = await get(`v1/items/${part(id)}`);
      if (this.#item.id === id) this.#tell(item.metadata);
    } catch (failure) {
      if (this.#item.id === id) $("details-failure").textContent = explain(failure);
    }
  }

  async #look(hit) {
    const image = $("details-image");
    image.alt = `Picture of ${hit.id}`;
    image.removeAttribute("src");
    const small = await thumbnail(hit.id).catch(() => null);
    if (this.#item !== hit) return; // the next one was stepped to meanwhile
    if (small) paint(image, small);
    if (!hit.source) return;
    try {
      const large = await picture(`v1/images/${part(hit.id)}`);
      if (this.#item === hit) paint(image, large);
    } catch (failure) {
      if (this.#item !== hit) return;
      const why = failure.status === 422 ? `its file cannot be read: ${hit.source}` : failure.given;
      $("details-match").append(element("span", {}, ` (${why})`));
    }
  }

  #tell(metadata) {
    const rows = Object.entries(metadata).sort(([a], [b]) => a.localeCompare(b));
    $("details-metadata").replaceChildren(...rows.map(([name, value]) =>
      element("div", {}, element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, String(value)))));
  }

  #step(by) {
    const at = this.#order.findIndex((each) => each.id === this.#item.id);
    const next = this.#order[at + by];
    if (next) this.open(next.id, this.#order);
  }

  #confirm(asking) {
    $("sure").hidden = !asking;
    $("delete").disabled = $("like").disabled = asking;
  }

  #ask(asking) {
    this.#confirm(asking);
    $(asking ? "delete-no" : "delete").focus();
  }

  async #remove() {
    const id = this.#item.id;
    try {
      await send(`v1/items/${part(id)}`, { method: "DELETE" });
    } catch (failure) {
      this.#confirm(false);
      $("details-failure").textContent = explain(failure);
      return;
    }
    forgetThumbnail(id);
    $("details").close();
    this.#events.removed(id);
  }
}

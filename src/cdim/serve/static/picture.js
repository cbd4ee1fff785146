// The picture in the query: an image that was chosen, dropped or pasted, or an item of the gallery.

import { thumbnail } from "./api.js";
import { $, paint, title } from "./elements.js";

export class Picture {
  #changed; #file = null; #like = null; #domain = null;

  constructor(changed) {
    this.#changed = changed;
    $("choose").addEventListener("click", () => $("file").click());
    $("file").addEventListener("change", () => {
      if ($("file").files[0]) this.take($("file").files[0]);
      $("file").value = "";
    });
    $("forget").addEventListener("click", () => {
      this.forget();
      $("choose").focus();
    });
    $("domain").addEventListener("change", (event) => {
      this.#domain = event.target.value;
      changed();
    });
  }

  get file() { return this.#file; }
  get like() { return this.#like; }
  get any() { return this.#file !== null || this.#like !== null; }
  get domain() { return this.#domain; } // null: the server guesses

  take(file) {
    this.#drop();
    this.#file = file;
    this.#show(file.name || "pasted image");
    paint($("chosen-image"), file);
  }

  async more(item) {
    this.#drop();
    this.#like = item.id;
    this.#show(`like ${title(item)}`);
    const small = await thumbnail(item.id).catch(() => null);
    if (small && this.#like === item.id) paint($("chosen-image"), small); // another one may have been chosen meanwhile
  }

  forget() {
    this.#drop();
    $("choose").hidden = false;
    $("chosen").hidden = true;
    this.#changed();
  }

  // What the server took the image for.
  taken(domain) {
    for (const radio of $("domain").querySelectorAll("input")) radio.checked = radio.value === domain;
  }

  #show(name) {
    $("chosen-name").textContent = name;
    $("chosen-name").title = name;
    $("chosen-image").removeAttribute("src");
    $("choose").hidden = true;
    $("chosen").hidden = false;
    $("domain").classList.toggle("gone", this.#like !== null);
    this.taken(null);
    this.#changed();
  }

  #drop() {
    this.#file = this.#like = this.#domain = null;
  }
}

// Images into the gallery, one request each, with what became of every file.

import { checkSize, forgetThumbnail, send } from "./api.js";
import { $, closable, element, explain, many } from "./elements.js";

export class Adding {
  #most = Infinity; #busy = Promise.resolve(); #added; #waiting = 0; #done = 0; #failures = [];

  // added(ids) is called once the files of one choice are in
  constructor(added) {
    this.#added = added;
    closable($("adding"));
    $("add-choose").addEventListener("click", () => $("add-files").click());
    $("add-files").addEventListener("change", () => {
      this.take([...$("add-files").files]);
      $("add-files").value = "";
    });
  }

  limit(bytes) { this.#most = bytes; }

  open() {
    if ($("adding").open) return;
    if (this.#done === this.#waiting) {
      $("add-list").replaceChildren();
      $("add-status").textContent = "";
      this.#waiting = this.#done = 0;
      this.#failures = [];
    }
    $("adding").showModal();
  }

  take(files) {
    if (!files.length) return;
    this.open();
    this.#waiting += files.length;
    this.#tell();
    // One after the other: the model takes its turns anyway.
    this.#busy = this.#busy.then(async () => {
      const ids = [];
      for (const file of files) if (await this.#put(file, false)) ids.push(file.name);
      if (ids.length) this.#added(ids);
    });
  }

  async #put(file, replace) {
    const row = element("li", {}, element("span", { class: "value" }, file.name));
    const say = (kind, ...words) => {
      row.className = kind;
      row.append(element("span", { class: "said" }, ...words));
      $("add-list").prepend(row);
      this.#done += 1;
      if (kind === "bad") this.#failures.push(words[0]);
      this.#tell();
    };
    const form = new FormData();
    form.append("id", file.name);
    form.append("image", file, file.name);
    try {
      checkSize(file, this.#most);
      await send(`v1/items${replace ? "?replace=true" : ""}`, { method: "POST", body: form });
    } catch (failure) {
      if (failure.code === "taken") say("soft", "exists already ", this.#replacing(file, row));
      else say("bad", explain(failure));
      return false;
    }
    forgetThumbnail(file.name);
    say("good", replace ? "replaced" : "added");
    return true;
  }

  #replacing(file, row) {
    return element("button", { type: "button", class: "quiet", onclick: async () => {
      row.remove();
      this.#done -= 1;
      if (await this.#put(file, true)) this.#added([file.name]);
    } }, "Replace");
  }

  #tell() {
    const failed = this.#failures.length, all = many(this.#waiting, "image");
    const reasons = [...new Set(this.#failures)], why = reasons.length > 1 ? "see below" : reasons[0];
    $("add-status").textContent = this.#done < this.#waiting ? `${this.#done} of ${all}…`
      : failed ? `${this.#waiting - failed} of ${all} done, ${failed} failed: ${why}` : `${all} done`;
  }
}

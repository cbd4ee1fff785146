// Images that are pasted, or dropped: the left half of the window searches with one, the right half
// adds them.

import { Failure } from "./api.js";
import { $ } from "./elements.js";

// to: search(file), add(files), complain(failure)
export function listenGifts(to) {
  addEventListener("paste", (event) => {
    const typing = event.target.closest?.("input");
    const [file] = images(event.clipboardData, typing ? "" : event.clipboardData.getData("text"));
    if (file) to.search(file);
  });
  let depth = 0;
  const over = (on) => { $("dropping").hidden = !on; };
  addEventListener("dragenter", (event) => {
    if (!["Files", "text/uri-list"].some((type) => event.dataTransfer?.types.includes(type))) return;
    depth += 1;
    over(!document.querySelector("dialog[open]"));
  });
  addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) over(false); });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    over(false);
    const link = event.dataTransfer.getData("text/uri-list"), files = images(event.dataTransfer, link);
    if (files.length && ($("adding").open || event.target.closest?.("#drop-add"))) to.add(files);
    else if (files.length) to.search(files[0]);
    else if (link) to.complain(new Failure(0, {
      code: "link", given: "a link was dropped", allowed: "the page loads nothing from other sites", todo: "save the picture, then drop its file",
    }));
  });
}

function images(transfer, text) {
  const files = [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const inText = files.length ? null : imageIn(text);
  return inText ? [inText] : files;
}

// An image whose address holds it; null for other text. The page's rules forbid to fetch it.
function imageIn(text) {
  const [, type, base64, data] = /^data:(image\/[\w.+-]+)(?:;(?!base64)[^,;]*)*(;base64)?,(.*)$/is.exec(text.trim()) ?? [];
  if (!type) return null;
  try {
    const plain = decodeURIComponent(data);
    const content = base64 ? Uint8Array.from(atob(plain), (letter) => letter.charCodeAt(0)) : plain;
    return new File([content], "pasted image", { type });
  } catch {
    return null;
  }
}

// Building elements; text is always text, never markup.

export const $ = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// An image's address lives until it is shown: one that is taken back earlier fails to load.
export function paint(image, blob) {
  const url = URL.createObjectURL(blob);
  const done = () => URL.revokeObjectURL(url);
  image.src = url;
  image.decode().then(done, done);
}

export const percent = (share) => share > 0.995 && share < 1 ? ">99 %" : share < 0.005 ? "<1 %" : `${Math.round(share * 100)} %`;

export const many = (number, one) => `${number.toLocaleString("en")} ${one}${number === 1 ? "" : "s"}`;

export function size(bytes) {
  const one = bytes >= 2 ** 20 ? 2 ** 20 : 2 ** 10;
  return `${Math.ceil((10 * bytes) / one) / 10} ${one === 2 ** 20 ? "MB" : "kB"}`;
}

// What a reload keeps. Other galleries may share the page's origin, below other paths.
const key = (name) => `cdim-${name} ${new URL(".", location).pathname}`;
export const kept = {
  get: (name) => sessionStorage.getItem(key(name)),
  set(name, text) {
    try {
      sessionStorage.setItem(key(name), text);
    } catch { // no room: nothing is better than something older
      sessionStorage.removeItem(key(name));
    }
  },
};

// As one word of a shell's command line.
export const quoted = (word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

// An item's title in its metadata, else the end of its path: two parts where it lies in a folder.
export function title({ id, metadata }) {
  return metadata?.title ?? (id.split("/").slice(-2).join("/") || id);
}

// Every dialog closes by its cross, by Escape (the browser's own) and by a click beside it.
export function closable(dialog) {
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target !== dialog) return;
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) dialog.close();
  });
}

export function explain(failure) {
  return `${failure.given}: ${failure.allowed}. ${failure.todo[0].toUpperCase()}${failure.todo.slice(1)}.`;
}

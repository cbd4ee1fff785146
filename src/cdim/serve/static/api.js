// Requests to the server. The token comes in the address's fragment, which browsers never send.
// Paths are relative to the page, which may lie below a path of a proxy.

import { kept, size } from "./elements.js";

const ROOM = 4096; // bytes of a form around its file

export class Failure extends Error {
  constructor(status, error) {
    super(`${error.given}; ${error.allowed}; ${error.todo}`);
    Object.assign(this, { status, ...error });
  }
}

export function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  setToken(token);
  history.replaceState(null, "", location.pathname);
  return true;
}

export const setToken = (token) => kept.set("token", token);
export const hasToken = () => kept.get("token") !== null;

export function checkSize(file, most) {
  if (file.size > most - ROOM) throw new Failure(413, {
    code: "too-large",
    given: `${file.name || "the image"} has ${size(file.size)} of at most ${size(most)}`,
    allowed: "that is what one request may bring",
    todo: "make the image smaller",
  });
}

// An id as one part of a path: encoded slashes keep "a/../b" from being taken for folders.
export const part = (id) => encodeURIComponent(id);

async function request(path, { json, ...options } = {}) {
  const headers = {};
  const token = kept.get("token");
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, {
      code: "offline",
      given: "the server does not answer",
      allowed: "it runs while cdim serve runs",
      todo: "start it again and reload the page",
    });
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  throw new Failure(response.status, said?.error ?? {
    code: "http", given: `the server answered ${response.status}`, allowed: "the page needs an answer of cdim serve", todo: "reload the page",
  });
}

export async function get(path, options) {
  return (await request(path, options)).json();
}

export async function send(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

// Pictures come by fetch, not by <img src>: only so can the request carry the token.
const thumbnails = new Map();
const MOST = 600;

export async function picture(path) {
  return (await request(path)).blob();
}

export function thumbnail(id) {
  if (!thumbnails.has(id)) {
    if (thumbnails.size >= MOST) thumbnails.delete(thumbnails.keys().next().value);
    const made = picture(`v1/thumbnails/${part(id)}`);
    made.catch(() => thumbnails.delete(id));
    thumbnails.set(id, made);
  }
  return thumbnails.get(id);
}

export function forgetThumbnail(id) {
  thumbnails.delete(id);
}

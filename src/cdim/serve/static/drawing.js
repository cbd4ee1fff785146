// The canvas: strokes in drawing order, with undo and redo. What is searched is the strokes alone.

import { kept } from "./elements.js";

const SIZE = 512; // units of the canvas, whatever its size on screen
const REACH = 9; // units around the eraser
const LINE = 3.2; // units of a line drawn with middle pressure
const PALM = 1000; // milliseconds after a pen was seen in which a touch is the hand that holds it
const MOST_STROKES = 4000, MOST_POINTS = 100000; // what the server takes

export class Drawing extends EventTarget {
  #canvas; #pen; #strokes = []; #past = []; #future = []; #now = null; #pointer = null; #erased = null; #rubber = null;
  #touched = false; #penAt = -Infinity;
  tool = "pen";

  constructor(canvas) {
    super();
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.#strokes = JSON.parse(kept.get("drawing") ?? "[]");
    canvas.addEventListener("pointerdown", (event) => this.#start(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(end, (event) => {
        if (event.pointerId === this.#pointer) this.#end(event.type !== "pointercancel");
      });
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  get strokes() { return this.#strokes; }
  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  query() {
    if (!this.#strokes.length) return null;
    return { strokes: this.#strokes.map((stroke) => stroke.map(([x, y]) => [x, y])) };
  }

  undo() { this.#travel(this.#past, this.#future); }
  redo() { this.#travel(this.#future, this.#past); }
  clear() { if (this.#strokes.length) this.#change([]); }

  #travel(from, to) {
    if (!from.length || this.#now || this.#erased) return;
    to.push(this.#strokes);
    this.#strokes = from.pop();
    this.#changed();
  }

  #change(strokes) {
    this.#past.push(this.#strokes);
    this.#future = [];
    this.#strokes = strokes;
    this.#changed();
  }

  #changed() {
    kept.set("drawing", JSON.stringify(this.#strokes));
    this.redraw();
    this.dispatchEvent(new Event("change"));
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * SIZE;
    const y = ((event.clientY - box.top) / box.height) * SIZE;
    // Mice report 0.5 while pressed, some touch screens 0.
    const pressure = event.pointerType === "pen" ? event.pressure : 0.5;
    return [Math.round(x * 10) / 10, Math.round(y * 10) / 10, pressure];
  }

  #start(event) {
    const touch = event.pointerType === "touch";
    if (event.pointerType === "pen") {
      this.#penAt = event.timeStamp;
      if (this.#touched) this.#end(false);
    }
    // The first finger draws; a second one, the hand beside a pen, or another mouse button, does not.
    const palm = touch && event.timeStamp - this.#penAt < PALM;
    // The other end of many pens is an eraser and says so.
    const rubs = event.button === 5 || (event.buttons & 32) !== 0;
    if (this.#pointer !== null || palm || (event.button !== 0 && !rubs)) return;
    event.preventDefault();
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#touched = touch;
    if (this.tool === "eraser" || rubs) {
      this.#erased = new Set();
      this.#erase(this.#point(event));
    } else if (this.#strokes.length < MOST_STROKES) this.#now = [this.#point(event)];
    this.redraw();
  }

  #move(event) {
    if (event.pointerType === "pen") this.#penAt = event.timeStamp;
    if (event.pointerId !== this.#pointer) return;
    const several = event.getCoalescedEvents?.() ?? [];
    for (const each of several.length ? several : [event]) {
      const point = this.#point(each);
      if (this.#erased) this.#erase(point);
      else if (this.#now) this.#extend(point);
    }
    this.redraw();
  }

  #extend(point) {
    const last = this.#now.at(-1);
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= 1 && this.#room()) this.#now.push(point);
  }

  #room() {
    return this.#strokes.reduce((sum, stroke) => sum + stroke.length, this.#now.length) < MOST_POINTS;
  }

  // What the system cancels, as at a swipe from the edge, leaves nothing.
  #end(keep) {
    this.#pointer = null;
    this.#touched = false;
    const now = this.#now, erased = this.#erased;
    this.#now = this.#erased = this.#rubber = null;
    if (keep && now) this.#change([...this.#strokes, now]);
    else if (keep && erased?.size) this.#change(this.#strokes.filter((stroke) => !erased.has(stroke)));
    else this.redraw();
  }

  // Along the way from the last point too: a quick hand jumps over lines.
  #erase(to) {
    const [fromX, fromY] = this.#rubber ?? to, [toX, toY] = to;
    const steps = Math.ceil(Math.hypot(toX - fromX, toY - fromY) / REACH) || 1;
    for (let step = 1; step <= steps; step += 1)
      this.#touch(fromX + ((toX - fromX) * step) / steps, fromY + ((toY - fromY) * step) / steps);
    this.#rubber = to;
  }

  #touch(x, y) {
    for (const stroke of this.#strokes)
      if (stroke.some((point, i) => away(x, y, stroke[Math.max(0, i - 1)], point) <= REACH))
        this.#erased.add(stroke);
  }

  redraw() {
    const box = this.#canvas.getBoundingClientRect();
    const pixels = Math.round(box.width * devicePixelRatio);
    if (!pixels) return;
    if (this.#canvas.width !== pixels) this.#canvas.width = this.#canvas.height = pixels;
    const pen = this.#pen, scale = pixels / SIZE;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, SIZE, SIZE);
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = getComputedStyle(this.#canvas).color;
    for (const stroke of this.#now ? [...this.#strokes, this.#now] : this.#strokes) {
      pen.globalAlpha = this.#erased?.has(stroke) ? 0.18 : 1;
      this.#line(pen, stroke);
    }
    pen.globalAlpha = 1;
  }

  #line(pen, stroke) {
    if (new Set(stroke.map((point) => point[2])).size === 1) {
      pen.lineWidth = LINE * (0.5 + stroke[0][2]);
      pen.beginPath();
      pen.moveTo(stroke[0][0], stroke[0][1]);
      for (const [x, y] of stroke) pen.lineTo(x, y);
      pen.stroke();
      return;
    }
    stroke.forEach(([x, y, pressure], i) => { // a width a piece, where the pen tells its pressure
      const [fromX, fromY] = stroke[Math.max(0, i - 1)];
      pen.lineWidth = LINE * (0.5 + pressure);
      pen.beginPath();
      pen.moveTo(fromX, fromY);
      pen.lineTo(x, y);
      pen.stroke();
    });
  }
}

// The distance of (x, y) from the line between two points.
function away(x, y, [ax, ay], [bx, by]) {
  const length = (bx - ax) ** 2 + (by - ay) ** 2;
  const share = length ? Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
  return Math.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay));
}

// The pointer on a drawn time line: draws a range, drags its edges and its middle. No ComfyUI.
import { listenToWheel, panBeyond, placeIn } from "./line_events.js";

// In pixels: how near to an edge it is taken, how near to an onset it snaps, and how far a press
// has to move to be more than a click.
const GRIP = 7;
const SNAP = 8;
const STILL = 3;
const CURSORS = { start: "ew-resize", stop: "ew-resize", middle: "grab", line: "crosshair" };

export class RangePointer {
  // acts: {isOff(), changed(), done(), clicked(seconds), clear()}. changed() while the range or the
  // view changes, done() when a range has been drawn or moved.
  constructor(area, model, acts, signal) {
    Object.assign(this, { area, model, acts });
    this.drag = null;
    const listen = (name, act) =>
      area.addEventListener(name, (event) => act.call(this, event), { signal });
    listen("pointerdown", this.#down);
    listen("pointermove", this.#move);
    listen("pointerup", this.#up);
    listen("pointercancel", this.cancel);
    listen("lostpointercapture", this.cancel);
    listen("dblclick", this.#twice);
    listenToWheel(area, model, () => acts.changed(), signal);
  }

  #place(event) {
    return placeIn(this.area, event)[0];
  }

  #time(place) {
    return this.model.time(place, this.area.offsetWidth);
  }

  #snapped(time, event, snap = this.model.snap) {
    if (event.shiftKey) return time;
    return snap.call(this.model, time, (SNAP / this.area.offsetWidth) * this.model.span);
  }

  // What lies there: an edge, the middle of the range, or the line.
  #hit(place) {
    const { range } = this.model;
    if (!range || this.acts.isOff()) return "line";
    const [start, stop] = [range.start, range.stop]
      .map((time) => this.model.place(time, this.area.offsetWidth));
    // Of a range that looks narrow the middle third stays within reach.
    const grip = Math.min(GRIP, Math.max(2, (stop - start) / 3));
    if (place < start - GRIP || place > stop + GRIP) return "line";
    if (place <= start + grip) return "start";
    return place >= stop - grip ? "stop" : "middle";
  }

  #down(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    event.stopPropagation();
    const { range } = this.model;
    const place = this.#place(event);
    const part = this.#hit(place);
    this.area.setPointerCapture(event.pointerId);
    this.drag = { part, place, before: range, edge: this.model.edge, moved: false };
    if (part === "line") this.drag.anchor = this.#snapped(this.#time(place), event);
    if (part === "start") this.drag.anchor = range.stop;
    if (part === "stop") this.drag.anchor = range.start;
    if (part === "middle") this.drag.ahead = this.#time(place) - range.start;
    if (part === "start" || part === "stop") this.model.edge = part;
    this.acts.changed();
  }

  #move(event) {
    const place = this.#place(event);
    const { drag, model, acts, area } = this;
    if (!drag) {
      area.style.cursor = acts.isOff() ? "default" : CURSORS[this.#hit(place)];
      return;
    }
    event.stopPropagation();
    if (acts.isOff() || (!drag.moved && Math.abs(place - drag.place) < STILL)) return;
    drag.moved = true;
    panBeyond(model, area, place);
    const time = this.#time(place);
    if (drag.part === "middle") {
      area.style.cursor = "grabbing";
      model.moveTo(this.#snapped(time - drag.ahead, event, model.snapBoth));
    } else {
      model.stretch(drag.anchor, this.#snapped(time, event));
    }
    acts.changed();
  }

  #up(event) {
    const { drag } = this;
    if (!drag) return;
    event.stopPropagation();
    this.drag = null;
    this.area.style.cursor = "";
    if (drag.moved) this.acts.done();
    else this.acts.clicked(this.#time(drag.place), drag.part);
  }

  // As it was before the drag; whether there was one.
  cancel() {
    const { drag } = this;
    if (!drag) return false;
    this.drag = null;
    this.model.edge = drag.edge;
    if (drag.moved) this.model.setRange(drag.before);
    this.acts.changed();
    return true;
  }

  #twice(event) {
    event.stopPropagation();
    event.preventDefault();
    if (!this.acts.isOff()) this.acts.clear();
  }
}

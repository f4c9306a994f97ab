// The pointer on a timeline: adds, moves and shapes what lies in its lanes. No ComfyUI.
import { RANGES } from "./cue_sheet.js";
import { listenToWheel, panBeyond, placeIn } from "./line_events.js";
import { gainAtPlace, partAt, strengthAt } from "./timeline_lanes.js";

// In pixels: how near to a place something snaps, and how far a press has to move to be more than a
// click.
const SNAP = 8;
const STILL = 3;
const CURSORS = {
  point: "move", start: "ew-resize", end: "ew-resize", middle: "grab", new: "crosshair",
  line: "col-resize",
};

export class TimelinePointer {
  // acts: {isOff(), boxes(), leave(), changed(), done(made), chosen(), seek(seconds), none(),
  // watch(seconds), open(), restore()}. leave() before a press; changed() while something is
  // dragged, watch() for the picture of its moment, done(made) when it is let go, made: whether it
  // is new; chosen() for a click on something, none() for one beside it.
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

  get #reach() {
    return (SNAP / this.area.offsetWidth) * this.model.span;
  }

  #time(x) {
    return this.model.time(x, this.area.offsetWidth);
  }

  #at(event) {
    const [x, y] = placeIn(this.area, event);
    const found = partAt(this.model, this.acts.boxes(), x, y, this.area.offsetWidth);
    // Without a way to edit there is only the line, to be played from.
    return { x, y, ...(this.acts.isOff() ? { lane: found.lane, part: "line" } : found) };
  }

  #snapped(lane, time, event, but) {
    return event.shiftKey ? time : this.model.snap(lane, time, this.#reach, but);
  }

  #down(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    event.stopPropagation();
    this.acts.leave();
    const at = this.#at(event);
    this.area.setPointerCapture(event.pointerId);
    this.drag = { ...at, moved: false };
    if (at.part === "line") this.acts.seek(this.#time(at.x));
    else if (at.entry) this.#take(at);
    else if (!RANGES.includes(at.lane)) this.#put(at, event);
    else this.drag.anchor = this.#snapped(at.lane, this.#time(at.x), event);
    this.acts.changed();
  }

  #take({ lane, entry, x, part }) {
    this.model.choose(lane, entry);
    if (part === "start") this.drag.anchor = entry.end;
    if (part === "end") this.drag.anchor = entry.start;
    this.drag.ahead = this.#time(x) - (entry.start ?? entry.time);
  }

  // A hit or a point of the level curve, where it is pressed.
  #put({ lane, x, y }, event) {
    const { drag, model } = this;
    const time = this.#snapped(lane, this.#time(x), event);
    if (lane === "hits") drag.entry = model.addHit(time, strengthAt(this.acts.boxes().hits, y));
    else drag.entry = model.addLevel(time);
    Object.assign(drag, { part: "point", made: true, ahead: 0, way: "both" });
  }

  #move(event) {
    const { drag, model, acts, area } = this;
    if (!drag) {
      area.style.cursor = CURSORS[this.#at(event).part];
      return;
    }
    event.stopPropagation();
    const [x, y] = placeIn(area, event);
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < STILL) return;
    drag.moved = true;
    panBeyond(model, area, x);
    const time = this.#time(x);
    if (drag.part === "line") acts.seek(time);
    else if (drag.part === "point") this.#movePoint(time, [x, y], event);
    else this.#moveRange(time, event);
    acts.changed();
  }

  // Sideways or up and down, as it began; what is new goes both ways.
  #movePoint(time, [x, y], event) {
    const { drag, model } = this;
    const { lane } = drag;
    const sideways = Math.abs(x - drag.x) > Math.abs(y - drag.y);
    drag.way ??= lane === "levels" ? "both" : sideways ? "time" : "height";
    if (drag.way !== "height") {
      drag.entry = model.moveTo(lane, drag.entry, this.#snapped(lane, time - drag.ahead, event));
      if (lane === "hits") this.acts.watch(drag.entry.time);
    }
    if (drag.way === "time") return;
    const box = this.acts.boxes()[lane];
    if (lane === "hits") drag.entry = model.setStrength(drag.entry, strengthAt(box, y));
    else model.setGain(drag.entry, gainAtPlace(box, y));
  }

  #moveRange(time, event) {
    const { drag, model } = this;
    const { lane } = drag;
    if (drag.part === "middle") {
      this.area.style.cursor = "grabbing";
      const start = time - drag.ahead;
      const snapped = event.shiftKey ? start
        : model.snapBoth(lane, drag.entry, start, this.#reach);
      model.moveTo(lane, drag.entry, snapped);
      return;
    }
    if (!drag.entry) {
      drag.entry = model.addRange(lane, drag.anchor, 0);
      drag.made = true;
    }
    if (!drag.entry) return;
    const edge = this.#snapped(lane, time, event, drag.entry);
    model.stretch(lane, drag.entry, drag.anchor, edge);
    this.acts.watch(edge);
  }

  #up(event) {
    const { drag, acts } = this;
    if (!drag) return;
    event.stopPropagation();
    this.drag = null;
    this.area.style.cursor = "";
    if (drag.entry && (drag.moved || drag.made)) acts.done(Boolean(drag.made));
    else if (drag.part === "line" || drag.entry) acts.chosen();
    else {
      acts.seek(this.#time(drag.x));
      acts.none();
    }
  }

  // As it was before the drag; whether there was one.
  cancel() {
    const { drag } = this;
    if (!drag) return false;
    this.drag = null;
    this.area.style.cursor = "";
    if (drag.moved || drag.made) this.acts.restore();
    this.acts.changed();
    return true;
  }

  #twice(event) {
    event.stopPropagation();
    event.preventDefault();
    if (!this.acts.isOff()) this.acts.open();
  }
}

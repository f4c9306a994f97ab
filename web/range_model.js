// A range on a time line: its value and its edges. No page, no ComfyUI.
import { clamp, milliseconds, snapEither, TimeLine } from "./time_line.js";

// The shortest range, in seconds.
const SHORTEST = 0.01;

// {start, stop} in seconds of the text of a node's input; null for none, undefined for a text that
// cannot be read.
export function parseRange(text) {
  if (!String(text ?? "").trim()) return null;
  try {
    const { start, stop } = JSON.parse(text);
    const right = [start, stop].every(Number.isFinite) && start >= 0 && stop > start;
    return right ? { start, stop } : undefined;
  } catch {
    return undefined;
  }
}

export function rangeText(range) {
  return range ? `{"start": ${range.start}, "stop": ${range.stop}}` : "";
}

export class RangeModel extends TimeLine {
  range = null;
  // The edge that keys move.
  edge = "stop";
  onsets = [];

  get last() {
    return this.range?.stop ?? 0;
  }

  setSound(seconds, onsets) {
    const same = seconds === this.seconds;
    Object.assign(this, { seconds, onsets });
    if (!same) this.seeAll();
  }

  setRange(range) {
    this.range = range ?? null;
    if (!this.seconds) this.seeAll();
  }

  // A range between two moments, in either order; `moving` is the edge that is moved.
  stretch(anchor, moving) {
    const [fixed, free] = [anchor, moving].map((time) => clamp(time, 0, this.length));
    this.edge = free < fixed ? "start" : "stop";
    let [start, stop] = [Math.min(fixed, free), Math.max(fixed, free)];
    if (stop - start < SHORTEST) {
      if (this.edge === "start") start = Math.max(0, stop - SHORTEST);
      stop = Math.max(stop, start + SHORTEST);
    }
    this.range = { start: milliseconds(start), stop: milliseconds(stop) };
  }

  // The range at another place, as long as it was.
  moveTo(start) {
    const long = this.range.stop - this.range.start;
    const first = milliseconds(clamp(start, 0, Math.max(0, this.length - long)));
    this.range = { start: first, stop: milliseconds(first + long) };
  }

  // One edge elsewhere; it stays on its side of the other one.
  setEdge(edge, time) {
    const { start, stop } = this.range ?? { start: 0, stop: this.length };
    this.edge = edge;
    if (edge === "start") {
      this.range = { start: milliseconds(clamp(time, 0, stop - SHORTEST)), stop };
    } else {
      this.range = { start, stop: milliseconds(clamp(time, start + SHORTEST, this.length)) };
    }
  }

  // The onset, or end of the line, within `reach` seconds that is nearest; else the moment itself.
  snap(time, reach) {
    return this.snapTo(this.onsets, time, reach);
  }

  // Where a range of this length begins so that one of its edges snaps.
  snapBoth(start, reach) {
    const { range } = this;
    return snapEither(start, range.stop - range.start, (time) => this.snap(time, reach));
  }
}

// A range on a time line: its value, its edges, and what is seen of the line. No page, no ComfyUI.

// The shortest range and the shortest stretch that is seen, in seconds; and how long a line is of
// which no sound is known yet.
const SHORTEST = 0.01;
const NARROWEST = 0.1;
const UNKNOWN = 10;

function milliseconds(seconds) {
  return Math.round(seconds * 1000) / 1000;
}

function clamp(value, least, most) {
  return Math.max(least, Math.min(value, most));
}

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

export class RangeModel {
  range = null;
  // The edge that keys move.
  edge = "stop";
  // Of the sound; 0 while none is known.
  seconds = 0;
  onsets = [];
  // What is seen of the line: its first moment, and how long.
  from = 0;
  span = UNKNOWN;

  // How long the line is.
  get length() {
    return this.seconds || Math.max(UNKNOWN, Math.ceil((this.range?.stop ?? 0) * 1.25));
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
    let nearest = time;
    let off = reach;
    for (const place of [0, this.length, ...this.onsets]) {
      if (Math.abs(place - time) <= off) {
        off = Math.abs(place - time);
        nearest = place;
      }
    }
    return nearest;
  }

  // Where a range of this length begins so that one of its edges snaps.
  snapBoth(start, reach) {
    const long = this.range.stop - this.range.start;
    const byStart = this.snap(start, reach);
    const byStop = this.snap(start + long, reach) - long;
    if (byStart === start) return byStop;
    if (byStop === start) return byStart;
    return Math.abs(byStart - start) <= Math.abs(byStop - start) ? byStart : byStop;
  }

  seeAll() {
    this.from = 0;
    this.span = this.length;
  }

  // factor above 1 shows less of the line, larger; the moment `at` stays where it is.
  zoom(factor, at) {
    const before = this.span;
    this.span = clamp(before / factor, Math.min(NARROWEST, this.length), this.length);
    this.#seeFrom(at - ((at - this.from) * this.span) / before);
  }

  pan(seconds) {
    this.#seeFrom(this.from + seconds);
  }

  // Pans as little as brings a moment into what is seen.
  reveal(time) {
    const margin = this.span * 0.05;
    if (time < this.from) this.#seeFrom(time - margin);
    else if (time > this.from + this.span) this.#seeFrom(time - this.span + margin);
  }

  #seeFrom(time) {
    this.from = clamp(time, 0, this.length - this.span);
  }

  // Places on a drawing of this width.
  place(time, width) {
    return ((time - this.from) / this.span) * width;
  }

  time(place, width) {
    return this.from + (place / width) * this.span;
  }
}

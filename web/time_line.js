// What is seen of a line of time, and what snaps on it. No page, no ComfyUI.

// The shortest stretch that is seen, in seconds, and how long a line is of which nothing is known.
const NARROWEST = 0.1;
export const UNKNOWN = 10;

export function milliseconds(seconds) {
  return Math.round(seconds * 1000) / 1000;
}

export function clamp(value, least, most) {
  return Math.max(least, Math.min(value, most));
}

export class TimeLine {
  // Of what lies on it; 0 while that is not known.
  seconds = 0;
  // What is seen: its first moment, and how long.
  from = 0;
  span = UNKNOWN;

  // The last moment of what lies on it, whatever its seconds are.
  get last() {
    return 0;
  }

  // How long the line is.
  get length() {
    return this.seconds || Math.max(UNKNOWN, Math.ceil(this.last * 1.25));
  }

  // The nearest of these places, or end of the line, within `reach` seconds; else the moment.
  snapTo(places, time, reach) {
    let nearest = time;
    let off = reach;
    for (const place of [0, this.length, ...places]) {
      if (Math.abs(place - time) <= off) {
        off = Math.abs(place - time);
        nearest = place;
      }
    }
    return nearest;
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

// Where a stretch begins so that one of its edges snaps. snap(time): the place that a moment snaps
// to.
export function snapEither(start, long, snap) {
  const byStart = snap(start);
  const byStop = snap(start + long) - long;
  if (byStart === start) return byStop;
  if (byStop === start) return byStart;
  return Math.abs(byStart - start) <= Math.abs(byStop - start) ? byStart : byStop;
}

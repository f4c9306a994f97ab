// A cue sheet on a line of time: what is edited in it, and what of it is chosen. No page, no
// ComfyUI.
import {
  emptySheet, endOf, gainAt, LANES, parseSheet, RANGES, sheetText, startOf,
} from "./cue_sheet.js";
import { clamp, milliseconds, snapEither, TimeLine } from "./time_line.js";

// Seconds that an edge of a range lies before the hit that it snaps to, which then is inside.
const AHEAD = 0.08;

// The shortest range, the length of one that no pointer draws, and how near a hit is to the one
// that was seen, in seconds.
const SHORTEST = 0.01;
const USUAL = 1;
const SAME = 0.05;
const MOST_TAKES = 64;
const STRENGTH = 0.8;
export const GAINS = { least: -100, most: 24 };

export class TimelineModel extends TimeLine {
  sheet = emptySheet();
  // {time, strength} of the hits that were seen; null where nobody looked.
  seen = null;
  // {lane, entry} that is chosen, or null.
  chosen = null;
  // Whether the text that came in is no sheet.
  unread = false;

  get last() {
    const entries = LANES.flatMap((lane) => this.entries(lane));
    return entries.reduce((most, one) => Math.max(most, endOf(one)), 0);
  }

  get hits() {
    return this.sheet.hits ?? this.seen ?? [];
  }

  entries(lane) {
    return lane === "hits" ? this.hits : this.sheet[lane];
  }

  get text() {
    return sheetText({ ...this.sheet, seconds: this.seconds || this.sheet.seconds });
  }

  // What lies on the line; `hits` are pairs of time and strength.
  setSeen(seconds, hits) {
    const same = (seconds ?? 0) === this.seconds;
    const own = this.sheet.hits;
    this.seen = hits?.map(([time, strength]) => ({ time, strength })) ?? null;
    if (!own && this.chosen?.lane === "hits") this.chosen = null;
    this.seconds = seconds ?? 0;
    if (!same) this.seeAll();
  }

  // The sheet of a text; what is chosen stays so where it is still there.
  read(text) {
    const { chosen } = this;
    const sheet = parseSheet(text);
    this.unread = sheet === undefined;
    this.sheet = sheet ?? emptySheet();
    this.chosen = null;
    if (chosen) this.choose(chosen.lane, this.nearest(chosen.lane, startOf(chosen.entry), 0.0005));
    if (!this.seconds) this.seeAll();
  }

  choose(lane, entry) {
    this.chosen = entry ? { lane, entry } : null;
  }

  // What lies at a moment, or nearest to it within `reach` seconds.
  nearest(lane, time, reach) {
    let found = null;
    for (const entry of this.entries(lane)) {
      const off = Math.max(startOf(entry) - time, time - endOf(entry), 0);
      if (off <= reach) [found, reach] = [entry, off];
    }
    return found;
  }

  // The entry as it can be changed: hits that were only seen are written down first, all of them.
  own(lane, entry) {
    if (lane !== "hits" || this.sheet.hits) return entry;
    const seen = this.seen ?? [];
    this.sheet.hits = seen.map((hit) => ({ ...hit }));
    const own = this.sheet.hits[seen.indexOf(entry)] ?? entry;
    if (this.chosen?.entry === entry) this.choose(lane, own);
    return own;
  }

  hitsAsSeen() {
    this.sheet.hits = null;
    if (this.chosen?.lane === "hits") this.chosen = null;
  }

  #add(lane, entry) {
    this.own(lane, null);
    const entries = this.sheet[lane];
    const after = entries.findIndex((one) => startOf(one) > startOf(entry));
    entries.splice(after < 0 ? entries.length : after, 0, entry);
    this.choose(lane, entry);
    return entry;
  }

  addHit(time, strength = STRENGTH) {
    const short = Math.round(strength * 100) / 100;
    return this.#add("hits", { time: this.#moment(time), strength: short });
  }

  // A point of the level curve, on the curve unless a gain is given; the one that is there already.
  addLevel(time, gain = gainAt(this.sheet.levels, time)) {
    const moment = this.#moment(time);
    const there = this.nearest("levels", moment, 0.001);
    if (there) this.choose("levels", there);
    return there ?? this.#add("levels", { time: moment, gain: Math.round(gain * 10) / 10 });
  }

  // A range from a moment on where there is room; the one that is there already, or null.
  addRange(lane, time, long = USUAL) {
    const there = this.sheet[lane].find((one) => one.start <= time && time < one.end);
    if (there) {
      this.choose(lane, there);
      return there;
    }
    const [least, most] = this.room(lane, time);
    if (most - least < SHORTEST) return null;
    const start = milliseconds(clamp(time, least, most - SHORTEST));
    const range = { start, end: milliseconds(clamp(time + long, start + SHORTEST, most)) };
    if (lane === "takes") range.take = this.#freeTake();
    return this.#add(lane, range);
  }

  add(lane, time) {
    if (lane === "hits") return this.addHit(time);
    return lane === "levels" ? this.addLevel(time) : this.addRange(lane, time);
  }

  // What other ranges leave free around a moment; `but` is left out of account.
  room(lane, time, but = null) {
    let [least, most] = [0, this.length];
    for (const one of this.sheet[lane]) {
      if (one === but) continue;
      if (one.end <= time) least = Math.max(least, one.end);
      else most = Math.min(most, one.start);
    }
    return [least, most];
  }

  #freeTake() {
    const used = new Set(this.sheet.takes.map((one) => one.take));
    let take = 2;
    while (used.has(take) && take < MOST_TAKES) take += 1;
    return take;
  }

  #moment(time) {
    return milliseconds(clamp(time, 0, this.length));
  }

  // A range between two moments, in either order, within its room.
  stretch(lane, range, anchor, moving) {
    const [least, most] = this.room(lane, anchor, range);
    const [fixed, free] = [anchor, moving].map((time) => clamp(time, least, most));
    let [start, end] = [Math.min(fixed, free), Math.max(fixed, free)];
    if (end - start < SHORTEST) {
      if (free < fixed) start = Math.max(least, end - SHORTEST);
      end = Math.min(most, Math.max(end, start + SHORTEST));
    }
    Object.assign(range, { start: milliseconds(start), end: milliseconds(end) });
  }

  setEdge(lane, range, edge, time) {
    const [least, most] = this.room(lane, range.start, range);
    if (edge === "start") range.start = milliseconds(clamp(time, least, range.end - SHORTEST));
    else range.end = milliseconds(clamp(time, range.start + SHORTEST, most));
  }

  // To another place: a range stays as long as it is and between its neighbours.
  moveTo(lane, given, time) {
    const entry = this.own(lane, given);
    if (RANGES.includes(lane)) {
      const [least, most] = this.room(lane, entry.start, entry);
      const long = entry.end - entry.start;
      entry.start = milliseconds(clamp(time, least, Math.max(least, most - long)));
      entry.end = milliseconds(entry.start + long);
    } else if (lane === "levels") {
      const points = this.sheet.levels;
      const place = points.indexOf(entry);
      const least = (points[place - 1]?.time ?? -0.001) + 0.001;
      const most = (points[place + 1]?.time ?? this.length + 0.001) - 0.001;
      entry.time = milliseconds(clamp(time, least, most));
    } else {
      entry.time = this.#moment(time);
    }
    return entry;
  }

  setStrength(given, strength) {
    const entry = this.own("hits", given);
    entry.strength = Math.round(clamp(strength, 0, 1) * 100) / 100;
    return entry;
  }

  setGain(entry, gain) {
    entry.gain = Math.round(clamp(gain, GAINS.least, GAINS.most) * 10) / 10;
    return entry;
  }

  isSeen(hit) {
    return Boolean(this.seen?.some((one) => Math.abs(one.time - hit.time) <= SAME));
  }

  // A hit that was seen stays as a ghost, and comes back by being removed again.
  remove(lane, given) {
    const entry = this.own(lane, given);
    if (lane === "hits" && (entry.removed || this.isSeen(entry))) {
      entry.removed = !entry.removed;
      return;
    }
    const entries = this.sheet[lane];
    entries.splice(entries.indexOf(entry), 1);
    this.chosen = null;
  }

  // What a moment snaps to: hits that were seen, and for ranges also hits and edges of others.
  places(lane, but = null) {
    const seen = (this.seen ?? []).map((hit) => hit.time);
    if (!RANGES.includes(lane)) return seen;
    const hits = this.hits.filter((hit) => !hit.removed).map((hit) => hit.time);
    const places = [...seen, ...hits].map((time) => Math.max(time - AHEAD, 0));
    for (const other of RANGES) {
      for (const one of this.sheet[other]) if (one !== but) places.push(one.start, one.end);
    }
    return places;
  }

  snap(lane, time, reach, but = null) {
    return this.snapTo(this.places(lane, but), time, reach);
  }

  snapBoth(lane, range, start, reach) {
    const long = range.end - range.start;
    return snapEither(start, long, (time) => this.snap(lane, time, reach, range));
  }
}

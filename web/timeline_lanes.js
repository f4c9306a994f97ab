// Where the lanes of a timeline lie, and what lies at a place. No page, no ComfyUI.
import { gainAt, RANGES } from "./cue_sheet.js";
import { RULER } from "./line_drawing.js";
import { clamp } from "./time_line.js";

// Least heights in pixels; what a timeline is higher goes to the lanes with a share.
const HEIGHTS = { ruler: RULER, film: 40, hits: 64, prompts: 26, takes: 22, mutes: 18, levels: 64 };
const SHARES = { film: 0.2, hits: 0.4, levels: 0.4 };
const GAP = 3;
export const LEAST_HEIGHT = Object.values(HEIGHTS).reduce((sum, one) => sum + one + GAP, 0);
// How near, in pixels, something is taken; the edge of a range; the level curve where none is.
const REACH = 7;
const GRIP = 6;
const CURVE = 6;
// What the level lane shows, in decibels.
const TOP_GAIN = 12;
const LOW_GAIN = -36;
// Room for the dot of a hit above and below its stem.
const DOT = 5;

// {top, height} of each lane by name.
export function laneBoxes(height, withFilm) {
  const spare = Math.max(0, height - LEAST_HEIGHT + (withFilm ? 0 : HEIGHTS.film + GAP));
  const boxes = {};
  let top = 0;
  for (const [lane, least] of Object.entries(HEIGHTS)) {
    if (lane === "film" && !withFilm) {
      boxes.film = { top, height: 0 };
      continue;
    }
    const share = withFilm || !SHARES[lane] ? SHARES[lane] ?? 0 : 0.5;
    boxes[lane] = { top, height: least + Math.floor(spare * share) };
    top += boxes[lane].height + GAP;
  }
  return boxes;
}

export function laneAt(boxes, y) {
  const names = Object.keys(boxes).filter((lane) => boxes[lane].height);
  return names.find((lane) => y < boxes[lane].top + boxes[lane].height + GAP / 2) ?? names.at(-1);
}

export function strengthPlace({ top, height }, strength) {
  return top + height - 1 - strength * (height - 2 * DOT);
}

export function strengthAt({ top, height }, y) {
  return clamp((top + height - 1 - y) / (height - 2 * DOT), 0.05, 1);
}

export function gainPlace({ top, height }, gain) {
  const share = (TOP_GAIN - clamp(gain, LOW_GAIN, TOP_GAIN)) / (TOP_GAIN - LOW_GAIN);
  return top + 4 + share * (height - 8);
}

export function gainAtPlace({ top, height }, y) {
  const share = clamp((y - top - 4) / (height - 8), 0, 1);
  return Math.round((TOP_GAIN - share * (TOP_GAIN - LOW_GAIN)) * 2) / 2;
}

function hitAt(model, box, x, y, width) {
  let found = null;
  let reach = REACH;
  for (const entry of model.hits) {
    const off = Math.abs(model.place(entry.time, width) - x);
    if (off < reach && y > strengthPlace(box, entry.strength) - 2 * DOT) {
      [found, reach] = [entry, off];
    }
  }
  return found && { part: "point", entry: found };
}

function rangeAt(model, lane, x, width) {
  let found = null;
  for (const entry of model.entries(lane)) {
    const [left, right] = [entry.start, entry.end].map((time) => model.place(time, width));
    // Of a range that looks narrow the middle third stays within reach.
    const grip = Math.min(GRIP, Math.max(1, (right - left) / 3));
    if (x >= left + grip && x <= right - grip) return { part: "middle", entry };
    if (x >= left - GRIP / 2 && x < left + grip) found = { part: "start", entry };
    else if (x > right - grip && x <= right + GRIP / 2) found ??= { part: "end", entry };
  }
  return found;
}

function levelAt(model, box, x, y, width) {
  const found = model.entries("levels").find((entry) =>
    Math.abs(model.place(entry.time, width) - x) < REACH
      && Math.abs(gainPlace(box, entry.gain) - y) < REACH);
  if (found) return { part: "point", entry: found };
  const curve = gainPlace(box, gainAt(model.entries("levels"), model.time(x, width)));
  return Math.abs(curve - y) < CURVE ? { part: "new" } : null;
}

// {lane, part, entry} at a place. part: "point", "start", "middle" or "end" of an entry, "new"
// where one can begin, "line" where there is only the line.
export function partAt(model, boxes, x, y, width) {
  const lane = laneAt(boxes, y);
  let found = null;
  if (lane === "hits") found = hitAt(model, boxes.hits, x, y, width) ?? { part: "new" };
  else if (lane === "levels") found = levelAt(model, boxes.levels, x, y, width);
  else if (RANGES.includes(lane)) found = rangeAt(model, lane, x, width) ?? { part: "new" };
  return { lane, ...(found ?? { part: "line" }) };
}

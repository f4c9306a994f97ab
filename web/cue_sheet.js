// A cue sheet as core/cues.py has it: its text, and the places of what stands in it. No page, no
// ComfyUI.
const FORMAT = "foleystage cues";
const VERSION = 1;
export const RANGES = ["prompts", "takes", "mutes"];
export const POINTS = ["hits", "levels"];
export const LANES = ["hits", "prompts", "takes", "mutes", "levels"];
// What is left away where it is so.
const DEFAULTS = {
  prompt: "", negative: "", guidance: null, reference: "", material: "", removed: false,
};

export function emptySheet() {
  return { seconds: null, prompts: [], hits: null, mutes: [], takes: [], levels: [] };
}

export function startOf(entry) {
  return entry.start ?? entry.time;
}

export function endOf(entry) {
  return entry.end ?? entry.time;
}

function isEntry(lane, entry) {
  const edges = RANGES.includes(lane) ? [entry?.start, entry?.end] : [entry?.time];
  const right = edges.every((edge) => Number.isFinite(edge) && edge >= 0);
  if (lane === "levels") return right && Number.isFinite(entry.gain);
  if (lane === "takes") return right && Number.isInteger(entry.take);
  return right && (edges.length < 2 || edges[0] < edges[1]);
}

function sorted(entries) {
  return entries.sort((one, other) => startOf(one) - startOf(other));
}

// The sheet of a text, empty for none; undefined for a text that is no sheet.
export function parseSheet(text) {
  const sheet = emptySheet();
  if (!String(text ?? "").trim()) return sheet;
  try {
    const value = JSON.parse(text);
    if (value.format !== FORMAT || value.version !== VERSION) return undefined;
    sheet.seconds = value.seconds ?? null;
    for (const lane of LANES) {
      if (value[lane] == null) continue;
      if (!value[lane].every((entry) => isEntry(lane, entry))) return undefined;
      sheet[lane] = sorted(value[lane].map((entry) => ({ ...entry })));
    }
    for (const hit of sheet.hits ?? []) hit.strength ??= 0.8;
    return sheet;
  } catch {
    return undefined;
  }
}

function written(entry) {
  return Object.fromEntries(
    Object.entries(entry).filter(([name, value]) => value !== DEFAULTS[name]));
}

// Nothing for a sheet in which nothing is edited.
export function sheetText(sheet) {
  const kept = LANES.filter((lane) => sheet[lane] && (lane === "hits" || sheet[lane].length));
  if (!kept.length) return "";
  const text = { format: FORMAT, version: VERSION };
  if (sheet.seconds) text.seconds = sheet.seconds;
  for (const lane of kept) text[lane] = sorted([...sheet[lane]]).map(written);
  return JSON.stringify(text);
}

// Decibels of a level curve, its points in order of time, as core/cues.py has them.
export function gainAt(levels, time) {
  const after = levels.findIndex((one) => one.time > time);
  if (!levels.length) return 0;
  if (after < 1) return levels.at(after).gain;
  const [one, other] = [levels[after - 1], levels[after]];
  return one.gain + ((time - one.time) / (other.time - one.time)) * (other.gain - one.gain);
}

// Draws a RangeModel: ruler, waveform, onsets, range and playhead. No ComfyUI.

const RULER = 18;
const FONT = "10px system-ui, sans-serif";
// Seconds between two figures of the ruler, and the least room for one, in pixels.
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const ROOM = 46;
// A sound fainter than this is not drawn up to the full height.
const FAINT = 0.02;
// Of a range and of an onset, on dark ground and on light.
const ON_DARK = { range: "#6fa8ff", onset: "#ff8f6b" };
const ON_LIGHT = { range: "#2b5797", onset: "#b8263d" };

function isDark(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

// ground and ink: colours as a page computes them, "rgb(...)".
export function coloursOn(ground, ink) {
  return { ground, ink, ...(isDark(ground) ? ON_DARK : ON_LIGHT) };
}

// What the peaks are multiplied with, so that the loudest fills the height.
export function gainOf(peaks) {
  const loudest = peaks.reduce((most, [low, high]) => Math.max(most, -low, high), 0);
  return 1 / Math.max(loudest, FAINT);
}

export function rulerStep(span, width) {
  const least = (ROOM / width) * span;
  return STEPS.find((step) => step >= least) ?? STEPS.at(-1);
}

// "0.25", "12", "1:30": as many figures as the step asks for.
export function rulerFigure(time, step) {
  const places = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  if (time < 60) return time.toFixed(places);
  const rest = (time % 60).toFixed(places);
  return `${Math.floor(time / 60)}:${rest.padStart(places ? places + 3 : 2, "0")}`;
}

// scene: {model, peaks, gain, head: seconds or null, off: whether nothing can be drawn on it}.
export function drawRange(context, { width, height }, scene, colours) {
  const { model } = scene;
  const area = { width, top: RULER, height: height - RULER - 1 };
  context.clearRect(0, 0, width, height);
  drawRuler(context, model, area, colours);
  drawOnsets(context, model, area, colours);
  const range = model.range && {
    left: model.place(model.range.start, width),
    right: model.place(model.range.stop, width),
  };
  if (range) drawGround(context, range, area, colours);
  drawWave(context, scene, area, range, colours);
  if (range) drawEdges(context, range, area, model.edge, colours, scene.off);
  if (scene.head != null) drawHead(context, model.place(scene.head, width), area, colours);
  drawScroll(context, model, area, colours);
}

function drawRuler(context, model, { width, top }, { ink }) {
  const step = rulerStep(model.span, width);
  context.font = FONT;
  context.textBaseline = "top";
  context.fillStyle = ink;
  // Counted in steps: sums of a tenth would drift.
  const last = Math.floor((model.from + model.span) / step + 1e-6);
  for (let k = Math.ceil(model.from / step - 1e-6); k <= last; k += 1) {
    const place = Math.round(model.place(k * step, width));
    context.globalAlpha = 0.5;
    context.fillRect(Math.min(place, width - 1), top - 5, 1, 4);
    context.globalAlpha = 1;
    const figure = rulerFigure(k * step, step);
    const half = context.measureText(figure).width / 2;
    context.fillText(figure, Math.max(0, Math.min(place - half, width - 2 * half)), 1);
  }
}

function drawOnsets(context, model, { width, top, height }, { onset }) {
  context.fillStyle = onset;
  for (const time of model.onsets) {
    const place = Math.round(model.place(time, width));
    if (place < 0 || place > width) continue;
    context.globalAlpha = 0.35;
    context.fillRect(place, top, 1, height);
    context.globalAlpha = 1;
    context.fillRect(place - 1, top + height - 4, 3, 4);
  }
}

function drawGround(context, { left, right }, { top, height }, { range }) {
  context.globalAlpha = 0.2;
  context.fillStyle = range;
  context.fillRect(left, top, right - left, height);
  context.globalAlpha = 1;
}

// A bar for each pixel; what lies in the range has its colour.
function drawWave(context, { model, peaks, gain, off }, area, range, colours) {
  const { width, top, height } = area;
  const middle = top + height / 2;
  const half = height / 2 - 3;
  const perSecond = peaks.length / (model.seconds || 1);
  for (let x = 0; x < width; x += 1) {
    const within = !off && range && x >= range.left - 0.5 && x < range.right;
    context.globalAlpha = within ? 1 : 0.7;
    context.fillStyle = within ? colours.range : colours.ink;
    const first = Math.floor(model.time(x, width) * perSecond);
    const stop = Math.max(first + 1, Math.floor(model.time(x + 1, width) * perSecond));
    let [low, high] = [0, 0];
    for (let k = Math.max(first, 0); k < Math.min(stop, peaks.length); k += 1) {
      low = Math.min(low, peaks[k][0]);
      high = Math.max(high, peaks[k][1]);
    }
    const up = high * gain * half;
    context.fillRect(x, middle - up, 1, Math.max(1, up - low * gain * half));
  }
  context.globalAlpha = 1;
}

// Lines with a grip in their middle; a bright bar in the grip of the edge that keys move.
function drawEdges(context, { left, right }, { top, height }, edge, { ground, range }, off) {
  const middle = top + height / 2;
  for (const [name, place] of [["start", left], ["stop", right]]) {
    context.fillStyle = range;
    context.fillRect(place - 1, top, 2, height);
    if (off) continue;
    context.beginPath();
    context.roundRect(place - 4, middle - 11, 8, 22, 3);
    context.fill();
    context.fillStyle = ground;
    if (name === edge) context.fillRect(place - 1, middle - 7, 2, 14);
  }
}

function drawHead(context, place, { top, height }, { ink }) {
  context.fillStyle = ink;
  context.fillRect(place - 0.5, top - 4, 1, height + 4);
  context.beginPath();
  context.moveTo(place - 4, top - 6);
  context.lineTo(place + 4, top - 6);
  context.lineTo(place, top);
  context.fill();
}

// How much of the line is seen, and where, along the lower edge.
function drawScroll(context, model, { width, top, height }, { ink }) {
  if (model.span >= model.length) return;
  const long = Math.max(8, (model.span / model.length) * width);
  const left = (model.from / (model.length - model.span)) * (width - long);
  context.globalAlpha = 0.75;
  context.fillStyle = ink;
  context.fillRect(left, top + height - 1, long, 2);
  context.globalAlpha = 1;
}

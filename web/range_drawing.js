// Draws a RangeModel: ruler, waveform, onsets, range and playhead. No ComfyUI.
import { drawBars, drawHead, drawRuler, drawScroll, isDark, RULER } from "./line_drawing.js";

// Of a range and of an onset, on dark ground and on light.
const ON_DARK = { range: "#6fa8ff", onset: "#ff8f6b" };
const ON_LIGHT = { range: "#2b5797", onset: "#b8263d" };

// ground and ink: colours as a page computes them, "rgb(...)".
export function coloursOn(ground, ink) {
  return { ground, ink, ...(isDark(ground) ? ON_DARK : ON_LIGHT) };
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

// What lies in the range has its colour.
function drawWave(context, scene, area, range, colours) {
  drawBars(context, scene, area, (x) => {
    const within = !scene.off && range && x >= range.left - 0.5 && x < range.right;
    return within ? [colours.range, 1] : [colours.ink, 0.7];
  });
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

// Draws a TimelineModel in its lanes. No ComfyUI.
import { gainAt } from "./cue_sheet.js";
import { drawBars, drawHead, drawRuler, drawScroll, FONT, isDark } from "./line_drawing.js";
import { drawRanges, hatch } from "./timeline_ranges.js";
import { gainPlace, strengthPlace } from "./timeline_lanes.js";

// Of each lane, on dark ground and on light.
const ON_DARK = {
  hits: "#ff8f6b", prompts: "#7fc8a9", takes: "#c79bff", mutes: "#b9b9b9", levels: "#6fa8ff",
};
const ON_LIGHT = {
  hits: "#b8263d", prompts: "#1f6f4e", takes: "#6b3fa0", mutes: "#5a5a5a", levels: "#2b5797",
};
const POINT = 4;

// ground and ink: colours as a page computes them, "rgb(...)".
export function coloursOn(ground, ink) {
  return { ground, ink, ...(isDark(ground) ? ON_DARK : ON_LIGHT) };
}

// scene: {model, boxes, film, curve, peaks, gain, head, words, known}. film: {image, count, aspect}
// or null; curve: {rate, start, values} or null; peaks: of the waveform, or null; head: seconds;
// known: whether the node has shown anything yet.
export function drawTimeline(context, { width, height }, scene, colours) {
  const { model, boxes, head } = scene;
  context.clearRect(0, 0, width, height);
  drawGrounds(context, width, boxes, colours);
  drawRuler(context, model, { width, top: boxes.ruler.height }, colours);
  if (boxes.film.height && scene.film) drawFilm(context, scene, width);
  drawHits(context, scene, width, colours);
  for (const lane of ["prompts", "takes", "mutes"]) {
    drawRanges(context, scene, lane, { ...boxes[lane], width }, colours);
  }
  drawSound(context, scene, { ...boxes.levels, width }, colours);
  drawLevels(context, model, { ...boxes.levels, width }, colours);
  const top = boxes.ruler.height;
  const line = { width, top, height: height - top };
  drawHead(context, model.place(head, width), line, colours);
  drawScroll(context, model, line, colours);
}

function drawGrounds(context, width, boxes, { ink }) {
  context.fillStyle = ink;
  context.globalAlpha = 0.06;
  for (const [lane, { top, height }] of Object.entries(boxes)) {
    if (lane !== "ruler") context.fillRect(0, top, width, height);
  }
  context.globalAlpha = 1;
}

// Frames side by side, each the one of its middle.
function drawFilm(context, { model, film, boxes }, width) {
  const { top, height } = boxes.film;
  const { image, count } = film;
  if (!image?.complete || !image.naturalWidth) return;
  const wide = height * film.aspect;
  const each = image.naturalWidth / count;
  context.save();
  context.beginPath();
  context.rect(0, top, width, height);
  context.clip();
  // Frames stay where they are in time while the line is scrolled.
  const pixelsPerSecond = width / model.span;
  const first = Math.floor((model.from * pixelsPerSecond) / wide);
  for (let k = first; ; k += 1) {
    const left = k * wide - model.from * pixelsPerSecond;
    const time = ((k + 0.5) * wide) / pixelsPerSecond;
    if (left >= width || k * wide >= model.length * pixelsPerSecond) break;
    const frame = Math.min(count - 1, Math.floor((time / model.length) * count));
    context.drawImage(image, frame * each, 0, each, image.naturalHeight, left, top, wide, height);
  }
  context.restore();
}

function drawCurve(context, { model, curve, boxes }, width, colour) {
  const { top, height } = boxes.hits;
  const { rate, start, values } = curve;
  context.fillStyle = colour;
  context.globalAlpha = 0.3;
  for (let x = 0; x < width; x += 1) {
    const first = Math.floor((model.time(x, width) - start) * rate);
    const stop = Math.max(first + 1, Math.floor((model.time(x + 1, width) - start) * rate));
    let most = 0;
    for (let k = Math.max(first, 0); k < Math.min(stop, values.length); k += 1) {
      most = Math.max(most, values[k]);
    }
    const high = most * (height - 10);
    context.fillRect(x, top + height - high, 1, high);
  }
  context.globalAlpha = 1;
}

// A stem for each hit, as high as it is hard; a dashed one for a hit that is removed.
function drawHits(context, scene, width, colours) {
  const { model, boxes, words } = scene;
  const box = boxes.hits;
  if (scene.curve) drawCurve(context, scene, width, colours.ink);
  drawSeen(context, model, box, width, colours);
  for (const hit of model.hits) {
    const place = model.place(hit.time, width);
    if (place < -POINT || place > width + POINT) continue;
    drawHit(context, hit, place, box, model.chosen?.entry === hit, colours);
  }
  if (!model.hits.length && scene.known) {
    drawWords(context, model.seen ? words.noHits : words.noFeatures, box, width, colours);
  }
}

// Small marks where hits were seen, once they are edited.
function drawSeen(context, model, { top, height }, width, { ink }) {
  if (!model.sheet.hits) return;
  context.fillStyle = ink;
  for (const { time } of model.seen ?? []) {
    const place = model.place(time, width);
    context.beginPath();
    context.moveTo(place - 3, top + height);
    context.lineTo(place + 3, top + height);
    context.lineTo(place, top + height - 5);
    context.fill();
  }
}

function drawHit(context, hit, place, box, chosen, { ground, ink, hits }) {
  const high = strengthPlace(box, hit.strength);
  context.save();
  context.strokeStyle = context.fillStyle = hit.removed ? ink : hits;
  context.lineWidth = chosen ? 3 : 2;
  if (hit.removed) {
    context.lineWidth = chosen ? 2 : 1;
    context.setLineDash([3, 3]);
  }
  context.beginPath();
  context.moveTo(place, box.top + box.height);
  context.lineTo(place, high + POINT);
  context.stroke();
  context.setLineDash([]);
  dot(context, place, high, chosen ? POINT + 1 : POINT);
  if (hit.removed) {
    context.fillStyle = ground;
    context.fill();
    context.stroke();
    cross(context, place, high);
  } else {
    context.fill();
  }
  if (chosen) ring(context, place, high, ink);
  context.restore();
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

function cross(context, x, y) {
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x - 2, y - 2);
  context.lineTo(x + 2, y + 2);
  context.moveTo(x + 2, y - 2);
  context.lineTo(x - 2, y + 2);
  context.stroke();
}

function ring(context, x, y, ink) {
  dot(context, x, y, POINT + 3);
  context.strokeStyle = ink;
  context.lineWidth = 1.5;
  context.stroke();
}

function drawWords(context, text, { top, height }, width, { ink }) {
  context.font = FONT;
  context.textBaseline = "middle";
  context.textAlign = "center";
  context.fillStyle = ink;
  context.fillText(text, width / 2, top + height / 2, width - 16);
  context.textAlign = "left";
}

// The waveform, dimmed where nothing is heard.
function drawSound(context, { model, peaks, gain, words, known }, area, colours) {
  if (!peaks) {
    const lower = { top: area.top + area.height * 0.45, height: area.height * 0.5 };
    if (known) drawWords(context, words.noSound, lower, area.width, colours);
    return;
  }
  const muted = model.entries("mutes").map((one) =>
    [one.start, one.end].map((time) => model.place(time, area.width)));
  drawBars(context, { model, peaks, gain }, area, (x) => {
    const silent = muted.some(([left, right]) => x >= left && x < right);
    return [colours.ink, silent ? 0.15 : 0.55];
  });
  for (const [left, right] of muted) {
    hatch(context, { left, right, ...area }, colours.mutes, 0.25);
  }
}

// The level curve, its points, and a faint line at 0 dB.
function drawLevels(context, model, area, { ground, ink, levels }) {
  const points = model.entries("levels");
  const { width } = area;
  context.save();
  context.beginPath();
  context.rect(0, area.top, width, area.height);
  context.clip();
  context.strokeStyle = ink;
  context.globalAlpha = 0.4;
  context.lineWidth = 1;
  context.setLineDash([2, 4]);
  stroke(context, [[0, gainPlace(area, 0)], [width, gainPlace(area, 0)]]);
  context.setLineDash([]);
  context.globalAlpha = 1;
  context.strokeStyle = context.fillStyle = levels;
  context.lineWidth = 2;
  const places = points.map((one) => [model.place(one.time, width), gainPlace(area, one.gain)]);
  const ends = [0, width].map((x) => [x, gainPlace(area, gainAt(points, model.time(x, width)))]);
  const inner = places.filter(([x]) => x > 0 && x < width);
  if (points.length) {
    stroke(context, [ends[0], ...inner, ends[1]]);
    context.lineTo(width, area.top + area.height);
    context.lineTo(0, area.top + area.height);
    context.globalAlpha = 0.12;
    context.fill();
  }
  context.restore();
  points.forEach((point, index) => {
    const [x, y] = places[index];
    if (x < -POINT || x > width + POINT) return;
    const chosen = model.chosen?.entry === point;
    context.fillStyle = levels;
    context.fillRect(x - POINT, y - POINT, 2 * POINT, 2 * POINT);
    if (!chosen) return;
    context.fillStyle = ground;
    context.fillRect(x - 2, y - 2, 4, 4);
    drawFigure(context, `${point.gain} dB`, x, y, area, ink);
  });
}

function stroke(context, places) {
  context.beginPath();
  places.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

function drawFigure(context, text, x, y, { top, width }, ink) {
  context.font = FONT;
  context.textBaseline = "alphabetic";
  context.fillStyle = ink;
  const wide = context.measureText(text).width;
  const above = y - top > 18;
  context.fillText(text, Math.max(2, Math.min(x + 7, width - wide - 2)), above ? y - 6 : y + 14);
}

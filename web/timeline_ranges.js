// Draws the ranges of a timeline: prompts, takes and mutes. No ComfyUI.
import { FONT } from "./line_drawing.js";

const CORNER = 3;

// Slanted lines over a part of a lane.
export function hatch(context, { left, right, top, height }, colour, alpha) {
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, height);
  context.clip();
  context.strokeStyle = colour;
  context.globalAlpha = alpha;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = left - height; x < right; x += 6) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
  context.restore();
}

export function drawRanges(context, { model, words }, lane, area, colours) {
  for (const range of model.entries(lane)) {
    const [left, right] = [range.start, range.end].map((time) => model.place(time, area.width));
    if (right < 0 || left > area.width) continue;
    const box = { left, right, top: area.top + 1, height: area.height - 2 };
    const chosen = model.chosen?.entry === range;
    drawBox(context, box, lane, chosen, colours);
    drawLabel(context, words.labels[lane](range), box, area.width, colours.ink);
  }
}

function drawBox(context, box, lane, chosen, colours) {
  const { left, right, top, height } = box;
  context.fillStyle = context.strokeStyle = colours[lane];
  context.beginPath();
  context.roundRect(left + 0.5, top + 0.5, Math.max(1, right - left - 1), height - 1, CORNER);
  context.globalAlpha = chosen ? 0.45 : 0.25;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = chosen ? 2 : 1;
  context.stroke();
  if (lane === "mutes") hatch(context, box, colours.mutes, 0.6);
  if (!chosen) return;
  context.fillRect(left, top, 4, height);
  context.fillRect(right - 4, top, 4, height);
}

// As much of the words as there is room for, in what is seen of the range.
function drawLabel(context, text, { left, right, top, height }, width, ink) {
  const [first, last] = [Math.max(left, 0) + 7, Math.min(right, width) - 5];
  if (last - first < 8) return;
  context.save();
  context.beginPath();
  context.rect(first, top, last - first, height);
  context.clip();
  context.font = FONT.replace("10px", "11px");
  context.textBaseline = "middle";
  context.fillStyle = ink;
  context.fillText(text, first, top + height / 2 + 0.5);
  context.restore();
}

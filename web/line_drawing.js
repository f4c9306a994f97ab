// Draws what every time line has: ruler, waveform, playhead, and how much of it is seen.

export const RULER = 18;
export const FONT = "10px system-ui, sans-serif";
// Seconds between two figures of the ruler, and the least room for one, in pixels.
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const ROOM = 46;
// A sound fainter than this is not drawn up to the full height.
const FAINT = 0.02;

// Of a colour as a page computes it, "rgb(...)".
export function isDark(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
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

// The context of a canvas that fills an element, in the element's own pixels: as sharp as the
// screen, however large the graph is shown.
export function sharpContext(canvas, { width, height }, shownWidth) {
  const scale = Math.min(4, Math.max(1, shownWidth / width || 1) * devicePixelRatio);
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== across || canvas.height !== down) {
    Object.assign(canvas, { width: across, height: down });
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

export function drawRuler(context, model, { width, top }, { ink }) {
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

// A bar for each pixel. coloured(x): the colour of the bar there, and how opaque it is.
export function drawBars(context, { model, peaks, gain }, { width, top, height }, coloured) {
  const middle = top + height / 2;
  const half = height / 2 - 3;
  const perSecond = peaks.length / (model.seconds || 1);
  for (let x = 0; x < width; x += 1) {
    [context.fillStyle, context.globalAlpha] = coloured(x);
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

export function drawHead(context, place, { top, height }, { ink }) {
  context.fillStyle = ink;
  context.fillRect(place - 0.5, top - 4, 1, height + 4);
  context.beginPath();
  context.moveTo(place - 4, top - 6);
  context.lineTo(place + 4, top - 6);
  context.lineTo(place, top);
  context.fill();
}

// How much of the line is seen, and where, along the lower edge.
export function drawScroll(context, model, { width, top, height }, { ink }) {
  if (model.span >= model.length) return;
  const long = Math.max(8, (model.span / model.length) * width);
  const left = (model.from / (model.length - model.span)) * (width - long);
  context.globalAlpha = 0.75;
  context.fillStyle = ink;
  context.fillRect(left, top + height - 1, long, 2);
  context.globalAlpha = 1;
}

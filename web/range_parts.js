// The elements of a drawn range. Plain DOM, no ComfyUI.
import { ICONS, iconButton, make } from "./elements.js";
import { addRangeStyle } from "./range_style.js";

export const EDGES = ["start", "stop"];

// All parts by name; `element` holds the others.
export function buildRange(words) {
  addRangeStyle();
  const element = make("div", "foley-range", { role: "group", "aria-label": words.range });
  const note = make("p", "foley-range-note", { role: "status" });
  const { stage, video } = buildStage();
  const { area, canvas, empty, edges } = buildArea(words);
  const playButton = iconButton("foley-range-play", ICONS.play, words.play);
  const loopButton = iconButton("foley-range-loop", ICONS.loop, words.again);
  const clearButton = iconButton("foley-range-clear", ICONS.clear, words.clear);
  const times = make("span", "foley-range-times", { title: words.rangeKeys });
  const bar = make("div", "foley-range-bar");
  bar.append(playButton, loopButton, times, clearButton);
  element.append(stage, area, bar, note);
  return {
    element, stage, video, area, canvas, empty, edges, note, times,
    playButton, loopButton, clearButton,
  };
}

function buildStage() {
  const stage = make("div", "foley-range-stage");
  const video = make("video", "", { playsinline: "", preload: "auto", tabindex: "-1" });
  video.muted = true;
  video.disablePictureInPicture = true;
  stage.append(video);
  return { stage, video };
}

function buildArea(words) {
  const area = make("div", "foley-range-area", {
    tabindex: "0",
    role: "group",
    "aria-label": words.line,
    "aria-description": words.rangeKeys,
  });
  const canvas = make("canvas", "", { "aria-hidden": "true" });
  const empty = make("p", "foley-range-empty", { role: "status" });
  const names = { start: words.rangeStart, stop: words.rangeStop };
  const edges = EDGES.map((edge) => make("div", "foley-range-edge", {
    tabindex: "0",
    role: "slider",
    "aria-label": names[edge],
    "aria-valuemin": "0",
  }));
  area.append(canvas, empty, ...edges);
  return { area, canvas, empty, edges };
}

// The elements of a timeline. Plain DOM, no ComfyUI.
import { LANES } from "./cue_sheet.js";
import { ICONS, iconButton, make } from "./elements.js";
import { addTimelineStyle } from "./timeline_style.js";

function named(name) {
  return `foley-timeline-${name}`;
}

// All parts by name; `element` holds the others.
export function buildTimeline(words) {
  addTimelineStyle();
  const element = make("div", "foley-timeline", { role: "group", "aria-label": words.timeline });
  const stage = make("div", named("stage"));
  const video = make("video", "", { playsinline: "", preload: "auto", tabindex: "-1" });
  video.muted = true;
  video.disablePictureInPicture = true;
  stage.append(video);
  const lanes = make("div", named("lanes"));
  const { gutter, labels } = buildGutter(words);
  const area = make("div", named("area"), {
    role: "group", "aria-label": words.timeline, "aria-description": words.keys, tabindex: "-1",
  });
  const canvas = make("canvas", "", { "aria-hidden": "true" });
  const empty = make("p", named("empty"), { role: "status" });
  area.append(canvas, empty);
  lanes.append(gutter, area);
  const fields = make("div", named("fields"));
  const note = make("p", named("note"), { role: "status" });
  const { bar, ...buttons } = buildBar(words);
  element.append(stage, lanes, fields, bar, note);
  return { element, stage, video, area, canvas, empty, labels, fields, note, ...buttons };
}

// Names of the lanes; each makes something new in its lane.
function buildGutter(words) {
  const gutter = make("div", named("gutter"));
  const labels = Object.fromEntries(LANES.map((lane) => {
    const about = `${words.lanesAbout[lane]} ${words.newIn(words.lanes[lane])}`;
    const label = make("button", named("label"), {
      type: "button", title: about, "aria-label": words.newIn(words.lanes[lane]),
    });
    label.textContent = words.lanes[lane];
    return [lane, label];
  }));
  gutter.append(...Object.values(labels));
  return { gutter, labels };
}

function buildBar(words) {
  const bar = make("div", named("bar"));
  const playButton = iconButton(named("play"), ICONS.play, words.play);
  const loopButton = iconButton(named("loop"), ICONS.loop, words.again);
  const undoButton = iconButton(named("undo"), ICONS.undo, words.undo);
  const redoButton = iconButton(named("redo"), ICONS.redo, words.redo);
  const fitButton = iconButton(named("fit"), ICONS.fit, words.fit);
  const seenButton = make("button", named("as-seen"), { type: "button", title: words.asSeenAbout });
  seenButton.textContent = words.asSeen;
  const times = make("span", named("times"), { title: words.keys });
  bar.append(playButton, loopButton, times, seenButton, undoButton, redoButton, fitButton);
  return { bar, playButton, loopButton, undoButton, redoButton, fitButton, seenButton, times };
}

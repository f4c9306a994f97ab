// Draws on text inputs that nodes/timeline.py marks: a cue sheet under its video.
import { localTimelineWords, registerDrawing } from "./drawn_widget.js";
import { TimelineView } from "./timeline_view.js";

const HEIGHT = 410;
const HEIGHT_WITH_PICTURE = 580;

registerDrawing({
  name: "FoleyStage.Timeline",
  mark: "foley_timeline",
  // Of a node that has not ended, or will not for want of a sheet.
  message: "foleystage.timeline",
  property: "foleyTimeline",
  type: "foley_timeline",
  firstWidth: 760,
  width: 420,
  files: ["audio", "picture", "film"],
  makeView: (onChange) => new TimelineView({ onChange, words: localTimelineWords() }),
  height: (view) => (view.player.clock.seen ? HEIGHT_WITH_PICTURE : HEIGHT),
});

// Draws on text inputs that nodes/ranges.py marks: a range in seconds on the node's waveform.
import { localWords, registerDrawing } from "./drawn_widget.js";
import { RangeView } from "./range_view.js";

const HEIGHT = 160;
const HEIGHT_WITH_PICTURE = 310;

registerDrawing({
  name: "FoleyStage.Range",
  mark: "foley_range",
  // The sound of a node that has not ended, or will not for want of a range.
  message: "foleystage.range",
  property: "foleyRange",
  type: "foley_range",
  width: 300,
  files: ["audio", "picture"],
  makeView: (onChange) => new RangeView({ onChange, words: localWords() }),
  height: (view) => (view.player.clock.seen ? HEIGHT_WITH_PICTURE : HEIGHT),
});

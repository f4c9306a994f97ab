// Colours of FoleyStage's own wires, so that a graph reads at a glance.
import { app } from "../../scripts/app.js";

const COLOURS = {
  FOLEY_VIDEO_ENCODER: "#7fc8a9",
  FOLEY_TEXT_ENCODER: "#e0c36a",
  FOLEY_CODEC: "#ff8f6b",
  FOLEY_FEATURES: "#6fa8ff",
  FOLEY_GUIDANCE_TERMS: "#c79bff",
};

app.registerExtension({
  name: "FoleyStage.Wires",
  // Not once at the start: a colour palette that loads later empties these tables.
  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("FoleyStage")) return;
    Object.assign(app.canvas.default_connection_color_byType, COLOURS);
    Object.assign(app.canvas.constructor.link_type_colors, COLOURS);
  },
});

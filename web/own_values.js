// A cfg of -1 and 0 steps stand for what the model was published with: their labels say so.
import { app } from "../../scripts/app.js";
import { localWords } from "./drawn_widget.js";
import { chain } from "./hooks.js";

const OWN = { cfg: -1, steps: 0 };

function ownWidgets(node) {
  if (!node.comfyClass?.startsWith("FoleyStage")) return [];
  return (node.widgets ?? []).filter((w) => w.name in OWN && w.options?.min === OWN[w.name]);
}

function label(widget) {
  const { own } = localWords();
  const shown = widget.label ?? widget.name;
  const plain = shown.endsWith(own) ? shown.slice(0, -own.length) : shown;
  const said = Number(widget.value) === OWN[widget.name] ? plain + own : plain;
  if (said !== shown) widget.label = said;
}

app.registerExtension({
  name: "FoleyStage.OwnValues",
  nodeCreated(node) {
    for (const widget of ownWidgets(node)) {
      chain(widget, "callback", () => label(widget));
      for (const event of ["onAdded", "onConfigure"]) chain(node, event, () => label(widget));
      label(widget);
    }
  },
});

// A cfg of -1 stands for what the model was published with: its label says so.
import { app } from "../../scripts/app.js";
import { chain } from "./hooks.js";
import { wordsOf } from "./words.js";

const OWN = -1;

function ownCfg(node) {
  if (!node.comfyClass?.startsWith("FoleyStage")) return null;
  return node.widgets?.find((w) => w.name === "cfg" && w.options?.min === OWN) ?? null;
}

function label(widget) {
  const { own } = wordsOf(app.extensionManager?.setting?.get("Comfy.Locale"));
  const shown = widget.label ?? widget.name;
  const plain = shown.endsWith(own) ? shown.slice(0, -own.length) : shown;
  const said = Number(widget.value) === OWN ? plain + own : plain;
  if (said !== shown) widget.label = said;
}

app.registerExtension({
  name: "FoleyStage.OwnCfg",
  nodeCreated(node) {
    const cfg = ownCfg(node);
    if (!cfg) return;
    chain(cfg, "callback", () => label(cfg));
    for (const event of ["onAdded", "onConfigure"]) chain(node, event, () => label(cfg));
    label(cfg);
  },
});

// Foley Takes: the takes list on the node's face.
import { app } from "../../scripts/app.js";
import { fileUrl, localWords, widgetOf } from "./drawn_widget.js";
import { chain } from "./hooks.js";
import { TakesPlayer } from "./takes_player.js";

const NODE = "FoleyStageTakes";
const WIDGET = "foley_takes";
// Its least height on the canvas, in pixels, without and with a picture, and of the whole node.
const HEIGHT = 132;
const HEIGHT_WITH_PICTURE = 300;
const HEIGHT_OF_RANKS = 64; // more, where takes have reasons beside them
const WIDTH = 340;

function setPick(node, number) {
  const pick = widgetOf(node, "pick");
  if (!pick) return;
  pick.value = number;
  pick.callback?.(number, app.canvas, node);
  node.setDirtyCanvas?.(true, true);
}

function addList(node) {
  const player = new TakesPlayer({
    onPick: (number) => setPick(node, number),
    words: localWords(),
  });
  const list = node.addDOMWidget(WIDGET, "foley-takes", player.element, {
    serialize: false,
    getMinHeight: () =>
      (player.clock.seen ? HEIGHT_WITH_PICTURE : HEIGHT) + (player.isRanked ? HEIGHT_OF_RANKS : 0),
  });
  player.element.addEventListener("wheel", (event) => zoomCanvas(player, event));
  // The option keeps it out of what is run, this out of what is saved.
  list.serialize = false;
  node.foleyTakes = player;
  const pick = widgetOf(node, "pick");
  const follow = () => player.setPick(widgetOf(node, "pick")?.value);
  if (pick) chain(pick, "callback", follow);
  chain(node, "onConfigure", function (saved) {
    dropStray(node, saved);
    follow();
  });
  chain(node, "onRemoved", () => player.end());
}

// The wheel zooms the graph here too; Nodes 2.0 sees to it by itself.
function zoomCanvas({ numbers }, event) {
  const scrolls = numbers.scrollHeight > numbers.clientHeight && numbers.contains(event.target);
  if (!scrolls && !window.LiteGraph?.vueNodesMode) app.canvas.processMouseWheel?.(event);
}

// Version 0.1 saved an empty word after the pick under Nodes 2.0; another widget stands there now.
function dropStray(node, saved) {
  const numbers = (node.widgets ?? []).filter((widget) => widget.serialize !== false);
  const types = { ...node.constructor.nodeData?.input?.optional };
  numbers.forEach((widget, index) => {
    const [, options] = types[widget.name] ?? [];
    if (options && saved?.widgets_values?.[index] === "") widget.value = options.default;
  });
}

function showTakes(node, output) {
  if (!node?.foleyTakes || !output?.takes?.length) return;
  const picture = output.picture?.[0];
  const sounds = output.takes.map(fileUrl);
  node.foleyTakes.show(sounds, picture ? fileUrl(picture) : null, output.ranking ?? []);
  const needed = node.computeSize();
  node.setSize([
    Math.max(node.size[0], needed[0], WIDTH),
    Math.max(node.size[1], needed[1]),
  ]);
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "FoleyStage.Takes",
  async beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== NODE) return;
    chain(nodeType.prototype, "onExecuted", function (output) {
      showTakes(this, output);
    });
  },
  nodeCreated(node) {
    if (node.comfyClass === NODE) addList(node);
  },
  // Results that the frontend kept, when their graph is shown again.
  onNodeOutputsUpdated(outputs) {
    for (const node of app.graph?.nodes ?? []) {
      if (node.comfyClass === NODE) showTakes(node, outputs?.[String(node.id)]);
    }
  },
});

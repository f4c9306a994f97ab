// Foley Takes: a player and a pick button for each take.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const NODE = "FoleyStageTakes";

function fileUrl(file) {
  const query = new URLSearchParams({
    filename: file.filename,
    subfolder: file.subfolder ?? "",
    type: file.type ?? "temp",
  });
  return api.apiURL(`/view?${query}`);
}

function pickWidget(node) {
  return node.widgets?.find((widget) => widget.name === "pick");
}

function setPick(node, number) {
  const pick = pickWidget(node);
  if (!pick) return;
  pick.value = number;
  pick.callback?.(number, app.canvas, node);
}

function row(node, file, number) {
  const line = document.createElement("div");
  line.style.cssText = "display:flex;align-items:center;gap:6px";
  const button = document.createElement("button");
  button.textContent = String(number);
  button.title = `Pick take ${number}`;
  button.setAttribute("aria-label", button.title);
  button.onclick = () => setPick(node, number);
  const player = document.createElement("audio");
  player.controls = true;
  player.preload = "metadata";
  player.src = fileUrl(file);
  player.style.cssText = "flex:1;min-width:0;height:32px";
  line.append(button, player);
  return line;
}

function mark(node) {
  const picked = pickWidget(node)?.value;
  [...node.foleyTakes.children].forEach((line, index) => {
    line.firstChild.style.fontWeight = index + 1 === picked ? "bold" : "normal";
    line.style.opacity = index + 1 === picked ? "1" : "0.7";
  });
}

function addList(node) {
  node.foleyTakes = document.createElement("div");
  node.foleyTakes.style.cssText = "display:flex;flex-direction:column;gap:4px;overflow-y:auto";
  node.addDOMWidget("takes", "foley-takes", node.foleyTakes, {
    serialize: false,
    getMinHeight: () => 36 * Math.min(node.foleyTakes.children.length || 1, 6),
  });
  // The number can also be changed in the widget itself.
  const pick = pickWidget(node);
  const changed = pick?.callback;
  if (pick) {
    pick.callback = function () {
      changed?.apply(this, arguments);
      mark(node);
    };
  }
}

function showTakes(node, files) {
  if (!node.foleyTakes) addList(node);
  node.foleyTakes.replaceChildren(...files.map((file, index) => row(node, file, index + 1)));
  mark(node);
  node.setSize([Math.max(node.size[0], 320), Math.max(node.size[1], node.computeSize()[1])]);
  app.graph.setDirtyCanvas(true, true);
}

app.registerExtension({
  name: "FoleyStage.Takes",
  async beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== NODE) return;
    const executed = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output) {
      executed?.apply(this, arguments);
      if (output?.audio?.length) showTakes(this, output.audio);
    };
  },
});

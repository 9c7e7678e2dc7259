/** Items as elements of the page. What people and models wrote goes in as text, never as markup. */

// A fenced block of code: its opening line, the code, and its closing line, if that has come.
const FENCED = /^( {0,3}(`{3,}|~{3,})[^`\n]*\n)([^]*?)(^ {0,3}\2[`~]*[ \t]*(?:\n|$(?![^]))|$(?![^]))/gm;
const LABELS = {
  message: "You said",
  answer: "Answer",
  reasoning: "Reasoning",
  tool_call: "Tool call",
  tool_result: "Tool result",
};
/** What people read where a turn ended, by how it ended. */
export const MARKERS = {
  completed: "Answered",
  cancelled: "Stopped",
  interrupted: "Interrupted by a restart",
  superseded: "Interrupted by a newer message",
  timed_out: "Ran out of time",
  failed: "Failed",
};

/** The element of an item: the one that the section has, brought up to date, or a new one. */
export function drawItem(section, item) {
  const known = [...section.children].find(({ dataset }) => dataset.item === item.item);
  const element = known ?? makeItem(item);
  // Only text grows; everything else came whole.
  if (!known || item.text !== undefined) showText(element.lastChild, itemText(item));
  return element;
}

function makeItem({ item, kind, name, record, reason, at }) {
  const folds = !["message", "answer", "marker"].includes(kind);
  const label = [LABELS[kind] ?? record ?? kind, name].filter(Boolean).join(": ");
  const heading = folds ? make("summary", {}, label) : make("span", { className: "unseen" }, label);
  const title = new Date(at * 1000).toLocaleString();
  const text = make("div", { className: "text", title, data: { text: "" } });
  const data = { item, kind, ...(reason && { reason }) };
  return make(folds ? "details" : "article", { data }, heading, text);
}

function itemText({ kind, content, text, reason, message, arguments: given, data }) {
  if (kind === "message") return partsText(content);
  if (kind === "marker") return [MARKERS[reason] ?? reason, message].filter(Boolean).join(": ");
  return text ?? pretty(kind === "tool_call" ? given : data);
}

/** What a person said, as text. */
export function partsText(content) {
  if (typeof content === "string") return content;
  return content.map((part) => part.text ?? `[${part.type}]`).join("\n");
}

function pretty(value) {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}

/** Show text with its code; what stands there already is only added to. */
function showText(element, text) {
  const pieces = fenced(text);
  pieces.forEach((parts, index) => {
    const fresh = () => make(parts.length > 1 ? "pre" : "p", {}, ...parts.map(() => make("span")));
    const piece = element.children[index] ?? element.appendChild(fresh());
    parts.forEach((part, i) => setText(piece.children[i], part));
  });
  while (element.children.length > pieces.length) element.lastChild.remove();
}

/** Split text at its fenced code, into `[prose]` and `[opening, code, closing]` by turns. */
function fenced(text) {
  const pieces = [];
  let end = 0;
  for (const { 0: block, 1: opening, 3: code, 4: closing, index } of text.matchAll(FENCED)) {
    pieces.push([text.slice(end, index)], [opening, code, closing]);
    end = index + block.length;
  }
  return [...pieces, [text.slice(end)]];
}

/** Make this the text of an element that holds nothing else; what stands there is added to. */
export function setText(element, text) {
  const node = element.firstChild ?? element.appendChild(document.createTextNode(""));
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}

/** A new element with its properties, its `data-` attributes and what is in it. */
export function make(tag, { data = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

/** Put exactly these elements into a parent, in this order, moving none that need not move. */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  wanted.forEach((element, index) => {
    const there = parent.children[index] ?? null;
    if (there !== element) parent.insertBefore(element, there);
  });
}

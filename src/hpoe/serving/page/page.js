// The demo page: sends what is drawn or chosen to the server and shows its answer.
// It sets only text, attributes and custom properties, so that a strict CSP holds.

const PAUSE = 350; // milliseconds between the end of a stroke and the request
const PEN = 0.07; // line width as a share of the pad: about that of MNIST's digits
const STEP = 0.015; // points closer than this are dropped, to smooth a trembling hand
const DRAWING_SIDE = 280; // pixels of a drawing as it is sent, and of the border around it
const BORDER = 28;
const ACCEPTED = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const MAX_BYTES = 4_000_000; // pictures beyond these limits are scaled down first
const MAX_SIDE = 4000;
const SCALED_SIDE = 1600;
const EMPTY = { strokes: [], picture: null };

const byId = (id) => document.getElementById(id);
const pad = byId("pad");

const states = [EMPTY]; // the history of the pad for undo; the last is shown
let views = []; // one per class: its label, bar and reconstruction
let stroke = null; // points of the line being drawn
let asking = new AbortController(); // aborted when its answer would be out of date
let timer;

// The drawing: strokes of points in 0..1, or a picture instead

const shown = () => states.at(-1);
const isEmpty = ({ strokes, picture }) => !strokes.length && !picture;

function paint() {
  const side = Math.max(1, Math.round(pad.clientWidth * devicePixelRatio));
  pad.width = pad.height = side; // this also clears it
  const { strokes, picture } = shown();
  if (picture) {
    paintPicture(pad.getContext("2d"), picture.bitmap, side);
  } else {
    paintStrokes(pad.getContext("2d"), strokes, side, getComputedStyle(pad).color);
  }
}

function paintStrokes(context, strokes, side, colour) {
  const pen = { lineWidth: PEN * side, lineCap: "round", lineJoin: "round", strokeStyle: colour };
  Object.assign(context, pen);
  for (const points of strokes) {
    const at = apart(points).map(([x, y]) => [x * side, y * side]);
    context.beginPath();
    context.moveTo(...at[0]);
    for (let i = 1; i < at.length - 1; i += 1) {
      const [x, y] = at[i];
      const [nextX, nextY] = at[i + 1];
      context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
    }
    const [lastX, lastY] = at.at(-1);
    context.lineTo(lastX + 0.01, lastY); // so that a dot, a line of no length, is drawn too
    context.stroke();
  }
}

/** Keep points that are at least a step apart, and the last one. */
function apart(points) {
  const kept = [points[0]];
  for (const [x, y] of points) {
    const [keptX, keptY] = kept.at(-1);
    if (Math.hypot(x - keptX, y - keptY) >= STEP) kept.push([x, y]);
  }
  return [...kept, points.at(-1)];
}

function paintPicture(context, bitmap, side) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  const [left, top] = [(side - width) / 2, (side - height) / 2];
  context.fillStyle = "white"; // behind transparent pixels
  context.fillRect(left, top, width, height);
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, width, height);
}

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return [canvas, canvas.getContext("2d")];
}

/** The drawing to send: black on white, whatever the theme. */
function drawingSent(strokes) {
  const side = DRAWING_SIDE + 2 * BORDER;
  const [canvas, context] = canvasOf(side, side);
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.translate(BORDER, BORDER);
  context.rect(0, 0, DRAWING_SIDE, DRAWING_SIDE);
  context.clip(); // strokes beyond the pad were not visible
  paintStrokes(context, strokes, DRAWING_SIDE, "black");
  return canvas.toDataURL("image/png");
}

/** The picture to send: the file itself where the server accepts it, else a scaled copy. */
function pictureSent(file, bitmap) {
  const longest = Math.max(bitmap.width, bitmap.height);
  const accepted = ACCEPTED.includes(file.type);
  if (accepted && file.size <= MAX_BYTES && longest <= MAX_SIDE) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.addEventListener("load", () => resolve(reader.result));
      reader.addEventListener("error", () => reject(reader.error));
      reader.readAsDataURL(file);
    });
  }
  const scale = Math.min(1, SCALED_SIDE / longest);
  const scaled = (length) => Math.max(1, Math.round(length * scale));
  const size = [scaled(bitmap.width), scaled(bitmap.height)];
  const [canvas, context] = canvasOf(...size);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, ...size);
  const mayBeTransparent = accepted && file.type !== "image/jpeg";
  return canvas.toDataURL(mayBeTransparent ? "image/png" : "image/jpeg", 0.9);
}

function describe({ strokes, picture }) {
  if (picture) return `the picture ${picture.name}`;
  if (!strokes.length) return "empty";
  return strokes.length === 1 ? "one stroke" : `${strokes.length} strokes`;
}

function changed(pause) {
  paint();
  pad.setAttribute("aria-label", `Drawing area, ${describe(shown())}`);
  byId("undo").setAttribute("aria-disabled", String(states.length === 1));
  byId("clear").setAttribute("aria-disabled", String(isEmpty(shown())));
  const signal = cancel();
  if (isEmpty(shown())) {
    showNothing("empty", "Draw a digit to see the answer here.");
  } else {
    timer = setTimeout(ask, pause, shown(), signal);
  }
}

// Input: pointer, buttons and keys, pictures

const pointOf = ({ clientX, clientY }) => {
  const { left, top, width, height } = pad.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height];
};

pad.addEventListener("pointerdown", (event) => {
  if (stroke || !event.isPrimary || event.button !== 0) return;
  cancel();
  pad.setPointerCapture(event.pointerId);
  stroke = [pointOf(event)];
  states.push({ strokes: [...shown().strokes, stroke], picture: null });
  paint();
});

pad.addEventListener("pointermove", (event) => {
  if (!stroke || !pad.hasPointerCapture(event.pointerId)) return;
  const events = event.getCoalescedEvents?.() ?? []; // missing without a secure context
  stroke.push(...(events.length ? events : [event]).map(pointOf));
  paint();
});

pad.addEventListener("lostpointercapture", () => {
  stroke = null;
  changed(PAUSE);
});

function undo() {
  if (stroke || states.length === 1) return;
  states.pop();
  changed(PAUSE);
}

byId("undo").addEventListener("click", undo);

byId("clear").addEventListener("click", () => {
  if (isEmpty(shown())) return;
  states.push(EMPTY);
  changed(0);
});

document.addEventListener("keydown", (event) => {
  const { key, shiftKey, ctrlKey, metaKey } = event;
  if (key.toLowerCase() !== "z" || shiftKey || !(ctrlKey || metaKey)) return;
  event.preventDefault();
  undo();
});

async function take(file, how) {
  const signal = cancel();
  if (!file) {
    showNothing("error", `There is no picture in what was ${how}.`);
    return;
  }
  try {
    const bitmap = await createImageBitmap(file);
    const image = await pictureSent(file, bitmap);
    if (signal.aborted) return;
    states.push({ strokes: [], picture: { bitmap, image, name: file.name } });
    changed(0);
  } catch {
    if (signal.aborted) return;
    const remedy = "choose a PNG, JPEG, WebP, GIF or BMP file";
    showNothing("error", `This browser cannot read ${file.name} as a picture; ${remedy}.`);
  }
}

byId("file").addEventListener("change", ({ target }) => {
  if (target.files.length) take(target.files[0], "chosen");
  target.value = ""; // so that the same file can be chosen again
});

document.addEventListener("paste", ({ clipboardData }) => take(clipboardData.files[0], "pasted"));

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  pad.classList.add("dropping");
});

document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) pad.classList.remove("dropping");
});

document.addEventListener("drop", (event) => {
  event.preventDefault();
  pad.classList.remove("dropping");
  take(event.dataTransfer.files[0], "dropped");
});

// Request and answer

/** Cancel the pending request, if any, and return the signal for the next one. */
function cancel() {
  clearTimeout(timer);
  asking.abort();
  asking = new AbortController();
  document.body.classList.remove("waiting");
  return asking.signal;
}

async function ask({ strokes, picture }, signal) {
  document.body.classList.add("waiting");
  try {
    const answer = await explain(picture ? picture.image : drawingSent(strokes), signal);
    if (!signal.aborted) showAnswer(answer);
  } catch (error) {
    if (!signal.aborted) showNothing("error", error.message);
  }
  if (!signal.aborted) document.body.classList.remove("waiting");
}

async function explain(image, signal) {
  const headers = { "Content-Type": "application/json" };
  const request = { method: "POST", headers, body: JSON.stringify({ image }), signal };
  const reply = await fetch("explain", request).catch(() => {
    throw new Error("The server does not answer; check that it runs, then draw or choose again.");
  });
  const body = await reply.json().catch(() => null);
  if (reply.ok && body) return body;
  const message = body?.message ?? `the server gave error ${reply.status} and no reason`;
  throw new Error(asSentence(message));
}

function asSentence(text) {
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function percent(share) {
  if (share >= 0.9995) return "> 99.9\u00a0%";
  return share < 0.0005 ? "< 0.1\u00a0%" : `${(100 * share).toFixed(1)}\u00a0%`;
}

/** Typicality, a percentile among real images of the digit, in words. */
function inWords(typicality, digit) {
  const rounded = Math.round(typicality);
  const share = rounded < 1 ? "less than 1" : rounded > 99 ? "over 99" : `${rounded}`;
  return `More typical than ${share}\u00a0% of real ${digit}s.`;
}

const number = (value) => value.toFixed(2).replace("-", "\u2212");

function showAnswer(answer) {
  const { digit, looks_like_digit: looksLikeDigit } = answer;
  if (looksLikeDigit) {
    const sure = percent(answer.probability).replace("> ", "more than ");
    const headline = part("strong", [part("span", `Digit ${digit}, `, "visually-hidden"), `${sure} sure. `]);
    showVerdict("digit", digit, headline, line(inWords(answer.typicality, digit)));
  } else {
    const headline = part("strong", "This does not look like a digit. ");
    const score = `Score ${number(answer.digit_score)}, threshold ${number(answer.threshold)}.`;
    showVerdict("unlike", digit, headline, line(`The nearest is ${digit}. `), line(score));
  }
  if (`${answer.labels}` !== `${views.map(({ label }) => label)}`) makeViews(answer.labels);
  const { probabilities, reconstructions } = answer;
  views.forEach((view, at) => {
    showView(view, probabilities[at], reconstructions[at], view.label === digit);
  });
  showImage(byId("seen"), answer.seen);
}

function showNothing(kind, sentence) {
  showVerdict(kind, "", line(sentence));
  for (const view of views) showView(view, null, null, false);
  showImage(byId("seen"), null);
}

function showVerdict(kind, digit, ...lines) {
  byId("main").dataset.kind = kind;
  byId("digit").textContent = digit;
  byId("status").replaceChildren(...lines); // in one step, because it is read out
}

function showView({ row, bar, value, item, image, mark }, probability, source, chosen) {
  for (const element of [row, item]) element.classList.toggle("chosen", chosen);
  bar.style.setProperty("--share", probability ?? 0);
  value.textContent = probability === null ? "\u2013" : percent(probability);
  mark.textContent = chosen ? ", the answer" : "";
  showImage(image, source);
}

function showImage(image, source) {
  image.hidden = !source;
  if (source) image.src = source; // the old one stays until this one has loaded
  else image.removeAttribute("src");
}

// What the page shows of each class

function part(name, content, className = "") {
  const element = document.createElement(name);
  element.className = className;
  element.append(...[content].flat());
  return element;
}

const line = (sentence) => part("span", sentence, "line");

function makeViews(labels) {
  views = labels.map((label) => ({ label, ...makeBar(label), ...makeReconstruction(label) }));
  byId("bars").replaceChildren(...views.map(({ row }) => row));
  byId("reconstructions").replaceChildren(...views.map(({ item }) => item));
}

function makeBar(label) {
  const head = part("th", `${label}`);
  head.scope = "row";
  const [bar, value] = [part("div", "", "bar"), part("span", "", "value")];
  const cell = part("div", [part("div", bar, "track"), value], "cell");
  return { row: part("tr", [head, part("td", cell)]), bar, value };
}

function makeReconstruction(label) {
  const image = part("img", "");
  image.alt = `Reconstruction by the model of ${label}`;
  const mark = part("span", "", "visually-hidden");
  const caption = part("figcaption", [`${label}`, mark]);
  const item = part("li", part("figure", [part("span", image, "frame"), caption]));
  return { item, image, mark };
}

new ResizeObserver(paint).observe(pad);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
changed(0);

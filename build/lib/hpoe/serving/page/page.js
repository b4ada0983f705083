// The demo page: what is drawn or chosen goes to the server, what it answers is shown.
// It sets text, attributes and custom properties alone: a strict Content-Security-Policy holds.

const PAUSE = 350; // milliseconds from the end of a stroke to the question
const PEN = 0.07; // width of a line as a share of the pad: about that of MNIST's digits
const STEP = 0.015; // points of a line that are closer are left out: they hold the hand's tremble
const DRAWING_SIDE = 280; // dots of a drawing as it is sent, and of the empty border around it
const BORDER = 28;
const SENT_AS_THEY_ARE = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const MOST_BYTES = 4_000_000; // larger pictures, or with a longer side, are made smaller first
const MOST_SIDE = 4000;
const SMALLER_SIDE = 1600;
const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const EMPTY = { strokes: [], picture: null };

const byId = (id) => document.getElementById(id);
const pad = byId("pad");
const bars = DIGITS.map(addBar);
const reconstructions = DIGITS.map(addReconstruction);

const states = [EMPTY]; // what the pad has shown; the last is what it shows, undo goes back
let stroke = null; // the points of the line that is being drawn
let asking = new AbortController(); // aborted as soon as its answer would be out of date
let timer;

// The drawing: strokes of points in 0..1, or a picture instead

const shown = () => states.at(-1);
const isEmpty = ({ strokes, picture }) => !strokes.length && !picture;

function paint() {
  const side = Math.max(1, Math.round(pad.clientWidth * devicePixelRatio));
  pad.width = pad.height = side; // empties it as well
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
    context.lineTo(lastX + 0.01, lastY); // a line of no length would not be drawn: a dot is one
    context.stroke();
  }
}

/** The points of a line that are a step from one another, and its last. */
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
  context.fillStyle = "white"; // under what is transparent
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

/** The drawing as the server gets it: black on white, whatever the theme. */
function drawingSent(strokes) {
  const side = DRAWING_SIDE + 2 * BORDER;
  const [canvas, context] = canvasOf(side, side);
  context.fillStyle = "white";
  context.fillRect(0, 0, side, side);
  context.translate(BORDER, BORDER);
  context.rect(0, 0, DRAWING_SIDE, DRAWING_SIDE);
  context.clip(); // what the hand drew beyond the pad was not seen
  paintStrokes(context, strokes, DRAWING_SIDE, "black");
  return canvas.toDataURL("image/png");
}

/** The picture as the server gets it: the file itself where the server takes it, else a copy. */
function pictureSent(file, bitmap) {
  const longest = Math.max(bitmap.width, bitmap.height);
  const known = SENT_AS_THEY_ARE.includes(file.type);
  if (known && file.size <= MOST_BYTES && longest <= MOST_SIDE) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.addEventListener("load", () => resolve(reader.result));
      reader.addEventListener("error", () => reject(reader.error));
      reader.readAsDataURL(file);
    });
  }
  const scale = Math.min(1, SMALLER_SIDE / longest);
  const scaled = (length) => Math.max(1, Math.round(length * scale));
  const size = [scaled(bitmap.width), scaled(bitmap.height)];
  const [canvas, context] = canvasOf(...size);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, ...size);
  const seeThrough = known && file.type !== "image/jpeg";
  return canvas.toDataURL(seeThrough ? "image/png" : "image/jpeg", 0.9);
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
  const signal = withdraw();
  if (isEmpty(shown())) {
    showNothing("empty", "Draw a digit, and the answer appears here.");
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
  withdraw();
  pad.setPointerCapture(event.pointerId);
  stroke = [pointOf(event)];
  states.push({ strokes: [...shown().strokes, stroke], picture: null });
  paint();
});

pad.addEventListener("pointermove", (event) => {
  if (!stroke || !pad.hasPointerCapture(event.pointerId)) return;
  const events = event.getCoalescedEvents?.() ?? []; // missing where the context is not secure
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

async function take(file, whence) {
  const signal = withdraw();
  if (!file) {
    showNothing("error", `There is no picture in what was ${whence}.`);
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
    const remedy = "choose a PNG, JPEG, WebP or GIF file";
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

// The question and its answer

/** Forget the question that is out, if any; the signal of the next. */
function withdraw() {
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

/** How typical, in words; typicality is a percentile among real images of the digit. */
function inWords(typicality, digit) {
  const rounded = Math.round(typicality);
  const share = rounded < 1 ? "fewer than 1" : rounded > 99 ? "over 99" : `${rounded}`;
  return `More typical than ${share}\u00a0% of real ${digit}s.`;
}

const number = (value) => value.toFixed(2).replace("-", "\u2212");

function showAnswer(answer) {
  const { digit, looks_like_digit: looksLikeDigit } = answer;
  if (looksLikeDigit) {
    const sure = percent(answer.probability).replace("> ", "more than ");
    const headline = part("strong", [part("span", `Digit ${digit}, `, "unseen"), `${sure} sure. `]);
    showVerdict("digit", digit, headline, line(inWords(answer.typicality, digit)));
  } else {
    const headline = part("strong", "This does not look like a digit. ");
    const score = `Score ${number(answer.digit_score)}, threshold ${number(answer.threshold)}.`;
    showVerdict("unlike", digit, headline, line(`The nearest is ${digit}. `), line(score));
  }
  for (const d of DIGITS) {
    showBar(bars[d], answer.probabilities[d], d === digit);
    showReconstruction(reconstructions[d], answer.reconstructions[d], d === digit);
  }
  showImage(byId("seen"), answer.seen);
}

function showNothing(kind, sentence) {
  showVerdict(kind, "", line(sentence));
  for (const d of DIGITS) {
    showBar(bars[d], null, false);
    showReconstruction(reconstructions[d], null, false);
  }
  showImage(byId("seen"), null);
}

function showVerdict(kind, digit, ...lines) {
  byId("main").dataset.kind = kind;
  byId("digit").textContent = digit;
  byId("status").replaceChildren(...lines); // at once: it is read out
}

function showBar({ row, bar, value }, probability, chosen) {
  row.classList.toggle("chosen", chosen);
  bar.style.setProperty("--share", probability ?? 0);
  value.textContent = probability === null ? "\u2013" : percent(probability);
}

function showReconstruction({ item, image, mark }, source, chosen) {
  item.classList.toggle("chosen", chosen);
  mark.textContent = chosen ? ", the answer" : "";
  showImage(image, source);
}

function showImage(image, source) {
  image.hidden = !source;
  if (source) image.src = source; // the earlier one stays until this one is ready
  else image.removeAttribute("src");
}

// Parts of the page that come ten times

function part(name, content, className = "") {
  const element = document.createElement(name);
  element.className = className;
  element.append(...[content].flat());
  return element;
}

const line = (sentence) => part("span", sentence, "line");

function addBar(digit) {
  const head = part("th", `${digit}`);
  head.scope = "row";
  const [bar, value] = [part("div", "", "bar"), part("span", "", "value")];
  const cell = part("div", [part("div", bar, "track"), value], "cell");
  const row = part("tr", [head, part("td", cell)]);
  byId("bars").append(row);
  return { row, bar, value };
}

function addReconstruction(digit) {
  const image = part("img", "");
  image.alt = `As the models of ${digit} rebuild it`;
  const mark = part("span", "", "unseen");
  const caption = part("figcaption", [`${digit}`, mark]);
  const item = part("li", part("figure", [part("span", image, "frame"), caption]));
  byId("reconstructions").append(item);
  return { item, image, mark };
}

new ResizeObserver(paint).observe(pad);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
changed(0);

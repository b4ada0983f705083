// The page: draws, takes pictures, sends them to the server and shows its answer.
// It sets only text, attributes and custom properties, so that a strict CSP holds.

import { isOf, showAnswer, showNothing, showProject } from "./answer.js";
import { drawingSent, paintPicture, paintStrokes, pictureSent } from "./drawing.js";
import { asSentence } from "./words.js";

const PAUSE = 350; // milliseconds between the end of a stroke and the request
const EMPTY = { strokes: [], picture: null };

const byId = (id) => document.getElementById(id);
const pad = byId("pad");

const states = [EMPTY]; // the history of the pad for undo; the last is shown
let project = null; // what the server says of its classes, once it has
let stale = true; // whether to ask for that again before the next request
let stroke = null; // points of the line being drawn
let asking = new AbortController(); // aborted when its answer would be out of date
let timer;

// The pad

const shown = () => states.at(-1);
const isEmpty = ({ strokes, picture }) => !strokes.length && !picture;

function paint() {
  const pixels = (length) => Math.max(1, Math.round(length * devicePixelRatio));
  const size = [pixels(pad.clientWidth), pixels(pad.clientHeight)];
  [pad.width, pad.height] = size; // this also clears it
  const { strokes, picture } = shown();
  if (picture) {
    const ground = project?.preparation === "as_is" ? "black" : "white";
    paintPicture(pad.getContext("2d"), picture.bitmap, ...size, ground);
  } else {
    paintStrokes(pad.getContext("2d"), strokes, ...size, getComputedStyle(pad).color);
  }
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
    showNothing("empty");
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
    if (stale) await learnClasses();
    const answer = await explain(picture ? picture.image : drawingSent(strokes, project), signal);
    if (!isOf(answer)) await learnClasses(); // another version is served by now
    if (!signal.aborted) showAnswer(answer);
  } catch (error) {
    stale = true;
    if (!signal.aborted) showNothing("error", error.message);
  }
  if (!signal.aborted) document.body.classList.remove("waiting");
}

function explain(image, signal) {
  const headers = { "Content-Type": "application/json" };
  return reply("explain", { method: "POST", headers, body: JSON.stringify({ image }), signal });
}

async function learnClasses() {
  project = showProject(await reply("classes"));
  stale = false;
  paint(); // the pad may have another shape and colour
}

async function reply(path, request) {
  const response = await fetch(path, request).catch(() => {
    throw new Error("The server does not answer; check that it runs, then draw or choose again.");
  });
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  const message = body?.message ?? `the server gave error ${response.status} and no reason`;
  throw new Error(asSentence(message));
}

new ResizeObserver(paint).observe(pad);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
const first = asking.signal;
learnClasses().then(
  () => stroke || changed(0),
  (error) => first.aborted || showNothing("error", error.message),
);

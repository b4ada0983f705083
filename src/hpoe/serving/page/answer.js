// What the page shows of an answer and of each class. Labels are anybody's text: they are only ever
// set as text.

import { percent, score, typical, wordsFor } from "./words.js";

const TOP = 10; // classes that are always in view
const MOST = 200; // classes with a row at all, and pictures
const SHORT = 2; // characters of a label that is shown as large as a digit
const MEDIUM = 10;
const NARROW = 6; // characters of labels that have room beside their bars

const byId = (id) => document.getElementById(id);
const characters = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const lengthOf = (label) => [...characters.segment(label)].length;

let project = null; // labels in their order, examples by label, rows, columns, preparation
let words = null;
let views = new Map(); // by label, of the classes that have been shown

// Elements

function part(name, content, className = "") {
  const element = document.createElement(name);
  element.className = className;
  element.append(...[content].flat());
  return element;
}

const line = (...content) => part("span", content, "line");

/** A label as text, whichever way its script runs. */
function text(label) {
  const element = part("bdi", label);
  element.dir = "auto";
  return element;
}

function showImage(image, source) {
  image.hidden = !source;
  if (source) image.src = source; // the old one stays until this one has loaded
  else image.removeAttribute("src");
}

// The project

/** Show the classes of a project, as the server lists them. */
export function showProject({ classes, image_size: [rows, columns], preparation }) {
  const labels = classes.map(({ label }) => label);
  const examples = new Map(classes.map(({ label, example }) => [label, example]));
  project = { labels, examples, rows, columns, preparation };
  words = wordsFor(project);
  views = new Map();
  document.title = `${words.heading} · hpoe`;
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = words[element.dataset.words];
  }
  document.body.dataset.preparation = preparation;
  document.body.dataset.labels = labels.every((label) => lengthOf(label) <= NARROW)
    ? "short"
    : "long";
  document.body.style.setProperty("--ratio", columns / rows);
  byId("bars-caption").textContent = `Probability of each ${words.one}`;
  byId("seen").alt = `Input of the models, ${columns} by ${rows} pixels`;
  byId("reconstructions").ariaLabel = "Reconstructions";
  showClasses(labels.slice(0, TOP));
  return project;
}

export const isOf = ({ probabilities }) =>
  Object.keys(probabilities).length === project.labels.length &&
  project.labels.every((label) => Object.hasOwn(probabilities, label));

/** Put some classes first, with their reconstructions, and the others behind a fold. */
function showClasses(top) {
  const others = project.labels.filter((label) => !top.includes(label));
  const shown = others.slice(0, MOST - top.length);
  byId("bars").replaceChildren(...top.map((label) => viewOf(label).row));
  byId("reconstructions").replaceChildren(...top.map((label) => viewOf(label).item));
  byId("others").replaceChildren(...shown.map((label) => viewOf(label).row));
  byId("rest").hidden = !shown.length;
  byId("rest-summary").textContent = `${shown.length} more classes`;
  const unlisted = others.length - shown.length;
  byId("unlisted").hidden = !unlisted;
  byId("unlisted").textContent = `${unlisted} further classes are not shown: /classes lists them.`;
}

function viewOf(label) {
  if (!views.has(label)) views.set(label, { ...makeBar(label), ...makeReconstruction(label) });
  return views.get(label);
}

function makeBar(label) {
  const example = part("img", "", "example");
  example.alt = ""; // its label says what it is
  example.src = project.examples.get(label);
  const head = part("th", part("div", [example, text(label)], "class"));
  head.scope = "row";
  head.role = "rowheader"; // as in all the table: it is one also where it is laid out otherwise
  const [bar, value] = [part("div", "", "bar"), part("span", "–", "value")];
  const cell = part("div", [part("div", bar, "track"), value], "cell");
  const [row, data] = [part("tr", head), part("td", cell)];
  [row.role, data.role] = ["row", "cell"];
  row.append(data);
  return { row, bar, value };
}

function makeReconstruction(label) {
  const image = part("img", "");
  image.alt = `Reconstruction by the model of \u2068${label}\u2069`;
  const mark = part("span", "", "visually-hidden");
  const caption = part("figcaption", [text(label), mark]);
  const item = part("li", part("figure", [part("span", image, "frame"), caption]));
  return { item, image, mark };
}

// The answer

export function showAnswer(answer) {
  const { label, probability, probabilities, reconstructions, seen } = answer;
  const top = mostLikely(probabilities);
  showClasses(top);
  if (answer.is_known) {
    const sure = percent(probability).replace("> ", "more than ");
    const spoken = part("span", words.spoken(text(label)), "visually-hidden");
    const headline = part("strong", [spoken, `${sure} sure. `]);
    showVerdict("known", label, headline, line(...typical(answer.typicality, words.real(text(label)))));
  } else {
    const nearest = line("The nearest is ", text(label), ". ");
    showVerdict("unknown", label, part("strong", words.unknown), nearest, line(score(answer)));
  }
  for (const [each, view] of views) showShare(view, probabilities[each], each === label);
  for (const each of top) showReconstruction(viewOf(each), reconstructions[each], each === label);
  showImage(byId("seen"), seen);
}

/** The most likely classes, first ones first; of few classes all, in their own order. */
function mostLikely(probabilities) {
  const { labels } = project;
  if (labels.length <= TOP) return labels;
  return [...labels].sort((one, other) => probabilities[other] - probabilities[one]).slice(0, TOP);
}

/** Say why there is no answer. */
export function showNothing(kind, sentence = words?.empty ?? "") {
  showVerdict(kind, "", line(sentence));
  if (project) showClasses(project.labels.slice(0, TOP));
  for (const view of views.values()) {
    showShare(view, null, false);
    showReconstruction(view, null, false);
  }
  showImage(byId("seen"), null);
}

function showVerdict(kind, label, ...lines) {
  const length = lengthOf(label);
  byId("main").dataset.kind = kind;
  byId("label").dataset.length = length <= SHORT ? "short" : length <= MEDIUM ? "medium" : "long";
  byId("label").textContent = label;
  byId("status").replaceChildren(...lines); // in one step, because it is read out
}

function showShare({ row, bar, value }, probability, chosen) {
  row.classList.toggle("chosen", chosen);
  bar.style.setProperty("--share", probability ?? 0);
  value.textContent = probability === null ? "–" : percent(probability);
}

function showReconstruction({ item, image, mark }, source, chosen) {
  item.classList.toggle("chosen", chosen);
  mark.textContent = chosen ? ", the answer" : "";
  showImage(image, source);
}

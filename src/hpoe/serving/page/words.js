// What the page says: of digits, if they are the classes, and of any other classes in general.
// Labels are anybody's text: they stand in elements of their own, as text.

const NBSP = "\u00a0";

const INPUT = ({ rows, columns }) => `Their input has ${columns} × ${rows} pixels.`;
const BY_HAND = "Draw with a mouse, pen or finger.";

const DIGITS = {
  one: "digit",
  heading: "Draw a digit",
  empty: "Draw a digit to see the answer here.",
  picture: "a picture of one digit, such as a scan or a photo",
  unknown: "This does not look like a digit. ",
  spoken: (label) => ["Digit ", label, ", "],
  real: (label) => ["real ", label, "s"],
};

const CLASSES = {
  one: "class",
  heading: "Draw or drop a picture",
  empty: "Draw or drop a picture to see the answer here.",
  picture: "a picture, such as a scan or a photo",
  unknown: "This looks like none of the classes. ",
  spoken: (label) => [label, ", "],
  real: (label) => ["the images of ", label],
};

const areDigits = (labels) =>
  labels.length === 10 && labels.every((label, at) => label === `${at}`);

/** The words for a project: those of its kind, and the texts of the page's elements. */
export function wordsFor(project) {
  const words = areDigits(project.labels) ? DIGITS : CLASSES;
  const { one } = words;
  const { rows, columns, preparation } = project;
  const size = `a grey picture of ${columns} × ${rows} pixels, light on black`;
  const picture = preparation === "as_is" ? size : words.picture;
  return {
    ...words,
    lead:
      `Small density models score it, three for each ${one}, trained on images of that ${one} ` +
      "alone. A logistic net turns their scores into an answer.",
    help: `${BY_HAND} Or choose, paste or drop ${picture}.`,
    views:
      `${INPUT(project)} Each ${one}’s model reconstructs it from its hidden units: the model of ` +
      `the right ${one} returns it almost unchanged, the others distort it towards their own.`,
  };
}

export function percent(share) {
  if (share >= 0.9995) return `> 99.9${NBSP}%`;
  return share < 0.0005 ? `< 0.1${NBSP}%` : `${(100 * share).toFixed(1)}${NBSP}%`;
}

/** Typicality, a percentile among held-out images of the class, in words. */
export function typical(typicality, real) {
  const rounded = Math.round(typicality);
  const share = rounded < 1 ? "less than 1" : rounded > 99 ? "over 99" : `${rounded}`;
  return [`More typical than ${share}${NBSP}% of `, ...real, "."];
}

export const score = ({ known_score: found, threshold }) =>
  `Score ${number(found)}, threshold ${number(threshold)}.`;

const number = (value) => value.toFixed(2).replace("-", "\u2212");

export const asSentence = (text) =>
  text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

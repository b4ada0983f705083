// Drawings and pictures: how the pad shows them, and what is sent of them.
// A drawing is strokes of points in 0..1, across and down.

const PEN = 0.07; // line width as a share of the shorter side: about that of MNIST's digits
const STEP = 0.015; // points closer than this are dropped, to smooth a trembling hand
const DRAWING_SIDE = 280; // pixels of the longer side of a drawing as it is sent to be prepared
const BORDER = 0.1; // as a share of each side, around it
const ACCEPTED = ["image/png", "image/jpeg", "image/webp", "image/gif"];
const MAX_BYTES = 4_000_000; // pictures beyond these limits are scaled down first
const MAX_SIDE = 4000;
const SCALED_SIDE = 1600;

export function paintStrokes(context, strokes, width, height, colour) {
  const lineWidth = Math.max(1, PEN * Math.min(width, height));
  const pen = { lineWidth, lineCap: "round", lineJoin: "round", strokeStyle: colour };
  Object.assign(context, pen);
  for (const points of strokes) {
    const at = apart(points).map(([x, y]) => [x * width, y * height]);
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

export function paintPicture(context, bitmap, width, height, ground) {
  const scale = Math.min(width / bitmap.width, height / bitmap.height);
  const [across, down] = [bitmap.width * scale, bitmap.height * scale];
  const [left, top] = [(width - across) / 2, (height - down) / 2];
  context.fillStyle = ground; // behind transparent pixels
  context.fillRect(left, top, across, down);
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, across, down);
}

function canvasOf(width, height, ground) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (ground) {
    context.fillStyle = ground;
    context.fillRect(0, 0, width, height);
  }
  return [canvas, context];
}

/** The drawing to send, whatever the theme: an array as it is, or black on white to be prepared. */
export function drawingSent(strokes, { rows, columns, preparation }) {
  if (preparation === "as_is") {
    const [canvas, context] = canvasOf(columns, rows, "black");
    paintStrokes(context, strokes, columns, rows, "white");
    return canvas.toDataURL("image/png");
  }
  const scale = DRAWING_SIDE / Math.max(rows, columns);
  const [width, height] = [Math.round(columns * scale), Math.round(rows * scale)];
  const [left, top] = [Math.round(width * BORDER), Math.round(height * BORDER)];
  const [canvas, context] = canvasOf(width + 2 * left, height + 2 * top, "white");
  context.translate(left, top);
  context.rect(0, 0, width, height);
  context.clip(); // strokes beyond the pad were not visible
  paintStrokes(context, strokes, width, height, "black");
  return canvas.toDataURL("image/png");
}

/** The picture to send: the file itself where the server accepts it, else a scaled copy. */
export function pictureSent(file, bitmap) {
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
  const isPhoto = file.type === "image/jpeg" || (!accepted && scale < 1);
  return canvas.toDataURL(isPhoto ? "image/jpeg" : "image/png", 0.9);
}

// A line that grows: inline SVG, with its figures beneath as text.

const SVG = "http://www.w3.org/2000/svg";

/** An element of SVG. */
function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Points [time, value] as a line, oldest first; `name` says what it shows to whoever cannot see it. */
function lineChart(points, name) {
  const [width, height] = [600, 100];
  const times = points.map(([time]) => time);
  const values = points.map(([, value]) => value);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const across = (time) => (to > from ? (width * (time - from)) / (to - from) : 0);
  const up = (value) => (high > low ? height - (height * (value - low)) / (high - low) : height / 2);
  const line = points.map(([time, value]) => `${across(time).toFixed(1)},${up(value).toFixed(1)}`).join(" ");
  return drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": name },
    drawn("line", { x1: 0, y1: height, x2: width, y2: height }), drawn("polyline", { points: line }));
}

// Making a page: everything is put in as text, never as markup.

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; texts are children too. */
function element(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

const en = (text) => element("span", { className: "en", lang: "en" }, text);
const both = ([zh, english]) => [zh, " ", en(english)];

function table(rows) {
  return element("table", {}, element("tbody", {}, ...rows.map(([label, value]) =>
    element("tr", {}, element("th", { scope: "row" }, ...both(label)), element("td", {}, value)))));
}

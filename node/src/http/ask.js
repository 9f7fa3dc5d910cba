// Asking the JSON API with a token that the reader types: whatever may be asked, the gate decides.

/** The node that the page came from. */
const NODE = "";
const API = `${NODE}api/v1`;
let token = "";

/** Asks the API; a problem is thrown as what it says. */
async function ask(path, body, signal) {
  const headers = { Authorization: `Bearer ${token}` };
  const options = body ? { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) } : { headers, signal };
  const response = await fetch(`${API}${path}`, options);
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ code: response.status, detail: response.statusText }));
  throw new Error(`${problem.code} ${problem.detail}`);
}

const count = (text) => Number(text).toLocaleString("zh-CN");
const cell = (text, figure = true) => element("td", { className: figure ? "figure" : "" }, text);
const heads = (names) => element("thead", {}, element("tr", {}, ...names.map(([zh, english, figure]) =>
  element("th", { scope: "col", className: figure ? "figure" : "" }, ...both([zh, english])))));

const failed = (error) => byId("told").replaceChildren(element("p", { className: "verdict bad" }, error.message));

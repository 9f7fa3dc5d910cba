// The map: the statistics of the 41 cities as tiles, the trend of one of them or of all, and the figures as a table.

/** Where each city's tile is, by the first four digits of its code (GB/T 2260): a drawing of ours, roughly as they lie. */
const GRID = `
  · · 3203 · · 3207 · · ·
  3416 3406 3413 3213 3208 3209 · · ·
  3412 3404 3403 3411 3210 3212 3206 · ·
  3415 3401 3405 3201 3211 3204 3202 3205 3101
  3408 3407 3402 3418 3305 3304 · · ·
  3417 3410 · · 3301 3306 3302 3309 ·
  · · · 3308 3307 3310 · · ·
  · · · 3311 3303 · · · ·
`;
const COLUMNS = 9;
/** Months of the trend. */
const MONTHS = 24;

let selected = "";
/** Which look at the figures is the latest: an earlier one that answers late shows nothing. */
let latest = 0;

const value = (id) => byId(id).value;
const monthNow = () => { const now = new Date(); return [now.getFullYear(), now.getMonth() + 1]; };

/** All rows of a question, page by page. */
async function rows(parameters) {
  const found = [];
  let answer = { nextPageToken: "" };
  do {
    const asked = new URLSearchParams([...parameters, ["pageToken", answer.nextPageToken]]);
    answer = await (await ask(`/statistics?${asked}`)).json();
    found.push(...answer.rows);
  } while (answer.nextPageToken);
  return { found, total: answer.total };
}

/** What the filters say, as parameters. */
function filters() {
  const chosen = [["basis", `STATISTICS_BASIS_${value("basis")}`], ["level", value("level")]];
  const occupation = value("occupation").trim();
  return occupation ? [...chosen, ["occupation", occupation]] : chosen;
}

/** The figure of each city by its four digits, and of all. */
async function byCity() {
  const year = value("year") === "0" ? [] : [["fromMonth", `${value("year")}01`], ["toMonth", `${value("year")}12`]];
  const { found, total } = await rows([...filters(), ...year, ["by", "STATISTICS_DIMENSION_CITY"]]);
  return { total, cities: new Map(found.filter(({ region }) => region).map((row) => [row.region.slice(0, 4), row])) };
}

/** Classes of equal size among what is not nought, 0 to 4. */
function classes(figures) {
  const sorted = figures.filter((figure) => figure > 0).sort((a, b) => a - b);
  return (figure) => (figure > 0 ? 1 + Math.min(3, Math.floor((4 * sorted.indexOf(figure)) / sorted.length)) : 0);
}

const said = (row) => (!row ? "0" : row.suppressed ? "—" : count(row.persons));

function showTiles(cities) {
  const of = classes([...cities.values()].map((row) => Number(row.persons)));
  const tiles = GRID.trim().split(/\s+/).flatMap((code, place) => {
    if (code === "·") return [];
    const row = cities.get(code);
    const name = FACTS.cities[code];
    const tile = element("button", { type: "button", className: `t${of(Number(row?.persons ?? 0))}`, ariaPressed: String(code === selected),
      title: name }, name.replace(/市$/, ""), element("br"), said(row));
    tile.style.gridColumn = (place % COLUMNS) + 1;
    tile.style.gridRow = Math.floor(place / COLUMNS) + 1;
    tile.addEventListener("click", () => { selected = code === selected ? "" : code; show().catch(failed); });
    return [tile];
  });
  byId("tiles").replaceChildren(...tiles);
}

async function showTrend(mine) {
  const [year, month] = monthNow();
  const first = new Date(Date.UTC(year, month - MONTHS, 1));
  const from = `${first.getUTCFullYear()}${String(first.getUTCMonth() + 1).padStart(2, "0")}`;
  const region = selected ? [["region", selected]] : [];
  const period = [["fromMonth", from], ["toMonth", `${year}${String(month).padStart(2, "0")}`]];
  const { found } = await rows([...filters(), ...region, ...period, ["by", "STATISTICS_DIMENSION_MONTH"]]);
  if (mine !== latest) return;
  const points = found.filter((row) => !row.suppressed).map((row) => [Math.floor(row.period / 100) * 12 + (row.period % 100), Number(row.persons)]);
  const where = selected ? FACTS.cities[selected] : "三省一市 all";
  if (points.length < 2) {
    byId("trend").replaceChildren(element("p", {}, ...both([`${where}：数据不足`, "not enough to draw"])));
    return;
  }
  const [low, high] = [points[0][1], points.at(-1)[1]];
  const months = points.at(-1)[0] - points[0][0];
  const words = [`${where}，${months} 个月：${count(low)} → ${count(high)}`, `${months} months: ${count(low)} → ${count(high)}`];
  byId("trend").replaceChildren(lineChart(points, words.join(" ")), element("p", {}, ...both(words)));
}

function showTable(cities) {
  const sorted = [...cities].sort(([, a], [, b]) => Number(b.persons) - Number(a.persons));
  const lines = sorted.map(([code, row]) => element("tr", {}, element("th", { scope: "row" }, FACTS.cities[code] ?? code), cell(said(row)),
    cell(row.suppressed ? "—" : count(row.personsNew)), cell(row.suppressed ? "—" : count(row.certificates)), cell(row.suppressed ? "—" : count(row.certificatesNew))));
  const names = [["城市", "City"], ["人数", "Persons", true], ["新增人数", "New persons", true], ["证书", "Certificates", true], ["新发证书", "New certificates", true]];
  byId("table").replaceChildren(element("table", {}, heads(names), element("tbody", {}, ...lines)));
  const csv = [["code", "city", "persons", "persons_new", "certificates", "certificates_new"],
    ...sorted.map(([code, row]) => [code, FACTS.cities[code] ?? "", ...(row.suppressed ? ["", "", "", ""] : [row.persons, row.personsNew, row.certificates, row.certificatesNew])])];
  // With a mark that it is UTF-8, which spreadsheets ask for.
  URL.revokeObjectURL(byId("csv").href);
  byId("csv").href = URL.createObjectURL(new Blob(["\ufeff", csv.map((line) => line.join(",")).join("\r\n"), "\r\n"], { type: "text/csv" }));
}

async function show() {
  const mine = ++latest;
  const { cities, total } = await byCity();
  if (mine !== latest) return;
  byId("told").replaceChildren();
  byId("total").replaceChildren(...both([`合计 ${said(total)} 人，${total.suppressed ? "—" : count(total.certificates)} 份证书`, "in all"]));
  showTiles(cities);
  showTable(cities);
  await showTrend(mine);
}

async function enter() {
  await show();
  byId("enter").hidden = true;
  byId("shown").hidden = false;
}

for (const [level, name] of Object.entries(FACTS.levels)) byId("level").append(element("option", { value: level }, name));
for (let [year] = monthNow(), last = year - 9; year >= last; year--) byId("year").append(element("option", { value: year }, `${year}`));
byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  enter().catch(failed);
});
byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  show().catch(failed);
});

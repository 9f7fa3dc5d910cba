// A QR code brings the number behind "#", which no browser sends anywhere.
const number = document.getElementById("number");

function fillIn(link) {
  const [, brought] = link.match(/#([\w%.-]+)$/) ?? [];
  if (!brought || brought.length > 64) return false;
  number.value = number.defaultValue = decodeURIComponent(brought);
  document.getElementById("name").focus();
  return true;
}

// A picture with the code in it, where the browser can read one. It stays in the browser.
const told = document.getElementById("scanned");

async function scan({ target }) {
  const picture = await createImageBitmap(target.files[0]);
  const codes = await new BarcodeDetector({ formats: ["qr_code"] }).detect(picture);
  const read = codes.some(({ rawValue }) => fillIn(rawValue));
  told.textContent = read ? told.dataset.read : told.dataset.none;
}

globalThis.BarcodeDetector?.getSupportedFormats().then((formats) => {
  document.getElementById("scan").hidden = !formats.includes("qr_code");
});
document.getElementById("picture").addEventListener("change", (chosen) => scan(chosen).catch(() => {
  told.textContent = told.dataset.none;
}));

if (fillIn(location.href)) history.replaceState(null, "", location.pathname + location.search);

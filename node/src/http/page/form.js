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

// The same with the camera: it is open until a code is read, it is closed, or the page is left.
const [video, opener, closer] = ["seen", "opener", "closer"].map((id) => document.getElementById(id));
/** Milliseconds between looks at what the camera sees. */
const LOOK = 150;
const FAULTS = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing", OverconstrainedError: "missing" };

function show(stream) {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = stream;
  video.hidden = closer.hidden = !stream;
  opener.hidden = Boolean(stream);
}

async function watch() {
  opener.disabled = true;
  const asked = navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  const stream = await asked.finally(() => { opener.disabled = false; });
  show(stream);
  // The page may have been left while the browser asked whether it may.
  if (document.hidden) return show(null);
  closer.focus();
  try {
    await video.play();
    const reader = new BarcodeDetector({ formats: ["qr_code"] });
    while (video.srcObject === stream) {
      if (!stream.active) throw new Error("unplugged");
      const codes = await reader.detect(video);
      if (video.srcObject === stream && codes.some(({ rawValue }) => fillIn(rawValue))) {
        show(null);
        told.textContent = told.dataset.read;
      }
      await new Promise((next) => setTimeout(next, LOOK));
    }
  } catch (error) {
    // Where it was closed meanwhile, nothing has failed.
    if (video.srcObject === stream) throw error;
  }
}

opener.addEventListener("click", () => {
  told.textContent = "";
  watch().catch(({ name }) => {
    show(null);
    told.textContent = told.dataset[FAULTS[name] ?? "failed"];
  });
});
closer.addEventListener("click", () => {
  show(null);
  opener.focus();
});
document.addEventListener("visibilitychange", () => document.hidden && show(null));
addEventListener("pagehide", () => show(null));

globalThis.BarcodeDetector?.getSupportedFormats().then((formats) => {
  document.getElementById("scan").hidden = !formats.includes("qr_code");
  document.getElementById("camera").hidden = !navigator.mediaDevices?.getUserMedia;
});
document.getElementById("picture").addEventListener("change", (chosen) => scan(chosen).catch(() => {
  told.textContent = told.dataset.none;
}));

if (fillIn(location.href)) history.replaceState(null, "", location.pathname + location.search);

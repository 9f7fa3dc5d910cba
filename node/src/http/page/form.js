// Whoever comes from a QR code brings the number behind "#", which no browser sends anywhere.
const number = document.getElementById("number");
const brought = decodeURIComponent(location.hash.slice(1));
if (number && brought && brought.length <= 64) {
  number.setAttribute("value", brought);
  document.getElementById("name").focus();
  history.replaceState(null, "", location.pathname);
}

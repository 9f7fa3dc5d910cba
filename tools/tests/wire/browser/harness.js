
// A test's script, run among those of the page: what it returns becomes the whole document.
const returned = await (async (given) => { SCRIPT })(GIVEN);
const result = document.createElement("pre");
result.id = "result";
result.textContent = JSON.stringify(returned);
document.body.replaceChildren(result);

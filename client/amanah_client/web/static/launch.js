// The token stands in the fragment, and leaves the address before anything else happens.
async function enter() {
  const token = location.hash.slice(1);
  const here = location.pathname + location.search;
  if (token === "") {
    return;
  }
  history.replaceState(null, "", here);
  const said = document.getElementById("said");
  said.textContent = said.dataset.opening;
  const entering = fetch("/session", { method: "POST", body: token, redirect: "error" });
  const next = document.getElementById("next");
  if (next) {
    document.head.append(next.content);
  }
  const entered = await entering;
  if (entered.ok) {
    location.replace(here);
  } else {
    said.textContent = said.dataset.refused;
  }
}

// A link that is opened where a locked page stands changes the fragment, and loads nothing.
addEventListener("hashchange", enter);
await enter();

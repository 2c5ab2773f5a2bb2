// The token stands in the fragment, and leaves the address before anything else happens.
const token = location.hash.slice(1);
const here = location.pathname + location.search;
history.replaceState(null, "", here);

if (token !== "") {
  const said = document.getElementById("said");
  said.textContent = said.dataset.opening;
  const entered = await fetch("/session", { method: "POST", body: token, redirect: "error" });
  if (entered.ok) {
    location.replace(here);
  } else {
    said.textContent = said.dataset.refused;
  }
}

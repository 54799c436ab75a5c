// Asks every five seconds where one stands; the page speaks up only when something changed.

const place = document.getElementById("place");
const EVERY = 5000;
let etag = "";

async function ask() {
  try {
    const answer = await fetch(place.dataset.poll, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
    if (answer.status === 200) {
      const said = await answer.json();
      if (said.go) {
        document.title = place.dataset.turn;
        location.assign(said.go);
        return;
      }
      if (etag) {
        place.innerHTML = said.card;
      }
      etag = answer.headers.get("ETag") || "";
    }
  } catch {
    // the line is gone; the next round asks again
  }
  setTimeout(ask, EVERY);
}

if (place) {
  setTimeout(ask, EVERY);
}

// While a deed is being made the page asks every second how far it is, and shows the whole page again when it changes.

const box = document.getElementById("progress");
const words = document.getElementById("progress-words");

async function ask() {
  try {
    const answer = await fetch(box.dataset.url, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const said = await answer.json();
      if (said.words && said.words !== words.textContent) {
        window.location.reload();
        return;
      }
    }
  } catch {
    // The office does not answer now: the next second it may.
  }
  setTimeout(ask, 1000);
}

if (box && box.dataset.poll) setTimeout(ask, 1000);

// A phase's button moves every segment of its interview that was running then; the others stop.

for (const button of document.querySelectorAll("[data-seek]")) {
  button.addEventListener("click", () => {
    const at = Number(button.dataset.seek);
    for (const video of button.closest("[data-interview]").querySelectorAll("video")) {
      const inside = at - Number(video.dataset.offset);
      if (inside > -2 && inside < Number(video.dataset.seconds)) {
        video.currentTime = Math.max(0, inside);
      } else {
        video.pause();
      }
    }
  });
}

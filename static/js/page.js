// Small comforts; every page works without them.

// A summary of errors takes the focus, so that a screen reader starts there.
const summary = document.querySelector("[data-focus]");
if (summary) {
  summary.focus();
}

// A form goes out once: a second tap while the first is under way does nothing.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
    }
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
  }
});

// A button that prints exists only where printing does.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

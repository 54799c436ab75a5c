// A form that answers with a file leaves the page standing: let it go out again, and show the receipt.
for (const form of document.querySelectorAll("form[data-download]")) {
  form.addEventListener("submit", () => {
    setTimeout(() => {
      delete form.dataset.sent;
      window.location.reload();
    }, 2500);
  });
}

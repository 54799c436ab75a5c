// Shows the times in the browser's own zone, unless the visitor chose one.

const form = document.querySelector("form[data-zone]");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (form && own && !form.dataset.explicit && own !== form.dataset.zone) {
  const here = new URL(location.href);
  here.searchParams.set("zone", own);
  location.replace(here);
}

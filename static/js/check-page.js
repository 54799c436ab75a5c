// The device check. On the public page nothing is kept; on a case's page each outcome goes to the case, so that the
// desk can call. The network is tried before an interview, where a media worker answers.
import { DeviceCheck } from "./device-check.js";

const root = document.querySelector("[data-device-check]");
const check = new DeviceCheck({ root });
for (const part of root.querySelectorAll("[data-needs-script]")) {
  part.hidden = false;
}
check.addEventListener("done", ({ detail }) => {
  root.querySelector("[data-all-done]").hidden = Object.values(detail.results).some((one) => one.state !== "passed");
});
if (root.dataset.keep) {
  check.addEventListener("done", async ({ detail }) => {
    const results = {};
    for (const [name, one] of Object.entries(detail.results)) {
      results[name] = one.state === "failed" && one.code ? `failed:${one.code}` : one.state;
    }
    try {
      await fetch(root.dataset.keep, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": root.dataset.csrf },
        body: JSON.stringify({ results }),
      });
    } catch {
      // not kept; the check itself stands, and may be made again
    }
  });
}
window.addEventListener("pagehide", () => check.stop());

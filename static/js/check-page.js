// The public device check: no login, no server, nothing kept. The network is tried before an interview, where a
// media worker answers.
import { DeviceCheck } from "./device-check.js";

const root = document.querySelector("[data-device-check]");
const check = new DeviceCheck({ root });
for (const part of root.querySelectorAll("[data-needs-script]")) {
  part.hidden = false;
}
check.addEventListener("done", ({ detail }) => {
  root.querySelector("[data-all-done]").hidden = Object.values(detail.results).some((one) => one.state !== "passed");
});
window.addEventListener("pagehide", () => check.stop());

// A strip for the trial's camera, beside the page and not of it: which picture is held before the lens.
(() => {
  const NAMES = "@NAMES@";
  if (!/\/(interview|check|device-check)$/.test(location.pathname)) return;
  addEventListener("DOMContentLoaded", () => {
    const host = document.createElement("div");
    const strip = host.attachShadow({ mode: "closed" });
    Object.assign(host.style, {
      position: "fixed", right: "6px", top: "64px", zIndex: 2147483647, display: "grid", gap: "4px", opacity: 0.92,
    });
    for (const [name, label] of NAMES) {
      const button = document.createElement("button");
      button.textContent = label;
      Object.assign(button.style, {
        font: "12px sans-serif", padding: "6px 8px", border: "1px solid #777", borderRadius: "6px", background: "#fffbe6",
        color: "#222", cursor: "pointer",
      });
      button.addEventListener("click", () => window.actingCamera.show(name));
      strip.append(button);
    }
    document.body.append(host);
  });
})();

// Sends one paper with a progress bar that can be stopped, and shows it at once. Without this file the plain form does.

for (const form of document.querySelectorAll("form[data-upload]")) {
  const input = form.querySelector("input[type=file]");
  const going = form.querySelector("[data-upload-going]");
  const bar = form.querySelector("[data-upload-bar]");
  const words = form.querySelector("[data-upload-words]");
  const wrong = form.querySelector("[data-upload-wrong]");
  const preview = form.querySelector("[data-upload-preview]");
  const send = form.querySelector("[data-upload-send]");
  const cancel = form.querySelector("[data-upload-cancel]");
  let request = null;
  let shown = "";

  const say = (text) => {
    words.textContent = text;
  };

  const refuse = (text) => {
    wrong.textContent = text;
    wrong.hidden = !text;
    input.setAttribute("aria-invalid", text ? "true" : "false");
  };

  const rest = () => {
    request = null;
    going.hidden = true;
    send.hidden = false;
    input.disabled = false;
    delete form.dataset.sent;
    if (shown) {
      URL.revokeObjectURL(shown);
      shown = "";
    }
    preview.hidden = true;
  };

  const finish = () => {
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      answer = {};
    }
    const done = request.status === 200 && answer.next;
    rest();
    if (done) {
      const before = location.pathname + location.search;
      location.assign(answer.next);
      if (answer.next.split("#")[0] === before) {
        location.reload();
      }
    } else {
      refuse(answer.title || form.dataset.wordsFailed);
      input.value = "";
      input.focus();
    }
  };

  const start = () => {
    const file = input.files[0];
    if (!file || request) {
      return;
    }
    refuse("");
    if (file.size > Number(form.dataset.largest)) {
      refuse(form.dataset.wordsLarge);
      return;
    }
    const body = new FormData(form);
    if (file.type.startsWith("image/")) {
      shown = URL.createObjectURL(file);
      preview.src = shown;
      preview.hidden = false;
    }
    going.hidden = false;
    send.hidden = true;
    input.disabled = true;
    bar.value = 0;
    say(form.dataset.wordsGoing.replace("%(n)s", "0"));
    request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("X-Requested-With", "upload");
    request.setRequestHeader("Accept", "application/json");
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) {
        return;
      }
      const part = Math.round((event.loaded / event.total) * 100);
      bar.value = part;
      say(part < 100 ? form.dataset.wordsGoing.replace("%(n)s", String(part)) : form.dataset.wordsLooking);
    });
    request.addEventListener("load", finish);
    request.addEventListener("error", () => {
      rest();
      refuse(form.dataset.wordsFailed);
    });
    request.addEventListener("abort", () => {
      rest();
      refuse(form.dataset.wordsStopped);
    });
    request.send(body);
  };

  input.addEventListener("change", start);
  form.addEventListener("submit", (event) => {
    if (input.files.length) {
      event.preventDefault();
      start();
    }
  });
  cancel.addEventListener("click", () => request && request.abort());
}

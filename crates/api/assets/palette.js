// The palette: everything that can be done, found by typing.

export function palette(dialog, commands) {
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("ul");
  let at = 0;
  const fitting = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    return commands.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  };
  const show = () => {
    const found = fitting();
    at = Math.max(0, Math.min(at, found.length - 1));
    list.replaceChildren(...found.map(({ name, key }, place) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      if (key) {
        const hint = document.createElement("kbd");
        hint.textContent = key;
        button.append(" ", hint);
      }
      button.classList.toggle("at", place === at);
      button.addEventListener("click", () => run(place));
      item.append(button);
      return item;
    }));
  };
  const run = (place) => {
    const command = fitting()[place];
    dialog.close();
    command?.run();
  };
  input.addEventListener("input", () => { at = 0; show(); });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") at += 1;
    else if (event.key === "ArrowUp") at -= 1;
    else if (event.key === "Enter") { event.preventDefault(); run(at); return; }
    else return;
    event.preventDefault();
    show();
  });
  return () => {
    input.value = "";
    at = 0;
    show();
    dialog.showModal();
    input.focus();
  };
}

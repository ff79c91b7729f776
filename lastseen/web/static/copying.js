// A button beside each block that is to be copied.
export const makeCopies = (root) => {
  for (const block of root.querySelectorAll("[data-copy]:not([data-copy-made])")) {
    block.dataset.copyMade = "";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    const what = block.getAttribute("data-copy");
    if (what) button.setAttribute("aria-label", `Copy: ${what}`);
    button.addEventListener("click", async () => {
      const text = (block.querySelector("code") ?? block).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block.querySelector("code") ?? block);
        button.textContent = "Press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    block.append(button);
  }
};

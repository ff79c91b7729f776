// A button beside each block that is to be copied. Its words come with the page.
const [COPY, COPIED, BY_HAND] = document.body.dataset.copyWords.split("|");

export const makeCopies = (root) => {
  for (const block of root.querySelectorAll("[data-copy]:not([data-copy-made])")) {
    block.dataset.copyMade = "";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = COPY;
    const what = block.getAttribute("data-copy");
    if (what) button.setAttribute("aria-label", `${COPY}: ${what}`);
    button.addEventListener("click", async () => {
      const text = (block.querySelector("code") ?? block).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = COPIED;
      } catch {
        getSelection().selectAllChildren(block.querySelector("code") ?? block);
        button.textContent = BY_HAND;
      }
      setTimeout(() => { button.textContent = COPY; }, 2000);
    });
    block.append(button);
  }
};

// Creates an element. Text is always inserted as text, never parsed as HTML.
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export const $ = (id) => document.getElementById(id);

// A row of buttons of which one is pressed; `choose` gets its data-tab.
export function tabs(nav, choose) {
  nav.addEventListener("click", ({ target }) => {
    if (!target.dataset.tab) return;
    for (const button of nav.children) button.ariaPressed = String(button === target);
    choose(target.dataset.tab);
  });
}

// Elements made from words: every text becomes a text node, so that nothing in a table can become markup.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "style")
      for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "checked" || name === "value" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

const put = (element, ...children) => {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
};

const byId = (id) => document.getElementById(id);

// Read out by screen readers, not shown.
function say(text) {
  byId("said").textContent = text;
}

const at = (share) => `${(100 * Math.min(Math.max(share, 0), 1)).toFixed(2)}%`;

// A table with a header row; cells that start with a number stand to the right.
function table(heads, rows, caption) {
  const cell = (tag, content, head) => {
    const extra = tag === "th" ? { scope: "col" } : {};
    return h(tag, { class: head.startsWith("#") ? "n" : null, ...extra }, content);
  };
  const plain = (head) => head.replace(/^#/, "");
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => cell("th", plain(head), head)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((content, i) => cell("td", content, heads[i])),
          ),
        ),
      ),
    ),
  );
}

const section = (id, title, ...children) =>
  h("section", { id, "aria-labelledby": `${id}-title` }, h("h3", { id: `${id}-title` }, title), children);

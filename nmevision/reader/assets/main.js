// Which view the address names, and the keys.
const routed = () => /^#case\/(\d+)$/.exec(location.hash);
const letters = { on: true };

function show() {
  if (DATA.mode === "form") return FormPage.open();
  const found = routed(),
    row = found && DATA.rows[Number(found[1])];
  document.body.dataset.view = row ? "case" : "list";
  if (row) {
    CasePage.open(row.index);
    byId("case-title").focus({ preventScroll: true });
  } else {
    Viewer.close();
    Summary.clear();
    Worklist.open();
    document.title = byId("title").textContent;
  }
  return undefined;
}

const typing = (target) => target.matches("input:not([type=radio]):not([type=checkbox]), select, textarea");

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || DATA.mode === "form") return;
  const { key } = event,
    found = routed();
  if (key === "Escape" && found) location.hash = "";
  if (!letters.on) return;
  if (found) {
    const next = { n: 1, p: -1 }[key] && Worklist.neighbour(Number(found[1]), { n: 1, p: -1 }[key]);
    if (next) location.hash = `#case/${next.index}`;
  } else if (key === "/") {
    event.preventDefault();
    byId("search").focus();
  } else if (["j", "k", "ArrowDown", "ArrowUp"].includes(key)) {
    event.preventDefault();
    Worklist.move(key === "j" || key === "ArrowDown" ? 1 : -1);
  }
}

function foot() {
  const about = DATA.about;
  const keys = h(
    "details",
    {},
    h("summary", {}, "Keys"),
    h(
      "p",
      {},
      "List: j or ↓ next, k or ↑ previous, Enter opens, / searches. Case: n next, p previous, Escape back; the image takes arrows, + and −. Grades: arrows.",
    ),
    h(
      "label",
      {},
      h("input", {
        type: "checkbox",
        checked: true,
        on: { change: (event) => (letters.on = event.target.checked) },
      }),
      " single keys on",
    ),
  );
  put(
    byId("foot"),
    h(
      "p",
      {},
      about
        ? `Model ${about.name} (${about.hash}), nmevision ${about.nmevision}, answered ${about.finished}; knowledge ${TABLES.knowledge}. Nothing on this page is sent anywhere.`
        : `Knowledge ${TABLES.knowledge}. Nothing on this page is sent anywhere.`,
    ),
    DATA.pictures && DATA.pictures.left_out
      ? h(
          "p",
          {},
          `${DATA.pictures.left_out} overlays did not fit into the page; nmevision report --beside puts pictures into a folder beside it.`,
        )
      : null,
    DATA.mode === "form" ? null : keys,
  );
}

byId("main").dataset.research = document.querySelector(".use").textContent;
document.body.dataset.view = DATA.mode === "form" ? "form" : "list";
if (DATA.mode === "report") Worklist.prepare();
foot();
show();
if (DATA.mode === "report") window.addEventListener("hashchange", show);
document.addEventListener("keydown", onKey);

// The list of all images: only what is on the screen stands in the document, so thousands stay smooth.
const Worklist = (() => {
  const OVERSCAN = 8;
  const FILTERS = [
    ["all", "All", () => true],
    ["flagged", "Flagged", (row) => row.status === "flagged"],
    ["disagree", "Routes disagree", disagree],
    ["novel", "Out of scope", outOfScope],
    ["error", "Unreadable", (row) => row.status === "error"],
    ["corrected", "Corrected", (row) => State.touched(row.index)],
  ];
  const SORTS = [
    ["score", () => `${short(DATA.target.name)}, highest first`, (a, b) => b.score - a.score],
    ["novelty", () => "least usual first", (a, b) => (b.novelty ?? -1) - (a.novelty ?? -1)],
    ["name", () => "name", (a, b) => (a.id < b.id ? -1 : 1)],
    ["table", () => "order of the table", (a, b) => a.index - b.index],
  ];
  const view = { filter: "all", sort: "score", group: "", words: "", scroll: 0, shown: [], nodes: new Map() };
  let list = null,
    count = null;

  function prepare() {
    DATA.rows.forEach((row, index) => {
      const { p } = row;
      Object.assign(row, {
        index,
        score: p ? scoreOf(p) : -1,
        best: p ? DIAGNOSES[highest(p)] : null,
        lead: p ? byGroup(p)[0] : null,
      });
      row.words = [
        row.id,
        row.path,
        row.patient_id,
        row.source,
        row.message,
        row.best && row.best.name,
        row.lead && row.lead.name,
      ]
        .join("\n")
        .toLowerCase();
    });
    arrange();
  }

  function open() {
    list = h("ul", { class: "rows", "aria-label": "images" });
    count = h("p", { class: "small", id: "count" });
    put(
      byId("main"),
      totals(),
      DATA.pictures.missing ? pictureNote() : null,
      controls(),
      count,
      heads(),
      list,
      downloads(),
    );
    apply();
    window.scrollTo(0, view.scroll);
    draw();
  }

  function totals() {
    const of = (status) => DATA.rows.filter((row) => row.status === status).length;
    const patients = Object.keys(DATA.patients).length;
    const groups = new Map();
    for (const row of DATA.rows) if (row.lead) groups.set(row.lead.key, (groups.get(row.lead.key) || 0) + 1);
    const answered = DATA.rows.length - of("error");
    return h(
      "section",
      { class: "totals", "aria-label": "totals" },
      h(
        "p",
        { class: "headline" },
        `${DATA.rows.length} images`,
        patients ? ` of ${patients} patients` : "",
        `: ${of("ok")} answered, ${of("flagged")} flagged, ${of("error")} unreadable`,
      ),
      h(
        "div",
        { class: "shares" },
        [...groups]
          .sort((a, b) => b[1] - a[1])
          .map(([key, n]) =>
            h(
              "button",
              {
                type: "button",
                class: view.group === key ? "share on" : "share",
                "aria-pressed": String(view.group === key),
                style: { "--n": String(n), "--share": at(n / answered) },
                title: `show only: ${GROUP_NAMES.get(key)}`,
                on: {
                  click: () => {
                    view.group = view.group === key ? "" : key;
                    reopen();
                  },
                },
              },
              h("b", {}, String(n)),
              ` ${short(GROUP_NAMES.get(key))}`,
            ),
          ),
      ),
    );
  }

  const heads = () =>
    h(
      "div",
      { class: "row heads", "aria-hidden": "true" },
      ["", "image", "answer", short(DATA.target.name), "to look at"].map((words) => h("span", {}, words)),
    );

  const pictureNote = () =>
    h(
      "p",
      { class: "note" },
      `${DATA.pictures.missing} images are not shown: ${
        DATA.pictures.given
          ? "they were not found where the page was told to look, or could not be read."
          : "the page was not told where they lie. Make it again with nmevision report DIR --images FOLDER."
      }`,
    );

  function controls() {
    const search = h("input", {
      type: "search",
      id: "search",
      value: view.words,
      placeholder: "name, patient, diagnosis, message",
      autocomplete: "off",
      on: {
        input: () => {
          view.words = search.value;
          view.scroll = 0;
          apply();
        },
      },
    });
    const sort = h(
      "select",
      {
        id: "sort",
        on: {
          change: () => {
            view.sort = sort.value;
            apply();
          },
        },
      },
      SORTS.map(([key, words]) => h("option", { value: key, selected: key === view.sort }, words())),
    );
    const chips = FILTERS.map(([key, words, keeps]) => {
      const n = DATA.rows.filter(keeps).length;
      return h(
        "button",
        {
          type: "button",
          class: "chip",
          "data-filter": key,
          "aria-pressed": String(view.filter === key),
          on: {
            click: () => {
              view.filter = key;
              reopen();
            },
          },
        },
        words,
        h("small", {}, ` ${n}`),
      );
    });
    return h(
      "div",
      { class: "controls" },
      h("div", { class: "chips", role: "group", "aria-label": "filter" }, chips),
      h("label", {}, h("span", {}, "Search "), search),
      h("label", {}, h("span", {}, "Sorted by "), sort),
    );
  }

  function reopen() {
    const focused = document.activeElement ? document.activeElement.getAttribute("data-filter") : null;
    view.scroll = 0;
    open();
    const again = focused && document.querySelector(`[data-filter="${focused}"]`);
    if (again) again.focus({ preventScroll: true });
  }

  // Which rows are shown, and in which order.
  function arrange() {
    const [, , keeps] = FILTERS.find(([key]) => key === view.filter),
      [, , before] = SORTS.find(([key]) => key === view.sort);
    const words = view.words.trim().toLowerCase().split(/\s+/).filter(Boolean);
    view.shown = DATA.rows
      .filter(
        (row) =>
          keeps(row) &&
          (!view.group || (row.lead && row.lead.key === view.group)) &&
          words.every((word) => row.words.includes(word)),
      )
      .sort((a, b) => before(a, b) || a.index - b.index);
  }

  function apply() {
    arrange();
    count.textContent =
      view.shown.length === DATA.rows.length
        ? `all ${view.shown.length} shown`
        : `${view.shown.length} of ${DATA.rows.length} shown`;
    say(count.textContent);
    view.nodes.clear();
    put(list);
    draw();
  }

  const height = () =>
    parseFloat(getComputedStyle(document.documentElement).fontSize) * (innerWidth < 640 ? 7 : 4.6);

  // Draw the rows near the screen; those that stay are kept, so that the focus stays with them.
  function draw(all = false) {
    if (!list || !list.isConnected) return;
    const step = height(),
      top = list.getBoundingClientRect().top;
    const first = all ? 0 : Math.max(0, Math.floor(-top / step) - OVERSCAN);
    const last = all
      ? view.shown.length
      : Math.min(view.shown.length, Math.ceil((innerHeight - top) / step) + OVERSCAN);
    list.style.setProperty("height", all ? "auto" : `${view.shown.length * step}px`);
    list.classList.toggle("whole", all);
    for (const [i, node] of view.nodes) {
      if ((i < first || i >= last) && !node.contains(document.activeElement)) {
        node.remove();
        view.nodes.delete(i);
      }
    }
    for (let i = first; i < last; i++) {
      if (view.nodes.has(i)) continue;
      const node = Rows.line(view.shown[i], i, view.shown.length);
      const after = [...view.nodes.keys()].filter((other) => other > i).sort((a, b) => a - b)[0];
      list.insertBefore(node, after === undefined ? null : view.nodes.get(after));
      view.nodes.set(i, node);
    }
    for (const [i, node] of view.nodes) node.style.setProperty("top", all ? "auto" : `${i * step}px`);
  }

  function downloads() {
    const n = State.corrected.length;
    if (!n) return null;
    const offer = (name, words, made) =>
      h("button", { type: "button", on: { click: () => Corrections.download(name, made().text) } }, words);
    return h(
      "section",
      { class: "downloads", "aria-label": "corrections" },
      h("p", {}, `${n} corrected. They are kept only in this page: download them before you close it.`),
      offer("corrections.csv", "Grades, for correct and reason", Corrections.grades),
      " ",
      offer("training-rows.csv", "Manifest rows, for train", Corrections.manifest),
    );
  }

  // The place of a row among those shown, for going from case to case.
  const neighbour = (index, by) => {
    const place = view.shown.findIndex((row) => row.index === index) + by;
    return place >= 0 && place < view.shown.length && place - by >= 0 ? view.shown[place] : null;
  };
  const place = (index) => [view.shown.findIndex((row) => row.index === index) + 1, view.shown.length];

  function move(by) {
    const now = document.activeElement && document.activeElement.getAttribute("data-place");
    const next = Math.min(Math.max(now === null ? 0 : Number(now) + by, 0), view.shown.length - 1);
    const top = list.getBoundingClientRect().top + next * height();
    if (top < 0 || top > innerHeight - 2 * height()) window.scrollBy(0, top - innerHeight / 2);
    draw();
    const node = view.nodes.get(next);
    if (node) node.firstChild.focus({ preventScroll: true });
  }

  window.addEventListener(
    "scroll",
    () => {
      if (list && list.isConnected) {
        view.scroll = scrollY;
        draw();
      }
    },
    { passive: true },
  );
  window.addEventListener("resize", () => draw());
  window.addEventListener("beforeprint", () => draw(true));
  window.addEventListener("afterprint", () => draw());

  return { prepare, open, neighbour, place, move };
})();

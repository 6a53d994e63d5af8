// An image with zoom, and overlays on it that are switched on and off.
const Viewer = (() => {
  const AT_ONCE = 6; // overlays whose switches are seen at once; the list has the strongest first
  let shown = null;
  const picture = (number) => PICTURES[number];

  // The panel of one row's image.
  function panel(row) {
    close();
    if (row.image === undefined) return h("div", { class: "no-image" }, h("p", {}, why(row)));
    const place = h("div", { class: "image", id: "image" });
    const button = (label, sign, act) =>
      h("button", { type: "button", "aria-label": label, title: label, on: { click: act } }, sign);
    const buttons = h(
      "div",
      { class: "zoom", role: "group", "aria-label": "zoom" },
      button("zoom in", "+", () => zoom(1.5)),
      button("zoom out", "−", () => zoom(1 / 1.5)),
      button("whole image", "⤢", () => shown && shown.viewport.goHome()),
    );
    return h("div", { class: "viewer" }, place, buttons, overlays(row));
  }

  function why(row) {
    if (row.status === "error") return "This file could not be read, so there is no image.";
    if (!DATA.pictures.wanted) return "The page was made without images.";
    return DATA.pictures.given
      ? "This image was not found where the page was told to look, or could not be read."
      : "The page was not told where the images lie: nmevision report DIR --images FOLDER.";
  }

  function zoom(factor) {
    if (shown) shown.viewport.zoomBy(factor).applyConstraints();
  }

  // Call when the panel stands in the page: OpenSeadragon measures it.
  function open(row) {
    if (row.image === undefined) return;
    shown = OpenSeadragon({
      element: byId("image"),
      tileSources: { type: "image", url: picture(row.image) },
      drawer: "canvas",
      showNavigationControl: false,
      showNavigator: false,
      animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.4,
      maxZoomPixelRatio: 12,
      visibilityRatio: 0.6,
      gestureSettingsMouse: { scrollToZoom: true, clickToZoom: false, dblClickToZoom: true },
    });
    shown.canvas.setAttribute("role", "application");
    shown.canvas.setAttribute("aria-label", `image of ${row.id}; arrow keys move it, plus and minus zoom`);
    shown.canvas.classList.add("focusable");
  }

  function close() {
    if (shown) shown.destroy();
    shown = null;
  }

  // Switches: one overlay at a time is read best, several may be laid over one another.
  function overlays(row) {
    if (!row.overlays || !row.overlays.length) return null;
    const layers = new Map();
    let strength = 0.6;
    const set = (number, on) => {
      const layer = layers.get(number);
      if (layer) return layer.setOpacity(on ? strength : 0);
      if (!on || !shown) return undefined;
      shown.addTiledImage({
        tileSource: { type: "image", url: picture(number) },
        x: 0,
        y: 0,
        width: 1,
        opacity: strength,
        success: (event) => layers.set(number, event.item),
      });
      return undefined;
    };
    const boxes = row.overlays.map(([name, number]) =>
      h(
        "label",
        {},
        h("input", {
          type: "checkbox",
          name: "overlay",
          on: {
            change: (event) => {
              set(number, event.target.checked);
              say(`${name} ${event.target.checked ? "shown" : "hidden"}`);
            },
          },
        }),
        ` ${name}`,
      ),
    );
    const slider = h("input", {
      type: "range",
      min: "0.1",
      max: "1",
      step: "0.05",
      value: "0.6",
      on: {
        input: (event) => {
          strength = Number(event.target.value);
          layers.forEach((layer) => layer.getOpacity() > 0 && layer.setOpacity(strength));
        },
      },
    });
    const rest = boxes.slice(AT_ONCE);
    return h(
      "fieldset",
      { class: "overlays" },
      h("legend", {}, "Overlays"),
      h("label", { class: "strength" }, "strength ", slider),
      boxes.slice(0, AT_ONCE),
      rest.length ? h("details", {}, h("summary", {}, `${rest.length} more`), rest) : null,
    );
  }

  return {
    panel,
    open,
    close,
    zoom,
    picture,
    get current() {
      return shown;
    },
  };
})();

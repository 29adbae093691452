// The page's map, list and charts. All that it shows is in the page; it asks for nothing.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const content = JSON.parse(byId("content").textContent);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

  // --- The map: metres from the north-west corner, north up, so lengths are lengths. ---
  const map = L.map("map", {
    crs: L.CRS.Simple, attributionControl: false, zoomSnap: 0.25, zoomDelta: 0.5, minZoom: -14,
    maxZoom: Math.ceil(Math.log2(16 / content.resolution)),  // a pixel as wide as 16 to 32 of the screen's
    scrollWheelZoom: false, preferCanvas: true, zoomAnimation: !calm, fadeAnimation: !calm,
  });
  // A page that is scrolled must not be caught by the map: its wheel zooms once it has the focus.
  map.on("focus", () => map.scrollWheelZoom.enable());
  map.on("blur", () => map.scrollWheelZoom.disable());
  L.control.scale({ imperial: false }).addTo(map);

  const box = ([left, bottom, right, top]) => [[bottom, left], [top, right]];
  const frame = box(content.bounds);
  const pane = (name, level, smooth) => {
    const made = map.createPane(name);
    made.style.zIndex = level;
    made.style.pointerEvents = "none";
    if (smooth) made.classList.add("leaflet-pane-smooth");
    return name;
  };
  const picture = (layer, where, words) => L.imageOverlay(layer.src, box(layer.bounds), { pane: where, alt: words });
  const sides = { before: pane("before", 210, true), after: pane("after", 220, true) };
  const gaps = { before: pane("before-gaps", 230), after: pane("after-gaps", 240) };
  pane("probability", 250);
  map.fitBounds(box(content.focus), { animate: false });

  for (const side of ["before", "after"]) {
    const layer = content.layers[side];
    if (layer) picture(layer, sides[side], `Image ${side} the event`).addTo(map);
  }
  byId("no-images").hidden = Boolean(content.layers.before);
  const unobserved = ["before", "after"].map((side) =>
    picture(content.layers[`${side}_gaps`], gaps[side], `What was not observed ${side} the event`).addTo(map));
  const probability = picture(content.layers.probability, "probability", "Landslide probability").addTo(map);

  // --- Shapes: each ring is a first corner and steps, in tenths of a pixel. ---
  const unit = content.resolution / content.grain;
  const ring = (steps) => {
    const corners = [];
    let x = 0, y = 0;
    for (let n = 0; n < steps.length; n += 2) {
      x += steps[n]; y += steps[n + 1];
      corners.push([y * unit, x * unit]);
    }
    return corners;
  };
  const outlines = content.area.map((polygon) => polygon.map(ring));
  L.polygon(outlines, { color: "#fff", weight: 4, opacity: 0.7, fill: false, interactive: false }).addTo(map);
  L.polygon(outlines, { color: "#111", weight: 2, dashArray: "6 5", fill: false, interactive: false }).addTo(map);

  const plain = { color: "#00d5ff", weight: 1.5, opacity: 1, fillColor: "#00d5ff", fillOpacity: 0.08 };
  const chosen = { color: "#fff200", weight: 3.5, opacity: 1, fillColor: "#fff200", fillOpacity: 0.15 };
  const landslides = L.featureGroup();
  const renderer = L.canvas({ tolerance: 6 });
  const shapes = content.landslides.shapes.map((polygons, place) =>
    L.polygon(polygons.map((rings) => rings.map(ring)), { ...plain, renderer })
      .on("click", (event) => { L.DomEvent.stop(event); select(place, "map"); })
      .addTo(landslides));
  landslides.addTo(map);

  // --- The divider. ---
  const divider = byId("divider");
  let share = 0.5, shown = "both";
  const clip = () => {
    const size = map.getSize(), corner = map.containerPointToLayerPoint([0, 0]);
    const at = { both: share, before: 1, after: 0 }[shown] * size.x;
    const cut = (from, to) => {
      const [left, right] = [corner.x + from, corner.x + to], bottom = corner.y + size.y;
      return `polygon(${left}px ${corner.y}px, ${right}px ${corner.y}px, ${right}px ${bottom}px, ${left}px ${bottom}px)`;
    };
    for (const panes of [sides, gaps]) {
      map.getPane(panes.before).style.clipPath = cut(0, at);
      map.getPane(panes.after).style.clipPath = cut(at, size.x);
    }
    divider.hidden = shown !== "both";
    divider.style.left = `${100 * share}%`;
    divider.setAttribute("aria-valuenow", Math.round(100 * share));
    divider.setAttribute("aria-valuetext", `${Math.round(100 * share)} % before`);
    const middle = { before: at / 2, after: (at + size.x) / 2 };
    for (const side of ["before", "after"]) {
      const label = byId(`side-${side}`), wide = side === "before" ? at : size.x - at;
      label.hidden = wide < 70;
      label.style.left = `${middle[side]}px`;
    }
  };
  const moveTo = (value) => { share = Math.min(1, Math.max(0, value)); clip(); };
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
    divider.focus({ preventScroll: true });
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const stage = byId("stage").getBoundingClientRect();
    moveTo((event.clientX - stage.left) / stage.width);
  });
  divider.addEventListener("keydown", (event) => {
    const to = {
      ArrowLeft: share - 0.02, ArrowDown: share - 0.02, ArrowRight: share + 0.02, ArrowUp: share + 0.02,
      PageDown: share - 0.1, PageUp: share + 0.1, Home: 0, End: 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    moveTo(to);
  });
  map.on("move zoom viewreset resize moveend zoomend", clip);
  clip();

  // --- Layers. ---
  const toggle = (id, layers) => {
    const box = byId(id);
    const update = () => layers.forEach((layer) => (box.checked ? layer.addTo(map) : layer.remove()));
    box.addEventListener("change", update);
    update();
  };
  toggle("layer-probability", [probability]);
  toggle("layer-landslides", [landslides]);
  toggle("layer-unobserved", unobserved);
  const opacity = byId("opacity");
  const fade = () => probability.setOpacity(opacity.value / 100);
  opacity.addEventListener("input", fade);
  fade();
  byId("sides").addEventListener("change", (event) => { shown = event.target.value; clip(); });
  byId("layers").addEventListener("submit", (event) => event.preventDefault());

  map.on("mousemove", (event) => {
    const east = content.corner[0] + event.latlng.lng, north = content.corner[1] + event.latlng.lat;
    byId("position").textContent = `${east.toFixed(0)} m E, ${north.toFixed(0)} m N (EPSG:${content.epsg})`;
  });

  // --- A landslide's attributes. ---
  const { columns, ids, places } = content.landslides;
  const words = (column, place) => {
    const value = column.values[place];
    if (value === null) return "not known";
    if (typeof value !== "number") return value;
    const number = value.toLocaleString("en", { minimumFractionDigits: column.digits, maximumFractionDigits: column.digits });
    return `${number}${column.unit && column.unit !== "\u00b0" ? " " : ""}${column.unit}`;
  };
  const degrees = ([north, east]) =>
    `${Math.abs(north).toFixed(5)}° ${north < 0 ? "S" : "N"}, ${Math.abs(east).toFixed(5)}° ${east < 0 ? "W" : "E"}`;
  let current = -1, origin = null;  // what is chosen, and where the focus goes back to
  const fact = (name, value) => {
    const row = document.createElement("div");
    row.append(
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    );
    return row;
  };
  // "map": by a click there. "find": while its number is typed. "list": to be looked at, then back.
  function select(place, from) {
    hide();
    current = place;
    if (from !== "find") byId("found").textContent = "";
    origin = from === "list" ? `#list [data-place="${place}"]` : null;
    shapes[place].setStyle(chosen).bringToFront();
    byId("card-title").textContent = `Landslide ${ids[place]}`;
    byId("card-facts").replaceChildren(
      ...columns.map((column) => fact(column.label, words(column, place))),
      fact("Within it", degrees(places[place])),
    );
    byId("card").hidden = false;
    byId("card").scrollTop = 0;
    byId("card-back").hidden = true;
    const around = shapes[place].getBounds(), card = byId("card"), size = map.getSize();
    const below = card.offsetWidth > size.x / 2;  // on a phone; else it is at the right
    card.classList.remove("opposite");
    if (from !== "map") {
      if (!byId("layer-landslides").checked) byId("layer-landslides").click();
      const zoom = Math.min(map.getBoundsZoom(around.pad(1)), Math.log2(6 / content.resolution));
      const level = Math.max(zoom, map.getZoom());
      // In the middle of what the card leaves free.
      const aside = below ? [0, card.offsetHeight / 2] : [card.offsetWidth / 2, 0];
      map.setView(map.unproject(map.project(around.getCenter(), level).add(aside), level), level, { animate: !calm });
    } else {
      const at = map.latLngToContainerPoint(around.getCenter());
      card.classList.toggle("opposite", below ? at.y > 0.55 * size.y : at.x > 0.55 * size.x);
      const rank = order.indexOf(place);
      if (rank >= 0) first = rank - (rank % ROWS);
    }
    list();
    if (from === "list") show();
  }
  // The list may be far below the map: what was chosen comes into view, and the focus with it. At once: a
  // scroll that takes its time is ended wherever another one begins, and the card may then be out of sight.
  function show() {
    const card = byId("card"), stage = byId("stage");
    byId("card-back").hidden = false;
    card.focus({ preventScroll: true });
    const whole = stage.offsetHeight <= innerHeight ? stage : card;
    whole.scrollIntoView({ block: "nearest" });
  }
  function hide() {
    if (current >= 0) shapes[current].setStyle(plain);
    current = -1;
    byId("card").hidden = true;
    for (const button of byId("list").querySelectorAll("button")) button.removeAttribute("aria-current");
  }
  function close() {
    hide();
    if (!origin) return;
    const back = document.querySelector(origin) ?? byId("list-section");
    origin = null;
    back.focus({ preventScroll: true });
    back.scrollIntoView({ block: "nearest" });
  }
  for (const name of ["card-close", "card-back"]) byId(name).addEventListener("click", close);
  map.on("click", () => { origin = null; hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });

  // --- The list: every landslide can be reached by keyboard. ---
  const ROWS = innerWidth < 700 ? 10 : 24;
  const area = columns.find((column) => column.name === "area_m2");
  const mean = columns.find((column) => column.name === "mean_probability");
  let order = ids.map((_, place) => place), first = 0;
  function list() {
    const focused = document.activeElement?.dataset?.place;
    const rows = order.slice(first, first + ROWS).map((place) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: ids[place] });
      const said = [area && words(area, place), mean && words(mean, place)].filter(Boolean).join(", ");
      button.append(Object.assign(document.createElement("small"), { textContent: ` ${said}` }));
      button.setAttribute("aria-label", `Landslide ${ids[place]} ${said}`);
      button.dataset.place = place;
      if (place === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => select(place, "list"));
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
    byId("list").replaceChildren(...rows);
    if (focused !== undefined) byId("list").querySelector(`[data-place="${focused}"]`)?.focus({ preventScroll: true });
    const last = Math.min(first + ROWS, order.length);
    byId("page").textContent = order.length ? `${first + 1} to ${last} of ${order.length.toLocaleString("en")}` : "none";
    byId("earlier").disabled = first === 0;
    byId("later").disabled = last >= order.length;
  }
  const sortable = columns.filter((column) => column.values.some((value) => typeof value === "number"));
  for (const column of sortable) byId("order").append(new Option(column.label.toLowerCase(), column.name));
  byId("order").addEventListener("change", () => {
    const { values } = columns.find((column) => column.name === byId("order").value);
    const key = (place) => values[place] ?? -Infinity;
    order.sort((a, b) => key(b) - key(a) || a - b);
    first = 0;
    list();
  });
  const find = () => {
    const asked = byId("find").value.trim(), place = asked ? ids.indexOf(asked) : -1;
    const said = place < 0 ? `No landslide ${asked} among the ${ids.length.toLocaleString("en")} that are listed.`
      : `Landslide ${asked} is chosen: Show, or Enter, leads to it on the map.`;
    byId("found").textContent = asked ? said : "";
    origin = null;
    if (place < 0) { hide(); return false; }
    const rank = order.indexOf(place);
    first = rank - (rank % ROWS);
    select(place, "find");
    return true;
  };
  const lead = () => { if (find()) { origin = "#find"; show(); } };
  byId("find").addEventListener("input", find);
  byId("find").addEventListener("keydown", (event) => { if (event.key === "Enter") lead(); });
  byId("show").addEventListener("click", lead);
  byId("earlier").addEventListener("click", () => { first -= ROWS; list(); });
  byId("later").addEventListener("click", () => { first += ROWS; list(); });
  byId("list-tools").hidden = byId("pages").hidden = ids.length === 0;
  list();

  // --- Charts: bars over classes; their numbers are in a table below each. ---
  const chart = (id, { labels, counts, x, y }) => {
    const place = byId(id);
    if (!place || !counts.length) return;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `Bars: ${y} by ${x}; the numbers are in the table below`);
    const classes = counts.map((_, n) => n), seen = counts.map((count) => (count > 0 ? count : null));
    const top = Math.max(...counts, 1);
    const grid = { stroke: "#ddd", width: 1 };
    const plot = new uPlot({
      width: place.clientWidth, height: 240, legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: [-0.6, counts.length - 0.4] },
        y: { distr: 3, range: [0.7, 10 ** Math.ceil(Math.log10(top) + 0.05)] },
      },
      axes: [
        { label: x, grid, splits: () => classes, size: 42,
          values: (self, at) => {
            const every = Math.ceil((80 * counts.length) / Math.max(self.width - 80, 80));
            return at.map((n) => (n % every ? "" : labels[n]));
          } },
        { label: y, grid, size: 66, values: (_, at) => at.map((v) => (Number.isInteger(Math.log10(v)) ? v.toLocaleString("en") : "")) },
      ],
      series: [{}, { fill: "#0b5cadcc", stroke: "#0b5cad", width: 0, points: { show: false },
        paths: uPlot.paths.bars({ size: [0.86, 60] }) }],
    }, [classes, seen], place);
    addEventListener("resize", () => plot.setSize({ width: place.clientWidth, height: 240 }));
  };
  for (const [id, bars] of Object.entries(content.charts)) chart(id, bars);
  document.documentElement.dataset.ready = "true";
})();

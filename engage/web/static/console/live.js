/* A part that keeps itself up to date is replaced as a whole: tables in it stay where they were scrolled to.
   (The focus stays by itself, on what has an id.) */
"use strict";
document.addEventListener("htmx:sseBeforeMessage", (event) => {
  const part = event.target;
  const places = [...part.querySelectorAll(".table[id]")].map((table) => [table.id, table.scrollLeft]);
  part.addEventListener("htmx:sseMessage", () => {
    for (const [id, left] of places) {
      const table = document.getElementById(id);
      if (table && left) table.scrollLeft = left;
    }
  }, {once: true});
});

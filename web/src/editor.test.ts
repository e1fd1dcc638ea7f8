import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Editor } from "./editor.svelte";
import { link, mesh, server } from "./test/build";

const servers = [server(0, 0, 0), server(1, 9, 9)];
let puts: unknown[];

beforeEach(() => {
  puts = [];
  vi.stubGlobal("fetch", (_: string, init: { body: string }) => {
    puts.push(JSON.parse(init.body));
    return Promise.resolve(new Response(init.body));
  });
});

afterEach(() => vi.unstubAllGlobals());

function editor(): Editor {
  const page = {
    mesh: mesh(servers, [link(0, 1)]),
    name: (id: number) => `hs${String(id)}`,
    announce: () => undefined,
    refuse: () => undefined,
  };
  const edit = new Editor(page);
  edit.adopted(page.mesh);
  return edit;
}

it("offers to undo a cut until the link is restored", async () => {
  const edit = editor();
  await edit.links.setCut("0-1", true);
  expect(edit.undoable?.text).toBe("Link hs0 – hs1 cut");
  await edit.links.setCut("0-1", false);
  expect(edit.undoable).toBeUndefined();
});

it("withdraws the offer when the mesh says that the link is restored", async () => {
  const edit = editor();
  await edit.links.setCut("0-1", true);
  edit.adopted(mesh(servers, [link(0, 1, {}, { cut: true, linked: false })]));
  expect(edit.undoable).toBeDefined();
  edit.adopted(mesh(servers, [link(0, 1)]));
  expect(edit.undoable).toBeUndefined();
});

it("undoes a cut to what was pinned just before", async () => {
  const edit = editor();
  const pinned = edit.links.set("0-1", (pins) => ({ ...pins, pins_ab: { loss_pct: 3 } }));
  await Promise.all([pinned, edit.links.setCut("0-1", true)]);
  await edit.undo();
  expect(puts).toEqual([
    { pins_ab: { loss_pct: 3 }, pins_ba: {}, cut: false, linked: false },
    { pins_ab: { loss_pct: 3 }, pins_ba: {}, cut: true, linked: false },
    { pins_ab: { loss_pct: 3 }, pins_ba: {}, cut: false, linked: false },
  ]);
});

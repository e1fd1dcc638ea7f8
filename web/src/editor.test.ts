import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Editor } from "./editor.svelte";
import { world } from "./geometry/space";
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

it("takes back together what was placed together, also where the mesh refuses one of them", async () => {
  const edit = editor();
  const asked: string[] = [];
  vi.stubGlobal("fetch", (path: string, { method }: { method: string }) => {
    asked.push(`${method} ${path}`);
    const placed = asked.length;
    if (placed === 3) return Promise.resolve(new Response(JSON.stringify({ detail: "no more servers" }), { status: 409 }));
    return Promise.resolve(new Response(JSON.stringify(server(placed + 1, 0, 0))));
  });
  const places = [1, 2, 3, 4].map((x) => world(x, 0));
  await expect(edit.placeMany(places)).rejects.toThrow("No more servers");
  expect(edit.last?.text).toBe("2 servers placed");
  asked.length = 0;
  await edit.undo();
  expect(asked).toEqual(["DELETE /api/v1/servers/2", "DELETE /api/v1/servers/3"]);
});

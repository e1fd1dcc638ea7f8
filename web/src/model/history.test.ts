import { describe, expect, it } from "vitest";
import { type Edit, History } from "./history";

/** Edits that add and take away numbers. */
function counting() {
  const state = { value: 0 };
  const edit = (by: number, series?: string): Edit => {
    const before = state.value;
    const after = (state.value += by);
    const to = (value: number) => () => Promise.resolve((state.value = value));
    return { text: `by ${String(by)}`, undo: to(before), redo: to(after), ...(series === undefined ? {} : { series }) };
  };
  return { state, edit };
}

describe("the history", () => {
  it("undoes and redoes in order", async () => {
    const { state, edit } = counting();
    const history = new History();
    for (const by of [1, 10, 100]) history.add(edit(by), 0);
    expect((await history.undo())?.text).toBe("by 100");
    await history.undo();
    expect(state.value).toBe(1);
    await history.redo();
    expect(state.value).toBe(11);
    expect(history.next?.text).toBe("by 100");
  });

  it("forgets all when the mesh is another one", async () => {
    const { state, edit } = counting();
    const history = new History();
    history.add(edit(1), 0);
    history.add(edit(5), 0);
    await history.undo();
    history.clear();
    expect([history.last, history.next]).toEqual([undefined, undefined]);
    expect([await history.undo(), await history.redo(), state.value]).toEqual([undefined, undefined, 1]);
  });

  it("forgets what was undone when something else is done", async () => {
    const { edit } = counting();
    const history = new History();
    history.add(edit(1), 0);
    await history.undo();
    history.add(edit(5), 0);
    expect(await history.redo()).toBeUndefined();
  });

  it("takes close steps of a series as one, and others apart", async () => {
    const { state, edit } = counting();
    const history = new History();
    history.add(edit(1, "nudge"), 0);
    history.add(edit(1, "nudge"), 500);
    history.add(edit(1, "nudge"), 1000);
    history.add(edit(1, "nudge"), 9000);
    await history.undo();
    expect(state.value).toBe(3);
    await history.undo();
    expect(state.value).toBe(0);
    await history.redo();
    expect(state.value).toBe(3);
  });

  it("does not get stuck on an edit that can not be undone", async () => {
    const { state, edit } = counting();
    const history = new History();
    history.add(edit(1), 0);
    history.add({ ...edit(1), undo: () => Promise.reject(new Error("no")) }, 0);
    await expect(history.undo()).rejects.toThrow("no");
    await history.undo();
    expect(state.value).toBe(0);
  });

  it("runs one step at a time", async () => {
    const { state, edit } = counting();
    const history = new History();
    for (let i = 0; i < 3; i++) history.add(edit(1), 0);
    await Promise.all([history.undo(), history.undo(), history.undo(), history.undo()]);
    expect(state.value).toBe(0);
  });
});

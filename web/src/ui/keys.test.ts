import { expect, it } from "vitest";
import { commandOf } from "./keys";

function key(name: string, more: object = {}) {
  return { key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more };
}

it.each([
  [key("Delete"), false, { do: "remove" }],
  [key("z", { ctrlKey: true }), false, { do: "undo" }],
  [key("z", { metaKey: true }), true, { do: "undo" }],
  [key("+", { shiftKey: true }), false, { do: "zoom-in" }],
  [key("0"), false, { do: "zoom-reset" }],
  [key("ArrowLeft"), true, { do: "nudge", dx: -10, dy: 0 }],
  [key("ArrowDown", { shiftKey: true }), true, { do: "nudge", dx: 0, dy: 1 }],
  [key("ArrowDown"), false, undefined],
  [key("Enter"), true, { do: "place" }],
  [key("Enter"), false, undefined],
  [key("f", { ctrlKey: true }), true, undefined],
  [key("0", { ctrlKey: true }), true, undefined],
  [key("o", { ctrlKey: true }), false, { do: "open" }],
  [key("s", { metaKey: true }), true, { do: "save" }],
  [key("x"), true, undefined],
])("%j", (pressed, onBoard, want) => {
  expect(commandOf(pressed, onBoard)).toEqual(want);
});

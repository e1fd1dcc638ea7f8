/**
 * The gestures of the board, one meaning each:
 * a press and release without moving is a click; a drag that begins on a server moves it; a drag that begins
 * elsewhere, or with space held, or with the middle button, pans; with Shift it draws a box that selects; the
 * wheel and a pinch zoom.
 */
import { drag, type D3DragEvent } from "d3-drag";
import { pointer, select } from "d3-selection";
import { type D3ZoomEvent, zoom, zoomIdentity } from "d3-zoom";
import type { ClientPoint } from "../editor.svelte";
import { MAX_ZOOM, MIN_ZOOM, type Screen, screen, type View } from "../geometry/space";


export interface GestureHandlers {
  /** The server under a point, and where its centre is. */
  grab(p: Screen, touch: boolean): { id: number; at: Screen } | undefined;
  view(view: View, byPerson: boolean): void;
  click(p: Screen, client: ClientPoint, how: { readonly touch: boolean; readonly shift: boolean }): void;
  /** A box is drawn between two corners; it is released where `done`. */
  box(from: Screen, to: Screen, done: boolean): void;
  /** `free`: Alt is held, so that nothing draws it to round latencies. */
  dragged(id: number, to: Screen, client: ClientPoint, free: boolean): void;
  dropped(id: number, moved: boolean): void;
  panning(active: boolean): void;
  pointer(p: Screen | undefined): void;
  /** Whether a drag pans whatever it begins on. */
  hand(): boolean;
}

export interface Gestures {
  setView(view: View): void;
}

const CLICK_SLACK = 4; // screen pixels that a click may move

/** What a drag holds: a server, or the corner of a box. */
interface Grip {
  readonly id: number | undefined;
  readonly x: number;
  readonly y: number;
}

export function attachGestures(element: HTMLElement, handlers: GestureHandlers): Gestures {
  const root = select<HTMLElement, unknown>(element);
  let touch = false;
  const panner = zoom<HTMLElement, unknown>()
    .scaleExtent([MIN_ZOOM, MAX_ZOOM])
    .clickDistance(CLICK_SLACK)
    .filter((e: MouseEvent) => (e.type === "wheel" ? true : !e.ctrlKey && !e.shiftKey && (!e.button || e.button === 1)))
    .on("start", (e: D3ZoomEvent<HTMLElement, unknown>) => handlers.panning(e.sourceEvent?.type === "mousedown"))
    .on("zoom", ({ transform: t, sourceEvent }: D3ZoomEvent<HTMLElement, unknown>) =>
      handlers.view({ k: t.k, x: t.x, y: t.y }, Boolean(sourceEvent)),
    )
    .on("end", () => handlers.panning(false));

  root.call(mover(element, handlers)).call(panner).on("dblclick.zoom", null);
  element.addEventListener("pointerdown", (e) => (touch = e.pointerType === "touch"), { capture: true });
  element.addEventListener("mousedown", (e) => e.button === 1 && e.preventDefault());
  element.addEventListener("click", (e) => {
    handlers.click(at(element, e), { x: e.clientX, y: e.clientY }, { touch, shift: e.shiftKey });
  });
  element.addEventListener("pointermove", (e) => handlers.pointer(e.pointerType === "touch" ? undefined : at(element, e)));
  element.addEventListener("pointerleave", () => handlers.pointer(undefined));
  return {
    setView: ({ k, x, y }) => root.call((s) => panner.transform(s, zoomIdentity.translate(x, y).scale(k))),
  };
}

function mover(element: HTMLElement, handlers: GestureHandlers) {
  let origin: Grip | undefined;
  let moved = false;
  return drag<HTMLElement, unknown, Grip | undefined>()
    .container(() => element)
    .clickDistance(CLICK_SLACK)
    .filter((e: MouseEvent) => !e.ctrlKey && !e.button && !handlers.hand())
    .subject((e: D3DragEvent<HTMLElement, unknown, Grip>) => {
      const found = handlers.grab(screen(e.x, e.y), e.sourceEvent?.type === "touchstart");
      if (found) return { id: found.id, x: found.at.x, y: found.at.y };
      return (e.sourceEvent as MouseEvent).shiftKey ? { id: undefined, x: e.x, y: e.y } : undefined;
    })
    .on("start", (e: D3DragEvent<HTMLElement, unknown, Grip>) => {
      origin = e.subject;
      moved = false;
    })
    .on("drag", (e: D3DragEvent<HTMLElement, unknown, Grip>) => {
      if (!origin) return;
      if (!moved && Math.hypot(e.x - origin.x, e.y - origin.y) < CLICK_SLACK) return;
      moved = true;
      const to = screen(e.x, e.y);
      if (origin.id === undefined) handlers.box(origin, to, false);
      else handlers.dragged(origin.id, to, clientOf(e.sourceEvent as MouseEvent | TouchEvent), (e.sourceEvent as MouseEvent | TouchEvent).altKey);
    })
    .on("end", (e: D3DragEvent<HTMLElement, unknown, Grip>) => {
      if (origin?.id !== undefined) handlers.dropped(origin.id, moved);
      else if (origin && moved) handlers.box(origin, screen(e.x, e.y), true);
      origin = undefined;
    });
}

function at(element: HTMLElement, e: MouseEvent): Screen {
  const [x, y] = pointer(e, element);
  return screen(x, y);
}

function clientOf(e: MouseEvent | TouchEvent): ClientPoint {
  const p = "clientX" in e ? e : (e.touches[0] ?? e.changedTouches[0]);
  return { x: p?.clientX ?? 0, y: p?.clientY ?? 0 };
}

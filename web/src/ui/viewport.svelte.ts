/** What part of the world the board shows, and how it changes by itself: zoom steps, fitting, gliding. */
import { boundsOf, clamp, fit, type Insets, MAX_ZOOM, MIN_ZOOM, reveal, type Screen, toWorld, type View, type World } from "../geometry/space";

const GLIDE_MS = 220;

export class Viewport {
  view = $state.raw<View>({ k: 1, x: 0, y: 0 });
  width = $state(0);
  height = $state(0);
  /** Tells the gestures of a view that did not come from them; set by the board. */
  apply: (view: View) => void = (view) => (this.view = view);
  /** The size of the board at this moment, in pixels; set by the board. The width and height above follow a frame later. */
  sizeOfBoard: () => { width: number; height: number } = () => ({ width: this.width, height: this.height });
  #gliding = 0;
  #to: View | undefined; // where a glide ends

  /** Takes the size of the board as it is: beside a panel that was opened or closed just now, too. */
  measure(): { width: number; height: number } {
    return ({ width: this.width, height: this.height } = this.sizeOfBoard());
  }

  centre(): World {
    this.measure();
    return toWorld(this.view, { x: this.width / 2, y: this.height / 2 });
  }

  zoomBy(factor: number): void {
    this.measure();
    const around: Screen = { x: this.width / 2, y: this.height / 2 };
    const { k, x, y } = this.#settled();
    const next = clamp(k * factor, MIN_ZOOM, MAX_ZOOM);
    const ratio = next / k;
    this.glide({ k: next, x: around.x - (around.x - x) * ratio, y: around.y - (around.y - y) * ratio });
  }

  zoomTo(k: number): void {
    this.zoomBy(k / this.#settled().k);
  }

  panBy(dx: number, dy: number): void {
    const { k, x, y } = this.#settled();
    this.glide({ k, x: x + dx, y: y + dy });
  }

  /** The view once it does not glide: what is pressed in between counts from there, so that no step is lost. */
  #settled(): View {
    return this.#to ?? this.view;
  }

  fitTo(points: Iterable<World>, insets: Insets, gliding = true): void {
    const box = boundsOf(points);
    if (!box) return;
    this.measure();
    const view = fit(box, this.width, this.height, insets);
    if (gliding) this.glide(view);
    else this.apply(view);
  }

  /** Pans by the least that shows the points. */
  show(points: Iterable<World>, insets: Insets): void {
    const box = boundsOf(points);
    if (!box) return;
    this.measure();
    const from = this.#settled();
    const to = reveal(from, box, this.width, this.height, insets);
    if (to.x !== from.x || to.y !== from.y) this.glide(to);
  }

  /** The same, and zooms out where they do not fit. */
  showWhole(points: readonly World[], insets: Insets): void {
    const box = boundsOf(points);
    if (!box) return;
    this.measure();
    const whole = fit(box, this.width, this.height, insets);
    if (whole.k < this.#settled().k) this.glide(whole);
    else this.show(points, insets);
  }

  glide(to: View): void {
    cancelAnimationFrame(this.#gliding);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.#to = undefined;
      this.apply(to);
      return;
    }
    this.#to = to;
    const from = this.view;
    const start = performance.now();
    const step = (now: number) => {
      const t = clamp((now - start) / GLIDE_MS, 0, 1);
      const eased = 1 - (1 - t) ** 3;
      const at = (a: number, b: number) => a + (b - a) * eased;
      this.apply({ k: at(from.k, to.k), x: at(from.x, to.x), y: at(from.y, to.y) });
      if (t < 1) this.#gliding = requestAnimationFrame(step);
      else this.#to = undefined;
    };
    this.#gliding = requestAnimationFrame(step);
  }

  /** Ends a glide, because the person took over. */
  hold(): void {
    cancelAnimationFrame(this.#gliding);
    this.#to = undefined;
  }
}

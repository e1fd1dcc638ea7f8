import { STEPS } from "../scene/colouring";

/** The colours of the drawing, read from the style sheet so that they are written down once. */
export interface Theme {
  readonly canvas: string;
  readonly grid: string;
  readonly link: string;
  readonly label: string;
  readonly labelMuted: string;
  readonly ink: string;
  readonly muted: string;
  readonly node: string;
  readonly nodeEdge: string;
  readonly accent: string;
  readonly danger: string;
  readonly warn: string;
  readonly font: string;
  /** What stands for several events at once. */
  readonly bundle: string;
  /** The steps of a scale, from least to most: lightness alone tells them apart. */
  readonly scale: readonly string[];
  /** One for each kind of server, in turn. */
  readonly kinds: readonly string[];
}

const KINDS = 6;

export function readTheme(element: Element): Theme {
  const style = getComputedStyle(element);
  const value = (name: string) => style.getPropertyValue(name).trim();
  return {
    canvas: value("--canvas"),
    grid: value("--canvas-grid"),
    link: value("--canvas-link"),
    label: value("--ink-2"),
    labelMuted: value("--ink-3"),
    ink: value("--ink"),
    muted: value("--ink-3"),
    node: value("--canvas-node"),
    nodeEdge: value("--canvas-node-edge"),
    accent: value("--accent"),
    danger: value("--danger"),
    warn: value("--warn"),
    font: style.fontFamily,
    bundle: value("--canvas-bundle"),
    scale: Array.from({ length: STEPS }, (_, i) => value(`--scale-${i}`)),
    kinds: Array.from({ length: KINDS }, (_, i) => value(`--kind-${i}`)),
  };
}

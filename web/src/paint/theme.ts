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
}

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
  };
}

/** A terminal in the page, joined to a shell in a server's container. Loaded when one is opened. */
import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";

/** The sixteen colours of a terminal on a light background, each with a contrast of 4.5 or more. On a dark one xterm's own do. */
const ON_LIGHT: ITheme = {
  black: "#141d2b",
  red: "#b01a26",
  green: "#0f6a33",
  yellow: "#7d4e00",
  blue: "#1f4bc4",
  magenta: "#7a2fa8",
  cyan: "#0b6570",
  white: "#57606a",
  brightBlack: "#4a5462",
  brightRed: "#c41f2c",
  brightGreen: "#157339",
  brightYellow: "#865800",
  brightBlue: "#2857d9",
  brightMagenta: "#8a3bbd",
  brightCyan: "#0f6f7b",
  brightWhite: "#33435c",
};

/** The page's colours where an element is. */
function themeAt(element: HTMLElement): ITheme {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(name).trim();
  return {
    ...(style.colorScheme === "dark" ? {} : ON_LIGHT),
    background: of("--surface-2"),
    foreground: of("--ink"),
    cursor: of("--accent"),
    selectionBackground: of("--accent-soft"),
  };
}

/** Opens a shell in an element, in the page's colours as they change. `ended` is told why there is none any more. Returns what ends it. */
export function openTerminal(element: HTMLElement, server: number, ended: (why: string) => void): () => void {
  const terminal = new Terminal({
    fontSize: 13,
    fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
    theme: themeAt(element),
    minimumContrastRatio: 4.5,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    screenReaderMode: true,
  });
  const fitter = new FitAddon();
  terminal.loadAddon(fitter);
  terminal.open(element);
  fitter.fit();

  const socket = new WebSocket(shellURL(location, server, terminal.rows, terminal.cols));
  socket.binaryType = "arraybuffer";
  let why = "";
  const tell = (message: string | Uint8Array) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(message);
  };
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
    if (typeof data === "string") why = (JSON.parse(data) as { end: string }).end;
    else terminal.write(new Uint8Array(data));
  };
  socket.onclose = () => ended(why || "meshsim refused a shell here, or can not be reached.");
  terminal.onData((typed) => tell(new TextEncoder().encode(typed)));
  terminal.onResize(({ rows, cols }) => tell(JSON.stringify({ rows, columns: cols })));
  const sizes = new ResizeObserver(() => fitter.fit());
  sizes.observe(element);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => (terminal.options.theme = themeAt(element));
  scheme.addEventListener("change", recolour);
  terminal.focus();

  return () => {
    sizes.disconnect();
    scheme.removeEventListener("change", recolour);
    socket.onclose = null;
    socket.close();
    terminal.dispose();
  };
}

function shellURL(page: { protocol: string; host: string }, server: number, rows: number, columns: number): string {
  const scheme = page.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${page.host}/api/v1/servers/${server}/terminal?rows=${rows}&columns=${columns}`;
}

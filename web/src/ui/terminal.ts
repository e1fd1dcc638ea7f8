/** A terminal in the page, joined to a shell in a server's container. Loaded when one is opened. */
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";

export interface TerminalColours {
  readonly background: string;
  readonly foreground: string;
  readonly cursor: string;
  readonly selection: string;
}

/** Opens a shell in an element. `ended` is told why there is none any more. Returns what ends it. */
export function openTerminal(element: HTMLElement, server: number, colours: TerminalColours, ended: (why: string) => void): () => void {
  const { background, foreground, cursor, selection } = colours;
  const terminal = new Terminal({
    fontSize: 13,
    fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
    theme: { background, foreground, cursor, selectionBackground: selection },
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
  terminal.focus();

  return () => {
    sizes.disconnect();
    socket.onclose = null;
    socket.close();
    terminal.dispose();
  };
}

function shellURL(page: { protocol: string; host: string }, server: number, rows: number, columns: number): string {
  const scheme = page.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${page.host}/api/v1/servers/${server}/terminal?rows=${rows}&columns=${columns}`;
}

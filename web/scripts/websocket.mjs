// Just enough of a WebSocket (RFC 6455) to tell a page of a mesh that is not there: text frames from here to there. What
// the page sends is not read; it says nothing but that it goes.
import { createHash } from "node:crypto";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Calls `opened(send, socket)` for every WebSocket that is opened at a path of the HTTP server. */
export function serveWebSocket(server, path, opened) {
  server.on("upgrade", (request, socket) => {
    if (new URL(request.url, "http://page").pathname !== path) return socket.destroy();
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + GUID).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.destroy());
    socket.resume();
    opened((text) => socket.write(Buffer.concat(framed(text))), socket);
  });
}

/** A text message in one frame (section 5.2): its head, and what it says. */
function framed(text) {
  const payload = Buffer.from(text);
  const head = Buffer.alloc(10);
  head[0] = 0x81;
  if (payload.length < 126) {
    head[1] = payload.length;
    return [head.subarray(0, 2), payload];
  }
  if (payload.length < 2 ** 16) {
    head[1] = 126;
    head.writeUInt16BE(payload.length, 2);
    return [head.subarray(0, 4), payload];
  }
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(payload.length), 2);
  return [head, payload];
}

// Pictures of a page as it is shown, each with the time that it stood.

/** Records a page until `stop`, which returns frames ({ png: base64, ms }) that together last `seconds`. */
export async function record(page, { seconds, gapMS = 80, idleMS = 1200 }) {
  const session = await page.context().newCDPSession(page);
  const shots = [];
  session.on("Page.screencastFrame", ({ data, metadata, sessionId }) => {
    void session.send("Page.screencastFrameAck", { sessionId }).catch(() => undefined);
    const atMS = metadata.timestamp * 1000;
    shots.push({ png: data, atMS, slot: Math.floor(atMS / gapMS) });
  });
  await session.send("Page.startScreencast", { format: "png", everyNthFrame: 1 });
  return {
    async stop() {
      await session.send("Page.stopScreencast");
      await session.detach();
      shots.sort((a, b) => a.atMS - b.atMS);
      const kept = shots.filter(({ slot }, i) => slot !== shots[i + 1]?.slot); // the last of those that are near shows most
      const times = kept.map(({ atMS }, i) => Math.min((kept[i + 1]?.atMS ?? Infinity) - atMS, idleMS));
      const total = times.reduce((a, b) => a + b, 0);
      return kept.map(({ png }, i) => ({ png, ms: (times[i] * seconds * 1000) / total }));
    },
  };
}

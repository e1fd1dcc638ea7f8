// A room whose traffic is looked at.
import { until } from "./meshsim.mjs";

export const PLACES = [
  [100, 120],
  [320, 120],
  [540, 120],
  [320, 330],
];

/** The page with four servers in a room, of which the first speaks, Talk beside the canvas, all of the mesh in sight. */
export async function watched({ mesh, visit }, options) {
  const ids = await mesh.place(PLACES);
  const room = await mesh.room("watched", ids);
  const ui = await visit(options);
  await ui.counts(ids.length);
  await ui.panel("Talk");
  await ui.keys("f");
  await ui.rests();
  const say = (body) => mesh.say(room, ids[0], body);
  const card = (text) => ui.page.getByRole("log", { name: "Messages" }).locator("article", { hasText: text });
  return {
    ui,
    ids,
    room,
    say,
    card,
    still: () => until("nothing moves", async () => (await ui.pixels(1)) === 0),
    /** A message, waited for until every server has it. */
    async delivered(body) {
      await say(body);
      await card(body).getByText("all have it").waitFor();
    },
    /** Waits until the speaker knows that everything arrived: what follows does not wait behind what is sent again. */
    async acknowledged() {
      const rests = (p) => p.pdus + p.edus === 0 && !p.sending;
      await until("all is acknowledged", async () => (await mesh.get(`/servers/${ids[0]}/peers`)).every(rests));
    },
  };
}

// Two users on two servers talk with matrix-js-sdk and its Rust crypto: sdk_talk.mjs URL-OF-HS0 URL-OF-HS1
//
// Register, log in, cross-sign, back keys up, create an encrypted room, invite and join over federation, encrypted
// messages both ways, typing, receipts, reactions, media; first with the ordinary sync, then with the sliding one. Exits
// with an error as soon as something does not come out as it should.
import { createClient, EventType, MatrixError, MsgType, ReceiptType, RelationType, RoomEvent } from "matrix-js-sdk";
import { SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";

// What the SDK takes for granted of newer Nodes and of browsers.
Promise.withResolvers ??= () => {
    const made = {};
    made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
    return made;
};

const PATIENCE = 60_000; // ms

/** Resolves once the condition holds, which is looked at after every event of the client. */
function until(client, what, condition) {
    return new Promise((resolve, reject) => {
        const give_up = setTimeout(() => reject(new Error(`${client.getUserId()}: ${what} has not come`)), PATIENCE);
        const look = setInterval(async () => {
            if (!(await condition())) return;
            clearInterval(look);
            clearTimeout(give_up);
            resolve();
        }, 50);
    });
}

/** A sliding sync that shows all rooms with all of their state. */
function sliding(client) {
    const all = { timeline_limit: 20, required_state: [["*", "*"]] };
    return new SlidingSync(client.baseUrl, new Map([["all", { ranges: [[0, 99]], ...all }]]), all, client, 20_000);
}

async function register(baseUrl, name, slides) {
    const guest = createClient({ baseUrl });
    const auth = { type: "m.login.dummy" };
    await guest.registerRequest({ username: name, password: "secret", auth, inhibit_login: true });
    const login = await guest.loginRequest({ type: "m.login.password", identifier: { type: "m.id.user", user: name }, password: "secret" });
    const client = createClient({ baseUrl, userId: login.user_id, accessToken: login.access_token, deviceId: login.device_id });
    await client.initRustCrypto({ useIndexedDB: false });
    const crypto = client.getCrypto();
    await crypto.bootstrapCrossSigning({
        authUploadDeviceSigningKeys: (request) =>
            request({ type: "m.login.password", identifier: { type: "m.id.user", user: name }, password: "secret" }),
    });
    await crypto.resetKeyBackup();
    client.texts = [];
    client.on(RoomEvent.Timeline, async (event) => {
        await client.decryptEventIfNeeded(event);
        if (event.getType() === EventType.RoomMessage && event.isEncrypted() && !event.isDecryptionFailure()) {
            client.texts.push(event.getContent().body);
        }
    });
    await client.startClient({
        initialSyncLimit: 20,
        lazyLoadMembers: !slides,
        threadSupport: true,
        slidingSync: slides ? sliding(client) : undefined,
    });
    await until(client, "the first sync", () => client.isInitialSyncComplete());
    return client;
}

async function talk(alice, bob) {
    const { room_id: room } = await alice.createRoom({
        name: "sdk",
        invite: [bob.getUserId()],
        initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
    });
    await until(bob, "the invite", () => bob.getRoom(room)?.getMyMembership() === "invite");
    await bob.joinRoom(room);
    const sees = (client, other) => () => client.getRoom(room)?.getMember(other.getUserId())?.membership === "join";
    await until(bob, "alice in the room", async () => {
        await bob.getRoom(room)?.loadMembersIfNeeded();
        return sees(bob, alice)();
    });
    await until(alice, "bob in the room", sees(alice, bob));
    for (const [speaker, hearer] of [[alice, bob], [bob, alice], [alice, bob]]) {
        const text = `secret of ${speaker.getUserId()} ${hearer.texts.length}`;
        await until(speaker, "encryption", () => speaker.getCrypto().isEncryptionEnabledInRoom(room));
        await speaker.sendTextMessage(room, text);
        await until(hearer, `"${text}"`, () => hearer.texts.includes(text));
    }
    await alice.sendTyping(room, true, 20_000);
    await until(bob, "typing", () => bob.getRoom(room).getMember(alice.getUserId()).typing);
    const last = bob.getRoom(room).getLiveTimeline().getEvents().findLast((e) => e.getType() === EventType.RoomMessage);
    await bob.sendReadReceipt(last);
    await until(alice, "the receipt", () => alice.getRoom(room).getEventReadUpTo(bob.getUserId()) === last.getId());
    await bob.sendEvent(room, EventType.Reaction, {
        "m.relates_to": { rel_type: RelationType.Annotation, event_id: last.getId(), key: "👍" },
    });
    await until(alice, "the reaction", () =>
        alice.getRoom(room).getLiveTimeline().getEvents().some((e) => e.getType() === EventType.Reaction));
    const master = await alice.getCrypto().getUserVerificationStatus(bob.getUserId());
    if (!(await bob.getCrypto().getCrossSigningStatus()).publicKeysOnDevice || master === undefined) throw new Error("bob has no cross-signing keys");
    const devices = (await alice.getCrypto().getUserDeviceInfo([bob.getUserId()], true)).get(bob.getUserId());
    if (devices?.size !== 1) throw new Error(`alice sees ${devices?.size} devices of bob`);
    await file(alice, bob);
}

async function file(alice, bob) {
    const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => i % 251);
    const { content_uri: uri } = await alice.uploadContent(new Blob([bytes]), { name: "bytes", type: "application/octet-stream" });
    const url = bob.mxcUrlToHttp(uri, undefined, undefined, undefined, false, true, true);
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${bob.getAccessToken()}` } });
    const got = new Uint8Array(await answer.arrayBuffer());
    if (answer.status !== 200 || got.length !== bytes.length || got.some((b, i) => b !== bytes[i])) {
        throw new Error(`the file at bob's server: ${answer.status}, ${got.length} bytes`);
    }
}

const [one, two] = process.argv.slice(2);
const run = Date.now();
try {
    for (const slides of [false, true]) {
        const of = slides ? "sliding" : "";
        const [alice, bob] = await Promise.all([register(one, `alice${of}${run}`, slides), register(two, `bob${of}${run}`, slides)]);
        await talk(alice, bob);
        alice.stopClient();
        bob.stopClient();
        console.log(`matrix-js-sdk${slides ? " with sliding sync" : ""}: ok`);
    }
    process.exit(0);
} catch (error) {
    console.error(error instanceof MatrixError ? `${error.url}: ${error.message}` : error);
    process.exit(1);
}

#!/usr/bin/python3
"""Two users on two servers talk with matrix-nio (libolm): nio_talk.py URL-OF-HS0 URL-OF-HS1

Register, log in, create an encrypted room, invite and join over federation, encrypted messages both ways, typing,
receipts, media; join by alias, what was said before, redactions, a topic. Exits with an error as soon as something does not come out as it should.
"""
import asyncio
import io
import sys
import tempfile
import time

from nio import (AsyncClient, AsyncClientConfig, DownloadResponse, InviteMemberEvent, JoinResponse, LoginResponse,
                 MessageDirection, ReceiptEvent, RedactedEvent, RedactionEvent, RegisterResponse, RoomCreateResponse,
                 RoomGetEventResponse, RoomMessagesResponse, RoomMessageText, RoomPreset, RoomPutStateResponse,
                 RoomRedactResponse, RoomSendResponse, TypingNoticeEvent, UploadResponse)

PATIENCE = 60  # seconds


def check(response, kind):
    if not isinstance(response, kind):
        sys.exit(f"expected {kind.__name__}, got {response}")
    return response


class User:
    """A user with one device that keeps all that its syncs bring."""

    def __init__(self, url, name, store):
        config = AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
        self.client = AsyncClient(url, name, store_path=store, config=config)
        self.name, self.texts, self.typing, self.receipts, self.invites = name, [], [], [], []
        self.redacted = []
        self.client.add_event_callback(lambda _, e: self.texts.append((e.sender, e.body, e.decrypted)), RoomMessageText)
        self.client.add_event_callback(lambda r, _: self.invites.append(r.room_id), InviteMemberEvent)
        self.client.add_event_callback(lambda _, e: self.redacted.append(e.redacts), RedactionEvent)
        self.client.add_ephemeral_callback(lambda _, e: self.typing.append(e.users), TypingNoticeEvent)
        self.client.add_ephemeral_callback(lambda _, e: self.receipts.extend(e.receipts), ReceiptEvent)

    async def start(self):
        check(await self.client.register(self.name, "secret", device_name="first"), RegisterResponse)
        await self.client.logout()
        check(await self.client.login("secret", device_name="nio"), LoginResponse)
        if self.client.should_upload_keys:
            await self.client.keys_upload()
        await self.client.sync(timeout=0, full_state=True)

    async def until(self, what, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                sys.exit(f"{self.name}: {what} has not come; texts {self.texts}, typing {self.typing}")
            await self.client.sync(timeout=1000)
            await self.keep_keys()

    async def keep_keys(self):
        """What sync_forever does between two syncs."""
        if self.client.should_upload_keys:
            await self.client.keys_upload()
        if self.client.should_query_keys:
            await self.client.keys_query()
        if self.client.should_claim_keys:
            await self.client.keys_claim(self.client.get_users_for_key_claiming())
        await self.client.send_to_device_messages()

    async def say(self, room, text):
        sent = await self.client.room_send(room, "m.room.message", {"msgtype": "m.text", "body": text},
                                           ignore_unverified_devices=True)
        return check(sent, RoomSendResponse).event_id


async def download(client, server, media):
    got = await client.download(server_name=server, media_id=media)
    if isinstance(got, DownloadResponse):
        return got.body
    # Homeservers may have no more than they had for the endpoint without authentication (specification v1.11, "Content
    # repository"), which is the only one that older versions of nio know.
    answer = await client.send("GET", f"/_matrix/client/v1/media/download/{server}/{media}",
                               headers={"Authorization": f"Bearer {client.access_token}"})
    if answer.status != 200:
        sys.exit(f"download of {server}/{media}: {got}, then {answer.status} {await answer.text()}")
    return await answer.read()


async def talk(alice, bob):
    await alice.start()
    await bob.start()
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    room = check(await alice.client.room_create(name="nio", invite=[bob.client.user_id], initial_state=[encryption]),
                 RoomCreateResponse).room_id
    await bob.until("the invite", lambda: room in bob.invites)
    check(await bob.client.join(room), JoinResponse)
    await bob.until("the room", lambda: room in bob.client.rooms and bob.client.rooms[room].encrypted)
    await alice.until("bob in the room", lambda: room in alice.client.rooms
                      and bob.client.user_id in alice.client.rooms[room].users)
    for speaker, hearer in ((alice, bob), (bob, alice), (alice, bob)):
        text = f"secret of {speaker.name} {len(hearer.texts)}"
        await speaker.say(room, text)
        await hearer.until("a message", lambda: (speaker.client.user_id, text, True) in hearer.texts)
    await alice.client.room_typing(room, True, timeout=20000)
    await bob.until("typing", lambda: [alice.client.user_id] in bob.typing)
    last = (await alice.client.room_messages(room, alice.client.next_batch, limit=1)).chunk[0].event_id
    await bob.until("the last message", lambda: bool(bob.texts))
    await bob.client.room_read_markers(room, last, last)
    await alice.until("the receipt", lambda: any(r.user_id == bob.client.user_id and r.event_id == last for r in alice.receipts))
    file = bytes(range(256)) * 40
    uploaded, _ = await alice.client.upload(lambda *_: io.BytesIO(file), content_type="application/octet-stream",
                                            filename="bytes", filesize=len(file))
    uri = check(uploaded, UploadResponse).content_uri
    server, media = uri.removeprefix("mxc://").split("/")
    if await download(bob.client, server, media) != file:
        sys.exit("the file is another one at bob's server")


async def meet(alice, bob):
    """What needs no encryption: bob comes late, by alias."""
    local = f"open-{alice.name}"
    room = check(await alice.client.room_create(alias=local, preset=RoomPreset.public_chat), RoomCreateResponse).room_id
    await alice.until("her open room", lambda: room in alice.client.rooms)
    await alice.say(room, "before bob came")
    server = alice.client.user_id.partition(":")[2]
    if check(await bob.client.join(f"#{local}:{server}"), JoinResponse).room_id != room:
        sys.exit("the alias leads to another room")
    await bob.until("the open room", lambda: room in bob.client.rooms)
    await alice.until("bob in the open room", lambda: bob.client.user_id in alice.client.rooms[room].users)
    history = check(await bob.client.room_messages(room, bob.client.next_batch, direction=MessageDirection.back, limit=50),
                    RoomMessagesResponse).chunk
    if "before bob came" not in [e.body for e in history if isinstance(e, RoomMessageText)]:
        sys.exit(f"bob, who came late, reads {history}")
    for speaker, hearer in ((alice, bob), (bob, alice)):
        text = f"{speaker.name} regrets this"
        event = await speaker.say(room, text)
        await hearer.until("what is regretted", lambda: (speaker.client.user_id, text, False) in hearer.texts)
        check(await speaker.client.room_redact(room, event, "regretted"), RoomRedactResponse)
        await hearer.until("the redaction", lambda: event in hearer.redacted)
        left = check(await hearer.client.room_get_event(room, event), RoomGetEventResponse).event
        if not isinstance(left, RedactedEvent):
            sys.exit(f"{hearer.name} still has {left}")
    check(await alice.client.room_put_state(room, "m.room.topic", {"topic": "what alice says"}), RoomPutStateResponse)
    await bob.until("the topic", lambda: bob.client.rooms[room].topic == "what alice says")


async def main():
    run = int(time.time())
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        alice, bob = User(sys.argv[1], f"alice{run}", one), User(sys.argv[2], f"bob{run}", two)
        try:
            await talk(alice, bob)
            await meet(alice, bob)
        finally:
            await alice.client.close()
            await bob.client.close()
    print("matrix-nio: ok")


asyncio.run(main())

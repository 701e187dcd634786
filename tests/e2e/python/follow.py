"""Follows the log of a Fleetlog hub with a plain NATS client: one JSON line per commit.

    fleetlog hub follower create audit > audit.creds
    pip install nats-py[nkeys]
    python3 follow.py audit.creds [--after POSITION] [--until POSITION]

Each line has the position, the subject (whose history it is part of) and the types of what happened.
It goes on from a position: keep the last one that was handled. Nothing is ever sent twice or left
out: the messages of a consumer are numbered, and after a gap a new consumer goes on where it was.
"""

import argparse
import asyncio
import base64
import json
import re
import sys
import uuid

import nats

STREAM = "AUDIT"


def read_credentials(path):
    """The name of the follower, the hub's address and the subjects, from the file itself."""
    text = open(path, encoding="ascii").read()
    comment = dict(re.findall(r"^# (hub|subjects): (.+)$", text, re.MULTILINE))
    jwt = text.split("-----BEGIN NATS USER JWT-----")[1].split("------END")[0].strip()
    claims = jwt.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    return claims["name"], comment["hub"], comment["subjects"].split()


class Gap(Exception):
    """A message is missing, or nothing was heard for too long."""


async def consume(client, name, subject, after):
    """Yields the messages after a position in order; raises Gap when one is missing."""
    inbox = client.new_inbox()
    messages = await client.subscribe(inbox)
    consumer = f"{name}-{uuid.uuid4().hex}"
    config = {
        "name": consumer,
        "deliver_subject": inbox,
        "filter_subject": subject,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "none",
        "max_deliver": 1,
        "flow_control": True,
        "idle_heartbeat": 5_000_000_000,
        "inactive_threshold": 60_000_000_000,
        "mem_storage": True,
        "num_replicas": 1,
    }
    create = f"$JS.API.CONSUMER.CREATE.{STREAM}.{consumer}.{subject}"
    body = json.dumps({"stream_name": STREAM, "config": config, "action": "create"})
    answer = json.loads((await client.request(create, body.encode(), timeout=5)).data)
    if "error" in answer:
        sys.exit(f"{subject}: {answer['error']['description']}")
    number = 0
    try:
        while True:
            try:
                message = await messages.next_msg(timeout=12)
            except nats.errors.TimeoutError as silence:
                raise Gap from silence
            headers = message.headers or {}
            if "Nats-Msg-Id" not in headers:  # a heartbeat, or the server asks to go on
                if message.reply:
                    await client.publish(message.reply)
                elif headers.get("Nats-Last-Consumer", str(number)) != str(number):
                    raise Gap
                continue
            # $JS.ACK.<stream>.<consumer>.<deliveries>.<position>.<number>.<time>.<pending>
            place = message.reply.split(".")
            number += 1
            if int(place[-3]) != number:
                raise Gap
            yield int(place[-4]), message
    finally:
        await messages.unsubscribe()
        await client.publish(f"$JS.API.CONSUMER.DELETE.{STREAM}.{consumer}")


async def follow(arguments):
    name, hub, subjects = read_credentials(arguments.credentials)
    client = await nats.connect(
        arguments.hub or hub,
        user_credentials=arguments.credentials,
        inbox_prefix=f"_INBOX_{name}".encode(),
    )
    subject, position = arguments.subject or subjects[0], arguments.after
    while arguments.until is None or position < arguments.until:
        try:
            async for position, message in consume(client, name, subject, position):
                types = message.headers["Fl-Types"].split(",")
                line = {"position": position, "subject": message.subject, "types": types}
                print(json.dumps(line), flush=True)
                if arguments.until is not None and position >= arguments.until:
                    break
        except Gap:
            continue
    await client.drain()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("credentials", help="what `fleetlog hub follower create` printed")
    parser.add_argument("--hub", help="another address of the hub")
    parser.add_argument("--subject", help="which of the follower's subjects; the first when absent")
    parser.add_argument("--after", type=int, default=0, help="the position to go on after")
    parser.add_argument("--until", type=int, help="the position to end at; never when absent")
    asyncio.run(follow(parser.parse_args()))


if __name__ == "__main__":
    main()

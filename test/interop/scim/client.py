"""A directory on scim2-client: checks a server by scim2-tester, or does what a directory does; prints JSON.

client.py check URL TOKEN     every check of the RFCs that the tester has
client.py push URL TOKEN      people and groups made, changed and found, as a directory's life goes
"""

import json
import sys

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Error, PatchOp, PatchOperation, SearchRequest
from scim2_tester import check_server


def check(client):
    results = check_server(client)
    told = [
        {"status": r.status.name, "title": r.title, "reason": r.reason} for r in results
    ]
    print(json.dumps(told))


def push(client):
    client.discover()
    User = client.get_resource_model("User")
    Group = client.get_resource_model("Group")

    people = [
        client.create(User(user_name=f"{name}@example.com", display_name=name, active=True))
        for name in ("ann", "ben", "cat")
    ]
    ops = client.create(Group(display_name="Ops", members=[{"value": people[0].id}]))
    operation = PatchOperation(
        op=PatchOperation.Op.add,
        path="members",
        value=[{"value": people[1].id}, {"value": people[2].id}],
    )
    ops = client.modify(Group, ops.id, PatchOp[Group](operations=[operation]))
    gone = PatchOperation(op=PatchOperation.Op.remove, path=f'members[value eq "{people[0].id}"]')
    ops = client.modify(Group, ops.id, PatchOp[Group](operations=[gone]))
    found = client.query(User, query_parameters=SearchRequest(filter='userName eq "BEN@example.com"'))
    people[1].display_name = "Benjamin"
    renamed = client.replace(people[1])
    off = PatchOperation(op=PatchOperation.Op.replace_, path="active", value=False)
    suspended = client.modify(User, people[2].id, PatchOp[User](operations=[off]))
    client.delete(User, people[0].id)
    again = client.create(
        User(user_name="ben@example.com"), raise_scim_errors=False
    )
    print(
        json.dumps(
            {
                "members": sorted(m.value for m in ops.members) == sorted(p.id for p in people[1:]),
                "found": [u.id == people[1].id for u in found.resources],
                "renamed": renamed.display_name,
                "active": suspended.active,
                "again": isinstance(again, Error) and [again.status, again.scim_type],
                "left": client.query(User).total_results,
            }
        )
    )


if __name__ == "__main__":
    what, url, token = sys.argv[1:]
    http = Client(base_url=url, headers={"Authorization": f"Bearer {token}"})
    {"check": check, "push": push}[what](SyncSCIMClient(http))

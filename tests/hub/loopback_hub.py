"""A small Hub on loopback for the real `huggingface_hub` client: repositories in memory, commits all or nothing.

It can be told to fail: `hub.fail("POST", r"/commit/", status=500, times=2)`, or to close the connection in the middle.
"""

import base64
import fnmatch
import hashlib
import io
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_loopbacktoken0123456789"
LFS_PATTERNS = ("*.safetensors", "*.mp4", "*.png", "*.bin")


@dataclass
class Repo:
    """Files by commit; a branch, a tag or `refs/pr/N` names one."""

    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, files: dict[str, bytes], message: str) -> str:
        listing = "".join(f"{path}{hashlib.sha256(data).hexdigest()}" for path, data in sorted(files.items()))
        sha = hashlib.sha1(f"{len(self.commits)}{listing}{message}".encode()).hexdigest()
        self.commits[sha] = files
        self.messages.append(message)
        return sha

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.refs.get(revision)


@dataclass
class Fault:
    method: str
    path: re.Pattern[str]
    status: int | None
    times: int
    message: str
    after: bool


class LoopbackHub:
    """`with LoopbackHub() as hub:` serves at `hub.url` until the block ends.

    Attributes:
        repos: what it holds.
        lfs: large objects by their SHA-256, also those that no commit names yet.
        requests: `METHOD path` of every request, in order.
        users: namespaces that the token may write to.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.lfs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.users = {"someone"}
        self.faults: list[Fault] = []
        self.lock = threading.Lock()
        self.before: Callable[[str, str], None] | None = None
        hub = self

        class Handler(_Handler):
            owner = hub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "LoopbackHub":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def fail(
        self,
        method: str,
        path: str,
        *,
        status: int | None,
        times: int = 1,
        message: str = "planted",
        after: bool = False,
    ) -> None:
        """Answer the next `times` requests that fit with `status`; None closes the connection without an answer.

        With `after`, what was asked for is done before.
        """
        self.faults.append(Fault(method, re.compile(path), status, times, message, after))

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """What a revision holds; a data set is `datasets/user/name`."""
        repo = self.repos[repo_id]
        return repo.commits[repo.refs.get(revision, revision)]


class _Handler(BaseHTTPRequestHandler):
    owner: LoopbackHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        self.query = parse_qs(parts.query)
        path = unquote(parts.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        with self.owner.lock:
            self.owner.requests.append(f"{method} {path}")
            fault = next((f for f in self.owner.faults if f.times and f.method == method and f.path.search(path)), None)
            if fault is not None:
                fault.times -= 1
            if self.owner.before is not None:
                self.owner.before(method, path)
        if fault is not None and fault.after:
            self._answer(method, path, body, out=io.BytesIO())
        if fault is not None and fault.status is None:
            self.close_connection = True
            self.connection.close()
            return
        if fault is not None:
            return self._json({"error": fault.message}, status=fault.status or 500)
        self._answer(method, path, body, out=self.wfile)

    def _answer(self, method: str, path: str, body: bytes, *, out: Any) -> None:
        kept, self.wfile = self.wfile, out
        try:
            for kind, pattern, answer in _ROUTES:
                match = re.fullmatch(pattern, path)
                if match and method in kind.split():
                    with self.owner.lock:
                        return answer(self, body, **match.groupdict())
            self._json({"error": f"no such address: {method} {path}"}, status=404)
        finally:
            self.wfile = kept

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    # -- answers

    def _json(self, value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._bytes(json.dumps(value).encode(), status=status, headers=headers)

    def _bytes(self, data: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _may_write(self, repo_id: str) -> bool:
        """Whether the token may; the answer that it may not is sent here."""
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json({"error": "Invalid username or password."}, status=401)
        elif repo_id.removeprefix("datasets/").removeprefix("spaces/").split("/")[0] not in self.owner.users:
            self._json({"error": "You don't have the rights to write under this namespace"}, status=403)
        else:
            return True
        return False

    def _found(self, repo_id: str, revision: str = "main") -> tuple[Repo, str] | None:
        repo = self.owner.repos.get(repo_id)
        authorized = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repo is None or (repo.private and not authorized):
            self._json({"error": "Repository not found"}, status=401, headers={"X-Error-Code": "RepoNotFound"})
            return None
        sha = repo.resolve(revision)
        if sha is None:
            self._json({"error": "Revision not found"}, status=404, headers={"X-Error-Code": "RevisionNotFound"})
            return None
        return repo, sha

    # -- addresses

    def create(self, body: bytes) -> None:
        wanted = json.loads(body)
        repo_id = f"{wanted.get('organization') or 'someone'}/{wanted['name']}"
        if wanted.get("type") in ("dataset", "space"):
            repo_id = f"{wanted['type']}s/{repo_id}"
        if not self._may_write(repo_id):
            return
        if repo_id in self.owner.repos:
            return self._json({"error": "You already created this model repo", "url": repo_id}, status=409)
        private = wanted.get("private") or wanted.get("visibility") == "private"
        repo = self.owner.repos[repo_id] = Repo(private=bool(private))
        repo.refs["main"] = repo.commit({".gitattributes": b""}, "initial commit")
        self._json({"url": f"{self.owner.url}/{repo_id}", "name": repo_id, "id": repo_id})

    def validate_yaml(self, body: bytes) -> None:
        text = json.loads(body)["content"]
        if "license: refused" in text:
            return self._json({"errors": [{"message": "no licence of ours"}], "warnings": []}, status=400)
        license_given = re.search(r"^license:\s*\S", text, flags=re.MULTILINE)
        self._json({"errors": [], "warnings": [] if license_given else [{"message": "empty or missing license"}]})

    def whoami(self, body: bytes) -> None:
        if self._may_write("someone/x"):
            self._json({"name": "someone", "type": "user", "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def preupload(self, body: bytes, repo: str, revision: str) -> None:
        if not self._may_write(repo) or not self._found(repo, revision):
            return
        held, sha = self._found(repo, revision)  # type: ignore[misc]
        modes = []
        for file in json.loads(body)["files"]:
            is_large = any(fnmatch.fnmatch(file["path"], pattern) for pattern in LFS_PATTERNS)
            data = held.commits[sha].get(file["path"])
            modes.append(
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if is_large else "regular",
                    "shouldIgnore": False,
                    "oid": None if data is None else _oid(data, is_large),
                }
            )
        self._json({"files": modes})

    def lfs_batch(self, body: bytes, repo: str) -> None:
        if not self._may_write(repo):
            return
        objects = []
        for one in json.loads(body)["objects"]:
            answer: dict[str, Any] = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.owner.lfs:
                address = f"{self.owner.url}/lfs/{one['oid']}"
                answer["actions"] = {"upload": {"href": address}, "verify": {"href": f"{address}/verify"}}
            objects.append(answer)
        self._json({"transfer": "basic", "objects": objects})

    def lfs_put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self._json({"error": "content does not have this hash"}, status=400)
        self.owner.lfs[oid] = body
        self._bytes(b"")

    def lfs_verify(self, body: bytes, oid: str) -> None:
        self._json({}, status=200 if oid in self.owner.lfs else 404)

    def commit(self, body: bytes, repo: str, revision: str) -> None:
        if not self._may_write(repo) or not (found := self._found(repo, revision)):
            return
        held, parent = found
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if header.get("parentCommit") not in (None, parent):
            return self._json({"error": "The expected parent commit is not the branch's head"}, status=412)
        files = dict(held.commits[parent])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.owner.lfs:
                    return self._json({"error": f"lfs object {value['oid']} is missing"}, status=400)
                files[value["path"]] = self.owner.lfs[value["oid"]]
            elif line["key"] == "deletedFile":
                files.pop(value["path"], None)
            elif line["key"] == "deletedFolder":
                files = {path: data for path, data in files.items() if not path.startswith(f"{value['path']}/")}
        sha = held.commit(files, header.get("summary", ""))
        answer: dict[str, Any] = {"commitUrl": f"{self.owner.url}/{repo}/commit/{sha}", "commitOid": sha}
        if self.query.get("create_pr") == ["1"]:
            number = 1 + sum(name.startswith("refs/pr/") for name in held.refs)
            held.refs[f"refs/pr/{number}"] = sha
            answer["pullRequestUrl"] = f"{self.owner.url}/{repo}/discussions/{number}"
        else:
            held.refs[revision] = sha
        self._json(answer)

    def info(self, body: bytes, repo: str, revision: str = "main") -> None:
        if not (found := self._found(repo, revision)):
            return
        held, sha = found
        siblings = [{"rfilename": path} for path in sorted(held.commits[sha])]
        self._json({"id": repo, "modelId": repo, "sha": sha, "private": held.private, "siblings": siblings, "tags": []})

    def tree(self, body: bytes, repo: str, revision: str, folder: str = "") -> None:
        if not (found := self._found(repo, revision)):
            return
        held, sha = found
        inside = {
            path: data for path, data in held.commits[sha].items() if path.startswith(f"{folder}/" if folder else "")
        }
        if folder and not inside:
            return self._json({"error": "Entry not found"}, status=404, headers={"X-Error-Code": "EntryNotFound"})
        entries, folders = [], set()
        for path, data in sorted(inside.items()):
            below = path.removeprefix(f"{folder}/" if folder else "").split("/")[:-1]
            for depth in range(1, len(below) + 1):
                folders.add("/".join([*([folder] if folder else []), *below[:depth]]))
            if not below or self.query.get("recursive", ["false"])[0].lower() == "true":
                entries.append(_entry(path, data))
        if self.query.get("recursive", ["false"])[0].lower() != "true":
            folders = {name for name in folders if "/" not in name.removeprefix(f"{folder}/" if folder else "")}
        entries += [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in sorted(folders)]
        self._json(entries)

    def paths_info(self, body: bytes, repo: str, revision: str) -> None:
        if not (found := self._found(repo, revision)):
            return
        held, sha = found
        wanted = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode()).get("paths", [])
        entries = []
        for path in wanted:
            if path in held.commits[sha]:
                entries.append(_entry(path, held.commits[sha][path]))
            elif any(name.startswith(f"{path}/") for name in held.commits[sha]):
                entries.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        self._json(entries)

    def list_refs(self, body: bytes, repo: str) -> None:
        if not (found := self._found(repo)):
            return
        kinds: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": [], "pullRequests": []}
        for name, sha in found[0].refs.items():
            kind = "pullRequests" if name.startswith("refs/pr/") else "tags" if name in _tags(found[0]) else "branches"
            prefix = {"branches": "refs/heads/", "tags": "refs/tags/"}.get(kind, "")
            kinds[kind].append({"name": name, "ref": f"{prefix}{name}", "targetCommit": sha})
        self._json(kinds)

    def make_branch(self, body: bytes, repo: str, name: str) -> None:
        if not self._may_write(repo) or not (found := self._found(repo)):
            return
        if name in found[0].refs:
            return self._json({"error": "Reference already exists"}, status=409)
        start = json.loads(body or b"{}").get("startingPoint") or "main"
        found[0].refs[name] = found[0].resolve(start) or found[1]
        self._bytes(b"", status=201)

    def make_tag(self, body: bytes, repo: str, revision: str) -> None:
        if not self._may_write(repo) or not (found := self._found(repo, revision)):
            return
        name = json.loads(body)["tag"]
        if name in found[0].refs:
            return self._json({"error": "Tag reference exists already"}, status=409)
        found[0].refs[name] = found[1]
        _tags(found[0]).add(name)
        self._bytes(b"", status=201)

    def resolve(self, body: bytes, repo: str, revision: str, path: str) -> None:
        if not (found := self._found(repo, revision)):
            return
        held, sha = found
        data = held.commits[sha].get(path)
        commit = {"X-Repo-Commit": sha}
        if data is None:
            return self._json(
                {"error": "Entry not found"}, status=404, headers={"X-Error-Code": "EntryNotFound", **commit}
            )
        is_large = any(fnmatch.fnmatch(path, pattern) for pattern in LFS_PATTERNS)
        etag = f'"{_oid(data, is_large)}"'
        linked = {"X-Linked-Etag": etag, "X-Linked-Size": str(len(data))} if is_large else {}
        self._bytes(data, headers={"ETag": etag, **linked, **commit})


def _entry(path: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": _oid(data, False)}
    if any(fnmatch.fnmatch(path, pattern) for pattern in LFS_PATTERNS):
        entry["lfs"] = {"oid": _oid(data, True), "size": len(data), "pointerSize": 130}
    return entry


def _oid(data: bytes, is_large: bool) -> str:
    """As git names a blob, and LFS an object."""
    return hashlib.sha256(data).hexdigest() if is_large else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _tags(repo: Repo) -> set[str]:
    return repo.__dict__.setdefault("tags", set())


_REPO = r"(?P<repo>(?:(?:datasets|spaces)/)?[^/]+/[^/]+)"
# Of models the name follows `/api/models/`, of others `/api/`: there the repository is `datasets/user/name`.
_API = r"/api/(?:models/(?P<repo>[^/]+/[^/]+)|(?P<dataset>(?:datasets|spaces)/[^/]+/[^/]+))"
_REVISION = r"(?P<revision>refs/pr/\d+|[^/]+)"


def _of_api(answer: Callable[..., None]) -> Callable[..., None]:
    def named(handler: _Handler, body: bytes, *, repo: str | None, dataset: str | None, **parts: str) -> None:
        parts = {name: value for name, value in parts.items() if value is not None}
        answer(handler, body, repo=repo or dataset, **parts)

    return named


_ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", _Handler.validate_yaml),
    ("GET", r"/api/whoami-v2", _Handler.whoami),
    ("POST", rf"/{_REPO}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]+)", _Handler.lfs_put),
    ("POST", r"/lfs/(?P<oid>[0-9a-f]+)/verify", _Handler.lfs_verify),
    ("POST", rf"{_API}/preupload/(?P<revision>.+)", _of_api(_Handler.preupload)),
    ("POST", rf"{_API}/commit/(?P<revision>.+)", _of_api(_Handler.commit)),
    ("POST", rf"{_API}/paths-info/(?P<revision>.+)", _of_api(_Handler.paths_info)),
    ("GET", rf"{_API}/refs", _of_api(_Handler.list_refs)),
    ("GET", rf"{_API}/tree/{_REVISION}(?:/(?P<folder>.+))?", _of_api(_Handler.tree)),
    ("GET", rf"{_API}/revision/(?P<revision>.+)", _of_api(_Handler.info)),
    ("GET", _API, _of_api(_Handler.info)),
    ("POST", rf"{_API}/branch/(?P<name>.+)", _of_api(_Handler.make_branch)),
    ("POST", rf"{_API}/tag/(?P<revision>.+)", _of_api(_Handler.make_tag)),
    ("GET HEAD", rf"/{_REPO}/resolve/{_REVISION}/(?P<path>.+)", _Handler.resolve),
]

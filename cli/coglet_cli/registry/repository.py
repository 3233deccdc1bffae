"""A repository of a registry over HTTP: distribution specification 1.1."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final, Self

import httpx

from coglet_cli.errors import UserError
from coglet_cli.registry.media_types import DOCKER_MANIFEST_TYPE, INDEX_TYPE, MANIFEST_TYPE

# A large blob may take its time at the other end before it is confirmed.
_TIMEOUT: Final = httpx.Timeout(60.0, read=600.0)
# A registry gives a manifest in no other form than those that are named.
_ACCEPTED: Final = ", ".join([MANIFEST_TYPE, INDEX_TYPE, DOCKER_MANIFEST_TYPE, "*/*"])
_CHUNK_BYTES: Final = 1024 * 1024


class RegistryError(UserError):
    """A registry cannot be reached, or refuses."""

    def __init__(self, repository: str, reason: str) -> None:
        super().__init__(
            f"the registry failed with {repository}: {reason}",
            hint="check `model` in cog.yaml, and `cog login` for a private registry",
        )


class Repository:
    """One repository, `host/path`. To be used in a `with` block."""

    def __init__(self, name: str, timeout: httpx.Timeout = _TIMEOUT) -> None:
        host, _, self._path = name.partition("/")
        self.name = name
        self._host = host
        self._client = httpx.Client(base_url=f"{_scheme(host)}://{host}", timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def has_blob(self, digest: str) -> bool:
        """True when the registry has the blob already."""
        return self._ask("HEAD", f"blobs/{digest}", (200, 404)).status_code == 200

    def upload(self, digest: str, size: int, content: Iterable[bytes]) -> None:
        """Sends content, unless it is there. Raises RegistryError."""
        if self.has_blob(digest):
            return
        place = self._ask("POST", "blobs/uploads/", (202,)).headers["Location"]
        url = httpx.URL(place).copy_merge_params({"digest": digest})
        self._put(url, content, {"Content-Length": str(size)})

    def put_manifest(self, reference: str, data: bytes, media_type: str = MANIFEST_TYPE) -> None:
        """Stores a manifest under a tag. Raises RegistryError."""
        self._put(self._url(f"manifests/{reference}"), data, {"Content-Type": media_type})

    def manifest(self, reference: str) -> httpx.Response:
        """The manifest under a tag or digest, with its media type. Raises RegistryError."""
        return self._ask("GET", f"manifests/{reference}", (200,))

    def blob(self, digest: str) -> Iterator[bytes]:
        """Content, in pieces. Raises RegistryError."""
        self._ask("HEAD", f"blobs/{digest}", (200,))  # which logs in where that is needed
        try:
            with self._client.stream("GET", self._url(f"blobs/{digest}"), follow_redirects=True) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                self._check(answer, (200,))
                yield from answer.iter_bytes(_CHUNK_BYTES)
        except httpx.HTTPError as error:
            raise RegistryError(self.name, str(error)) from None

    def _put(self, url: httpx.URL | str, content: bytes | Iterable[bytes], headers: dict[str, str]) -> None:
        # Nobody is asked to log in here: something was asked before, and a stream is sent once.
        try:
            answer = self._client.put(url, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise RegistryError(self.name, str(error)) from None
        self._check(answer, (201,))

    def _ask(self, method: str, path: str, expected: tuple[int, ...]) -> httpx.Response:
        """Logs in when the registry asks for it, again when a token has run out, and keeps that."""
        headers = {"Accept": _ACCEPTED}
        try:
            answer = self._client.request(method, self._url(path), headers=headers, follow_redirects=True)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._client.headers["Authorization"] = self._authorization(answer)
                answer = self._client.request(method, self._url(path), headers=headers, follow_redirects=True)
        except httpx.HTTPError as error:
            raise RegistryError(self.name, str(error)) from None
        self._check(answer, expected)
        return answer

    def _authorization(self, refusal: httpx.Response) -> str:
        """Basic, or a token that a service gives for it: distribution specification, token authentication."""
        basic = _credentials(self._host)
        challenge = refusal.headers.get("WWW-Authenticate", "")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if not challenge.lower().startswith("bearer") or "realm" not in fields:
            return _basic(basic) if basic else ""
        scope = {"service": fields.get("service", ""), "scope": f"repository:{self._path}:pull,push"}
        answer = httpx.get(fields["realm"], params=scope, auth=basic, timeout=self._client.timeout)
        self._check(answer, (200,))
        token = answer.json()
        return f"Bearer {token.get('token') or token.get('access_token')}"

    def _check(self, answer: httpx.Response, expected: tuple[int, ...]) -> None:
        if answer.status_code not in expected:
            text = "" if answer.request.method == "HEAD" else answer.text.strip()[:200]
            raise RegistryError(self.name, f"status {answer.status_code} {text}".strip())

    def _url(self, path: str) -> str:
        return f"/v2/{self._path}/{path}"


def _basic(credentials: httpx.BasicAuth) -> str:
    request = next(credentials.auth_flow(httpx.Request("GET", "http://registry")))
    return str(request.headers["Authorization"])


def _credentials(host: str) -> httpx.BasicAuth | None:
    """What `cog login` or `docker login` have stored."""
    from coglet_cli.registry.credentials import stored_credentials

    found = stored_credentials(host)
    name, word = found.get("username"), found.get("password")
    return httpx.BasicAuth(name, word) if name and word else None


def _scheme(host: str) -> str:
    """As Docker does: plain HTTP for this machine alone."""
    name = host.rpartition(":")[0] or host
    try:
        is_here = ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        is_here = name == "localhost"
    return "http" if is_here else "https"

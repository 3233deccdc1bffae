"""Access to a repository of a registry over HTTP (distribution specification 1.1)."""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final, Self

import httpx

from coglet_cli.errors import UserError
from coglet_cli.registry.media_types import DOCKER_MANIFEST_TYPE, INDEX_TYPE, MANIFEST_TYPE

# A registry may need minutes to confirm a large blob.
_TIMEOUT: Final = httpx.Timeout(60.0, read=600.0)
# A registry returns a manifest only in the listed formats.
_ACCEPTED: Final = ", ".join([MANIFEST_TYPE, INDEX_TYPE, DOCKER_MANIFEST_TYPE, "*/*"])
_CHUNK_BYTES: Final = 1024 * 1024


class RegistryError(UserError):
    """A registry cannot be reached, or rejects a request."""

    def __init__(self, repository: str, reason: str) -> None:
        super().__init__(
            f"request to registry {repository} failed: {reason}",
            hint="check `model` in cog.yaml; for a private registry run `cog login`",
        )


class Repository:
    """One repository, `host/path`. Use it in a `with` block."""

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
        """Return True if the registry already has the blob. Raises RegistryError."""
        return self._ask("HEAD", f"blobs/{digest}", (200, 404)).status_code == 200

    def upload(self, digest: str, size: int, content: Iterable[bytes]) -> None:
        """Upload a blob of `size` bytes unless the registry already has it. Raises RegistryError."""
        if self.has_blob(digest):
            return
        place = self._ask("POST", "blobs/uploads/", (202,)).headers["Location"]
        url = httpx.URL(place).copy_merge_params({"digest": digest})
        self._put(url, content, {"Content-Length": str(size)})

    def put_manifest(self, reference: str, data: bytes, media_type: str = MANIFEST_TYPE) -> None:
        """Store a manifest under a tag. Raises RegistryError."""
        self._put(self._url(f"manifests/{reference}"), data, {"Content-Type": media_type})

    def manifest(self, reference: str) -> httpx.Response:
        """Return the response with the manifest of a tag or digest. Raises RegistryError."""
        return self._ask("GET", f"manifests/{reference}", (200,))

    def blob(self, digest: str) -> Iterator[bytes]:
        """Yield the content of a blob in chunks. Raises RegistryError."""
        self._ask("HEAD", f"blobs/{digest}", (200,))  # logs in if the registry requires it
        try:
            with self._client.stream("GET", self._url(f"blobs/{digest}"), follow_redirects=True) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                self._check(answer, (200,))
                yield from answer.iter_bytes(_CHUNK_BYTES)
        except httpx.HTTPError as error:
            raise RegistryError(self.name, str(error)) from None

    def _put(self, url: httpx.URL | str, content: bytes | Iterable[bytes], headers: dict[str, str]) -> None:
        # No login here: an earlier request has done it, and a stream can be sent only once.
        try:
            answer = self._client.put(url, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise RegistryError(self.name, str(error)) from None
        self._check(answer, (201,))

    def _ask(self, method: str, path: str, expected: tuple[int, ...]) -> httpx.Response:
        """Send a request; log in if the registry requires it or a token has expired. Raises RegistryError."""
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
        """Return an Authorization header: Basic, or a token from the service that `refusal` names.

        Source: distribution specification, token authentication.
        """
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
    """Return the credentials that `cog login` or `docker login` stored."""
    from coglet_cli.registry.credentials import stored_credentials

    found = stored_credentials(host)
    name, word = found.get("username"), found.get("password")
    return httpx.BasicAuth(name, word) if name and word else None


def _scheme(host: str) -> str:
    """Return `http` for this machine, else `https`, as Docker does."""
    name = host.rpartition(":")[0] or host
    try:
        is_local = ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        is_local = name == "localhost"
    return "http" if is_local else "https"

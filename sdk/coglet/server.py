"""`coglet.server` starts the prediction server from Python: the one bridge to the other components."""

from __future__ import annotations

import os

from coglet import _runtime

TYPE_CHECKING = False  # importing typing would double the cost of `import coglet`
if TYPE_CHECKING:
    from typing import NoReturn

_MISSING = "{module} is not installed in this Python; the server needs: pip install 'pycoglet[server]'"
# In an image, the server has its own Python; the image sets this variable to its path.
_SUPERVISOR_PYTHON = "COG_SUPERVISOR_PYTHON"


class Server:
    """The class of `coglet.server`, its only instance. Read-only."""

    __slots__ = ()

    @property
    def active(self) -> bool:
        """True inside a worker process, where the model runs."""
        return _runtime.active()

    def serve(  # noqa: PLR0913 - the signature callers of the Rust runtime use
        self,
        predictor_ref: str | None = None,
        host: str = "0.0.0.0",
        port: int = 5000,
        await_explicit_shutdown: bool = False,
        is_train: bool = False,
        output_temp_dir_base: str = "/tmp/coglet/output",
        upload_url: str | None = None,
    ) -> None:
        """Serve `predictor_ref` (`predict.py:Predictor`) until stopped; without a reference, health only.

        `output_temp_dir_base` is accepted for old callers and ignored. Raises SystemExit if the server fails,
        and ImportError if its dependencies are not installed.
        """
        try:
            from coglet_supervisor.main import serve
        except ModuleNotFoundError as error:
            flags = ["--host", host, "--port", str(port), "--x-mode", "train" if is_train else "predict"]
            flags.append(f"--await-explicit-shutdown={str(await_explicit_shutdown).lower()}")
            flags += ["--upload-url", upload_url] if upload_url else []
            _become_server([*flags, predictor_ref] if predictor_ref else flags, error)
        _exit_with(
            serve(
                predictor_ref,
                host=host,
                port=port,
                await_explicit_shutdown=await_explicit_shutdown,
                is_train=is_train,
                upload_url=upload_url,
            )
        )

    def _run_command(self, arguments: list[str], program: str) -> None:
        """Serve as the flags in `arguments` say. Raises SystemExit and ImportError, as `serve` does."""
        try:
            from coglet_supervisor.command_line import main
        except ModuleNotFoundError as error:
            _become_server(arguments, error)
        _exit_with(main(arguments, program))

    def _run_worker(self) -> None:
        """Run the worker end of the protocol on this process's stdin and stdout."""
        from coglet_worker.__main__ import main

        main()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot set '{name}': coglet.server is read-only")

    def __repr__(self) -> str:
        return "coglet.server"


def _become_server(arguments: list[str], missing: ModuleNotFoundError) -> NoReturn:
    """Replace this process by the server of the image. Raises ImportError if there is none."""
    python = os.environ.get(_SUPERVISOR_PYTHON)
    if not python:
        raise ImportError(_MISSING.format(module=missing.name), name=missing.name) from missing
    # -P, because the current folder is the model's and may hold modules of any name.
    os.execv(python, [python, "-P", "-m", "coglet_supervisor", *arguments])


def _exit_with(code: int) -> None:
    if code:
        raise SystemExit(code)


server = Server()

"""Errors that the user can act on. Only `main` prints them and exits."""

from pathlib import Path


class UserError(Exception):
    """A command cannot continue for a reason outside this program; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ProjectNotFound(UserError):
    """Neither the current folder nor a parent of it contains the configuration file."""

    def __init__(self, file_name: str, cwd: Path) -> None:
        super().__init__(
            f"{file_name} not found in {cwd} (or in any parent directories)",
            hint="change to the folder of your model, or run `cog init` to start one here",
        )


class ConfigError(UserError):
    """The configuration file breaks one or more rules; the message has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class InputError(UserError):
    """The inputs on the command line do not match the model's schema."""

    def __init__(self, problems: list[str], *, hint: str | None = None) -> None:
        message = problems[0]
        if len(problems) > 1:
            message = "\n".join(["input validation failed:", *(f"- {problem}" for problem in problems)])
        super().__init__(message, hint=hint)


class Interrupted(UserError):
    """A signal ended the command; the exit code is the one that a shell reports for that signal."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.signal_number = signal_number
        # 128 + n is how POSIX shells report a death by signal n.
        self.exit_code = 128 + signal_number

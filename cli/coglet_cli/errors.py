"""Failures that a person can act on. `main` prints them; nothing below it prints and exits."""

from pathlib import Path


class UserError(Exception):
    """A command cannot go on for a reason outside of this program; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ProjectNotFound(UserError):
    """No folder from the current one upwards holds the configuration file."""

    def __init__(self, file_name: str, cwd: Path) -> None:
        super().__init__(
            f"{file_name} not found in {cwd} (or in any parent directories)",
            hint="change to the folder of your model, or run `cog init` to start one here",
        )


class ConfigError(UserError):
    """The configuration file breaks one or more rules; a line of the message for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class InputError(UserError):
    """The inputs on the command line do not fit the model; found before anything was started."""

    def __init__(self, problems: list[str], *, hint: str | None = None) -> None:
        message = problems[0]
        if len(problems) > 1:
            message = "\n".join(["input validation failed:", *(f"- {problem}" for problem in problems)])
        super().__init__(message, hint=hint)


class Interrupted(UserError):
    """A signal ended the command; its exit code is the one a shell reports for that signal."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.signal_number = signal_number
        # 128 + n is how POSIX shells report a death by signal n.
        self.exit_code = 128 + signal_number

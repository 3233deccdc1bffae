"""Runs the checks in order and shows their findings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coglet_cli.doctor import (
    build_checks,
    config_checks,
    machine_checks,
    migration,
    output_checks,
    python_checks,
    schema_checks,
)
from coglet_cli.doctor.finding import CannotFix, Check, Finding, Level
from coglet_cli.doctor.subject import Skipped, Subject
from coglet_cli.errors import ProjectNotFound
from coglet_cli.project.folder import find_project
from coglet_cli.terminal import Terminal

_GROUPS: Final = (
    (
        "Config",
        (
            Check("config-parse", Level.ERROR, config_checks.look_parse),
            Check("config-schema", Level.ERROR, config_checks.look_schema),
            Check("predict-to-run-migration", Level.WARNING, migration.look, migration.fix),
            Check("config-deprecated-fields", Level.WARNING, config_checks.look_deprecated),
            Check("config-predict-ref", Level.ERROR, config_checks.look_reference),
        ),
    ),
    (
        "Python",
        (
            Check(
                "python-pydantic-basemodel",
                Level.ERROR,
                python_checks.look_pydantic,
                python_checks.fix_pydantic,
            ),
            Check(
                "python-deprecated-imports",
                Level.ERROR,
                python_checks.look_imports,
                python_checks.fix_imports,
            ),
            Check("python-missing-type-annotations", Level.WARNING, python_checks.look_annotations),
            Check(
                "python-none-defaults",
                Level.WARNING,
                schema_checks.look_none_defaults,
                schema_checks.fix_none_defaults,
            ),
            Check("python-text-for-file", Level.WARNING, output_checks.look_texts),
            Check("python-schema", Level.ERROR, schema_checks.look_schema),
        ),
    ),
    ("Build", (Check("build-plan", Level.ERROR, build_checks.look_plan),)),
    (
        "Environment",
        (
            Check("env-docker", Level.ERROR, machine_checks.look_docker),
            Check("env-python-version", Level.WARNING, machine_checks.look_python),
            Check("env-gpu-compat", Level.WARNING, machine_checks.look_gpu),
        ),
    ),
)


@dataclass(frozen=True)
class Diagnosis:
    """The outcome of one check.

    `fixed` are findings that were fixed, `skipped` says why the check did not run, `reason` why a fix failed.
    """

    check: Check
    findings: Sequence[Finding] = ()
    fixed: Sequence[Finding] = ()
    skipped: str | None = None
    reason: str | None = None

    @property
    def verdict(self) -> str:
        """One word for `Terminal.verdict`."""
        if self.skipped:
            return "skipped"
        if self.findings:
            return self.check.level.value
        return "fixed" if self.fixed else "ok"


def examine(file: str, terminal: Terminal, *, fix: bool) -> bool:
    """Run all checks and show their findings. Return True unless errors remain."""
    try:
        project = find_project(file, Path.cwd())
        folder, name = project.folder, project.config_file.relative_to(project.folder).as_posix()
    except ProjectNotFound:
        folder, name = Path.cwd(), file
    diagnoses = []
    for title, checks in _GROUPS:
        terminal.log(f"\n{title}")
        for check in checks:
            # A new Subject for each check reads the files again: a fix may have changed them.
            diagnosis = _diagnose(check, Subject(folder, name), fix=fix)
            _show(diagnosis, terminal, fix=fix)
            diagnoses.append(diagnosis)
    terminal.log(f"\n{summary(diagnoses, fix=fix)}")
    return _remaining(diagnoses, Level.ERROR) == 0


def _diagnose(check: Check, subject: Subject, *, fix: bool) -> Diagnosis:
    try:
        found = check.look(subject)
        if not found or not fix or check.fix is None:
            return Diagnosis(check, found)
        reason = _fix(check.fix, subject)
        left = check.look(Subject(subject.folder, subject.config_name))
        return Diagnosis(check, left, [finding for finding in found if finding not in left], reason=reason)
    except Skipped as skipped:
        return Diagnosis(check, skipped=str(skipped))


def _fix(fix: Callable[[Subject], None], subject: Subject) -> str | None:
    """Apply a fix. Return why it failed, None if it succeeded."""
    try:
        fix(subject)
    except CannotFix as error:
        return error.message
    except OSError as error:
        return f"{error.filename} cannot be written: {error.strerror}"
    return None


def _show(diagnosis: Diagnosis, terminal: Terminal, *, fix: bool) -> None:
    note = f" ({diagnosis.skipped})" if diagnosis.skipped else ""
    terminal.verdict(diagnosis.verdict, f"{diagnosis.check.name}{note}")
    for finding in diagnosis.fixed:
        terminal.log(f"      fixed: {finding.text}")
    for finding in diagnosis.findings:
        terminal.log(f"      {finding.text}")
        if fix:
            todo = diagnosis.reason or finding.remediation
            terminal.log(f"      {f'Remediation: {todo}' if todo else '(no auto-fix available)'}")


def summary(diagnoses: Sequence[Diagnosis], *, fix: bool) -> str:
    """Return the summary in one line."""
    errors = _remaining(diagnoses, Level.ERROR)
    warnings = _remaining(diagnoses, Level.WARNING)
    fixed = sum(len(diagnosis.fixed) for diagnosis in diagnoses)
    if not errors and not warnings and not fixed:
        return "no issues found"
    if fix:
        parts = [f"Fixed {_count(fixed, 'issue')}."]
        parts += [f"{_count(warnings, 'warning')} remaining."] if warnings else []
        parts += [f"{_count(errors, 'unfixed error')}."] if errors else []
        return " ".join(parts)
    found = [_count(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
    can_help = any(diagnosis.findings and diagnosis.check.fix for diagnosis in diagnoses)
    return f"Found {', '.join(found)}." + (' Run "cog doctor --fix" to auto-fix.' if can_help else "")


def _remaining(diagnoses: Sequence[Diagnosis], level: Level) -> int:
    return sum(len(diagnosis.findings) for diagnosis in diagnoses if diagnosis.check.level is level)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"

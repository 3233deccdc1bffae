"""What another process of ours uses, as psutil tells it on each system. 0 for one that is gone.

psutil takes 20 ms to import, which no start and no request shall wait for: it is imported when it is first
used, in a thread.
"""


def processor_seconds(pid: int) -> float:
    """Processor time that the process has used so far, in user and in system mode."""
    import psutil

    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def resident_bytes(pid: int) -> int:
    """Memory that the process occupies."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def private_bytes(pid: int) -> int:
    """Of that, what a second process like it would occupy once more: not the pages of files, if told."""
    import psutil

    try:
        memory = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(memory.rss) - int(getattr(memory, "shared", 0))


def available_bytes() -> int:
    """Memory that the machine could still give away."""
    import psutil

    return int(psutil.virtual_memory().available)

"""One message of every kind, more where optional fields change the bytes. The bytes are in golden/."""

from pathlib import Path
from typing import Final

from coglet_protocol import control, slot

GOLDEN: Final = Path(__file__).parent / "golden"
SLOT_ID: Final = "6f9619ff-8b86-4d01-b42d-00c04fc964ff"

# The key is the name of the golden file: the type, then what makes this example special.
CONTROL_TO_WORKER: Final[dict[str, control.ToWorker]] = {
    "init": control.Init(
        predictor_ref="predict.py:Runner",
        num_slots=2,
        transport_info=control.NamedSockets(dir="/tmp/slots", num_slots=2),
        is_train=True,
        is_async=True,
        idle=False,
        version=1,
    ),
    "init-input_kinds": control.Init(
        predictor_ref="predict.py",
        num_slots=1,
        transport_info=control.NamedSockets(dir="/tmp/slots", num_slots=1),
        input_kinds={"image": "file", "token": "secret", "steps": "integer"},
        version=1,
    ),
    "cancel": control.Cancel(slot=SLOT_ID, id="pred_1", sequence=7),
    "healthcheck": control.Healthcheck(id="hc_1"),
    "ping": control.Ping(id=7),
    "shutdown": control.Shutdown(),
}

CONTROL_FROM_WORKER: Final[dict[str, control.FromWorker]] = {
    "ready": control.Ready(slots=[SLOT_ID], has_healthcheck=True, cancel_signal=63, version=1),
    "log": control.Log(source="stdout", data='loading "model"\n\x1b[1mé 漢\r\n'),
    "worker_log": control.WorkerLog(target="coglet::worker", level="warning", message="slow"),
    "idle": control.Idle(slot=SLOT_ID),
    "cancelled": control.Cancelled(slot=SLOT_ID),
    "failed": control.Failed(slot=SLOT_ID, error="broken pipe"),
    "fatal": control.Fatal(reason="every slot is closed"),
    "dropped_logs": control.DroppedLogs(count=12, interval_millis=5000),
    "healthcheck_result": control.HealthcheckResult(id="hc_1", status="healthy"),
    "healthcheck_result-unhealthy": control.HealthcheckResult(id="hc_2", status="unhealthy", error="no GPU"),
    "shutting_down": control.ShuttingDown(),
    "pong": control.Pong(id=7),
    "setup_failed": control.SetupFailed(kind="load", error="no class `Runner`", traceback="Traceback\n"),
}

SLOT_TO_WORKER: Final[dict[str, slot.ToWorker]] = {
    "predict": slot.Predict(
        id="pred_1", output_dir="/tmp/out", input=b'{"n":1}', context={"tenant": "a"}, sequence=7
    ),
    "predict-bare": slot.Predict(id="pred_1", output_dir="/tmp/out", input=b"{}"),
    "predict-files": slot.Predict(
        id="pred_1",
        output_dir="/tmp/out",
        input=b"{}",
        files=(slot.InputFile(url="http://a.test/v1/files/x", path="/tmp/x", name="a.png"),),
    ),
    "predict-trace": slot.Predict(
        id="pred_1",
        output_dir="/tmp/out",
        input=b"{}",
        trace={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"},
    ),
    "predict-spilled": slot.Predict(id="pred_1", output_dir="/tmp/out", input_file="/tmp/in/spill.json"),
}

SLOT_FROM_WORKER: Final[dict[str, slot.FromWorker]] = {
    "log": slot.Log(source="stderr", data="é 漢\n"),
    "output": slot.Output(output=b'{"a":[1,null]}', index=3),
    "output-first": slot.Output(output=b'"a"'),
    "file_output": slot.FileOutput(
        filename="/tmp/out/1.png",
        kind="file_type",
        mime_type="image/png",
        name="cat.png",
        index=2,
        placeholder="cog-file:1",
    ),
    "file_output-oversized": slot.FileOutput(filename="/tmp/out/spill.json", kind="oversized"),
    "metric": slot.Metric(name="tokens.out", value=b"3", mode="increment"),
    "downloaded": slot.Downloaded(
        id="pred_1",
        span_id=0x00F067AA0BA902B7,
        origin="https://files.example:8443",
        started_ns=1_700_000_000_000_000_000,
        ended_ns=1_700_000_000_250_000_000,
        size_bytes=4096,
    ),
    "downloaded-failed": slot.Downloaded(
        id="pred_1", span_id=1, origin="http://a.test", started_ns=1, ended_ns=2, error="404"
    ),
    "done": slot.Done(id="pred_1", predict_time=0.25, output=b'"hello"'),
    "done-stream": slot.Done(id="pred_1", predict_time=0.25, is_stream=True),
    "failed": slot.Failed(id="pred_1", error="Prediction failed: Prediction failed: ValueError: é"),
    "cancelled": slot.Cancelled(id="pred_1"),
}

"""Clients receive valid JSON even when the model replaces the standard library's encoder."""

import pytest
from integration.conftest import Serve
from testing.model import Model

pytestmark = pytest.mark.ours("there, the model's json.dumps is the one that encodes")

REPLACED = """
import json
from cog import BasePredictor, current_scope

def nonsense(*args, **kwargs):
    return '1,"status":"canceled"'

json.dumps = json.encoder.encode_basestring = json.encoder.c_make_encoder = nonsense
json.JSONEncoder.encode = json.JSONEncoder.iterencode = nonsense
json.JSONEncoder = nonsense

class Predictor(BasePredictor):
    def predict(self, nan: bool) -> dict:
        current_scope().record_metric("a", {"b": [1]})
        return {"x": [1.5, "ä", float("nan") if nan else None]}
"""


def test_a_replaced_encoder_changes_nothing(serve: Serve) -> None:
    with serve(Model(REPLACED)) as server:
        body = server.predict({"nan": False}).json()
        assert (body["status"], body["output"]) == ("succeeded", {"x": [1.5, "ä", None]})
        assert body["metrics"]["a"] == {"b": [1]}
        body = server.predict({"nan": True}).json()
        assert (body["status"], "NaN" in body["error"]) == ("failed", True)

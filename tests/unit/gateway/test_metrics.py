"""Several processes' metrics as one text."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import merge

WORKER = """# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{kind="a b"} 3.0
jobs_total{kind="}"} 1.0
# HELP size_bytes Size.
# TYPE size_bytes gauge
size_bytes 5.0
"""
RELAY = """# HELP size_bytes Size.
# TYPE size_bytes gauge
size_bytes 7.0
# HELP lag_seconds Lag.
# TYPE lag_seconds histogram
lag_seconds_bucket{le="+Inf"} 2.0
lag_seconds_count 2.0
"""


def test_a_family_of_several_processes_is_told_once_and_each_sample_names_its_process() -> None:
    text = merge({"worker-0": WORKER, "relay-0": RELAY}).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert text.count("# HELP size_bytes") == 1
    assert [(s.labels, s.value) for s in families["size_bytes"].samples] == [
        ({"process": "worker-0"}, 5),
        ({"process": "relay-0"}, 7),
    ]
    assert families["jobs"].samples[1].labels == {"process": "worker-0", "kind": "}"}
    assert [s.name for s in families["lag_seconds"].samples] == ["lag_seconds_bucket", "lag_seconds_count"]
    assert [s.labels["process"] for s in families["ordergate_process_up"].samples] == ["worker-0", "relay-0"]

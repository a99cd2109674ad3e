"""Records made by hand, for what a test machine cannot measure: joules, scores, drift."""

import json
import os

SOURCE = os.environ["TERN_SOURCE_DIR"]
START_NS = 1_790_000_000_000_000_000
WEIGHT_BYTES = {"ternary": 600_000_000, "baseline": 1_900_000_000}


def golden(name="record_v1.json"):
    with open(os.path.join(SOURCE, "tests/golden", name), encoding="utf-8") as file:
        return json.load(file)


def metered_record(number):
    """Uncertainties, idle windows and a domain that does not count: prefill at equal power, decode at less."""
    record = golden("record_energy_v1.json")
    record["id"] = f"0199aaaa-0000-7000-8000-{number:012d}"
    return record


def energy(joules):
    """Measured, with one domain that counts and one that must not."""
    return {
        "status": "measured", "source": "powercap", "coverage": "1 of 1 packages", "window_s": 1.5, "updates": 16,
        "domains": {
            "package-0": {"uj": joules * 1e6, "included": True},
            "psys": {"uj": joules * 1.5e6, "included": False, "why": "it holds the package already"},
        },
    }


def no_energy(why):
    return {"status": "not_measured", "why": why}


def trials(tests, pairs, energy_of):
    """ABBA order; the ternary side is about three times as fast. energy_of(subject, joules)."""
    result = []
    for test, tokens, base_ms in tests:
        for pair in range(pairs):
            subjects = ["ternary", "baseline"] if pair % 2 == 0 else ["baseline", "ternary"]
            for subject in subjects:
                index = len(result)
                slow = 3.1 if subject == "baseline" else 1.0
                wobble = 1 + 0.011 * ((index * 7) % 5 - 2)
                elapsed_ns = int(base_ms * 1e6 * slow * wobble)
                joules = elapsed_ns * 1e-9 * (31.0 if subject == "baseline" else 28.5)
                result.append({
                    "subject": subject, "test": test, "pair": pair, "order_index": index,
                    "start_unix_ns": START_NS + index * 10**10, "elapsed_ns": elapsed_ns, "tokens": tokens,
                    "bytes_moved": (1 if test.startswith("pp") else tokens) * WEIGHT_BYTES[subject],
                    "energy": energy_of(joules), "counters": {"cycles": {"why": "no PMU here"}},
                    "logits_hash": "00c0ffee00c0ffee" if subject == "ternary" else "5ca1ab1e5ca1ab1e",
                })
    return result


def bench_record(number, pairs=10, energy_of=energy, status="ok", reasons=()):
    record = golden()
    del record["x_unknown"]
    record.update(
        id=f"0199aaaa-0000-7000-8000-{number:012d}",
        created=f"2026-01-{number % 28 + 1:02d}T12:34:56.789Z",
        status=status,
        reasons=list(reasons),
        subjects=[{"name": "ternary", "engine": "tern", "model": "synth:example", "parameters": 2_412_820_480},
                  {"name": "baseline", "engine": "tern", "model": "synth:example",
                   "derived_from": "the ternary weights of the first subject, dequantised to FP16"}],
        protocol={"command": "bench", "order": "ABBA", "pairs": pairs, "threads": 4},
        limits={"read_bandwidth_bytes_per_s": 3.5e10},
        trials=trials([("pp512", 512, 1600.0), ("tg128", 128, 2900.0)], pairs, energy_of),
    )
    return record


def eval_record(number, answers=(1, 0, 1, 1), energy_of=energy):
    record = bench_record(number, pairs=0)
    record["protocol"] = {"command": "eval", "threads": 4}
    record["subjects"] = record["subjects"][:1]
    items = [{"doc_id": doc, "start_unix_ns": START_NS, "elapsed_ns": 2_000_000_000, "energy": energy_of(50.0),
              "results": [{"filter": "none", "metrics": {"acc": value, "acc_norm": 1}}]}
             for doc, value in enumerate(answers)]
    record["evals"] = [{"task": "piqa", "version": 1, "subject": "ternary", "num_fewshot": 0,
                        "documents": len(answers), "filters": ["none"], "items": items}]
    return record


def write(path, records):
    with open(path, "w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record) + "\n")
    return path

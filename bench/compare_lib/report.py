# SPDX-License-Identifier: Apache-2.0
"""From samples to medians, ratios, required bounds, and the table of the README."""

import datetime
import json
import os
import statistics

from compare_lib.measure import describe_machine

# set -> what -> bound. Times: how many times faster than the fastest peer at least. Stored: at most this
# share of the smallest peer's bytes.
BOUNDS = {
    "A": {"first": 4.0, "unchanged": 4.0, "restore": 3.0, "stored": 0.87},
    "B": {"first": 2.5, "unchanged": 1.5, "restore": 2.5, "stored": 1.05},
    "C": {"first": 3.0, "unchanged": 1.5, "restore": 3.0, "stored": 1.002},
    "D": {"first": 8.0, "unchanged": 4.0, "restore": 3.0, "stored": 0.75},
    "E": {"first": 4.0, "restore": 1.5, "stored": 0.85},
}
RSS_BYTES_MAX = 512 << 20
# What parity may cost at most, as a share of what Holdfast needs without.
PARITY_BOUNDS = {"stored": 1.04, "first": 1.05, "first_cpu": 1.05}
PARITY_WORDS = {"stored": "bytes stored", "first": "first backup", "first_cpu": "CPU of the first backup"}
# Above this share of the processors' time, what else ran is named under the table.
OTHER_WORK_SHARE_QUIET = 0.1
RESTORE_NEWEST_TO_FIRST_MAX = 1.3
WORDS = {"first": "first backup", "unchanged": "unchanged backup", "restore": "restore", "stored": "bytes stored"}
PHASES = ["first", "unchanged", "restore", "restore_first"]


def medians_of(samples):
    """samples of one set -> tool -> medians. Peak memory is the highest seen, not the median."""
    result = {}
    for tool in dict.fromkeys(sample["tool"] for sample in samples):
        mine = [sample for sample in samples if sample["tool"] == tool]
        medians = {"rounds": len(mine), "stored": statistics.median(sample["stored_bytes"] for sample in mine)}
        for phase in PHASES:
            costs = [sample["phases"][phase] for sample in mine if phase in sample["phases"]]
            if costs:
                medians[phase] = statistics.median(cost["seconds"] for cost in costs)
                medians[phase + "_cpu"] = statistics.median(cost["cpu_seconds"] for cost in costs)
        medians["rss"] = max(cost["rss_bytes"] for sample in mine for cost in sample["phases"].values())
        result[tool] = medians
    return result


def best_peer(medians, what):
    """(name, value) of the fastest, or smallest, of the peers."""
    candidates = [(values[what], tool) for tool, values in medians.items() if not tool.startswith("holdfast") and what in values]
    if not candidates:
        return None, None
    value, tool = min(candidates)
    return tool, value


def judge(set_name, medians):
    """The bounds of one set, each with what was measured and whether it is met (None: not measurable)."""
    mine = medians.get("holdfast", {})
    verdicts = []
    for what, bound in BOUNDS[set_name].items():
        peer, theirs = best_peer(medians, what)
        ratio = None
        if peer is not None and what in mine:
            ratio = mine[what] / theirs if what == "stored" else theirs / mine[what]
        met = None if ratio is None else (ratio <= bound if what == "stored" else ratio >= bound)
        verdicts.append({"what": what, "best_peer": peer, "best_peer_value": theirs, "holdfast_value": mine.get(what),
                         "ratio": ratio, "bound": bound, "met": met})
    if mine:
        verdicts.append({"what": "rss", "holdfast_value": mine["rss"], "bound": RSS_BYTES_MAX,
                         "met": mine["rss"] < RSS_BYTES_MAX})
    if "restore_first" in mine:
        ratio = mine["restore"] / mine["restore_first"]
        verdicts.append({"what": "newest_to_first", "holdfast_value": ratio, "bound": RESTORE_NEWEST_TO_FIRST_MAX,
                         "met": ratio <= RESTORE_NEWEST_TO_FIRST_MAX})
    with_parity = medians.get("holdfast-parity", {})
    for what, bound in PARITY_BOUNDS.items():
        if mine.get(what) and what in with_parity:
            ratio = with_parity[what] / mine[what]
            verdicts.append({"what": "parity", "of": what, "holdfast_value": with_parity[what], "without": mine[what],
                             "ratio": ratio, "bound": bound, "met": ratio <= bound})
    return verdicts


def other_work_share(samples, cores):
    """The share of the processors' time that went elsewhere while commands were measured."""
    costs = [cost for sample in samples for cost in sample["phases"].values()]
    spent = sum(cost["seconds"] for cost in costs) * cores
    return sum(cost.get("other_cpu_seconds", 0) for cost in costs) / spent if spent else 0.0


def conclude(results):
    """Fills in medians and verdicts from the samples."""
    for name, one in results["sets"].items():
        if one["samples"]:
            one["medians"] = medians_of(one["samples"])
            one["bounds"] = judge(name, one["medians"])
            one["other_work_share"] = other_work_share(one["samples"], results["machine"]["cores"])


# --- what is kept of a run ------------------------------------------------------------------------------

def begin(work, contestants, missing, options, **more):
    """Results without sets."""
    return {"format": 1, **more, "date": datetime.date.today().isoformat(), "host": os.uname().nodename,
            "quick": options.quick, "machine": describe_machine(work),
            "tools": {tool.name: tool.version for tool in contestants}, "missing": missing, "sets": {}}


def write(results, path):
    temporary = path + ".tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    os.replace(temporary, path)


# --- Markdown ------------------------------------------------------------------------------------------

def seconds_text(value):
    if value is None:
        return "–"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def bytes_text(value):
    return "–" if value is None else f"{value / 1e6:,.0f} MB" if value >= 1e8 else f"{value / 1e6:,.1f} MB"


def memory_text(value):
    return f"{value / (1 << 20):,.0f} MiB"


def verdict_row(name, verdict):
    met = {True: "yes", False: "**no**", None: "not measured"}[verdict["met"]]
    if verdict["what"] == "rss":
        return [name, "peak memory", memory_text(verdict["holdfast_value"]), "", "", "< 512 MiB", met]
    if verdict["what"] == "newest_to_first":
        return [name, "restore, newest to first", f"{verdict['holdfast_value']:.2f}", "", "",
                f"≤ {verdict['bound']}", met]
    if verdict["what"] == "parity":
        text = bytes_text if verdict["of"] == "stored" else seconds_text
        return [name, f"parity: {PARITY_WORDS[verdict['of']]}", text(verdict["holdfast_value"]),
                f"without {text(verdict['without'])}", f"{verdict['ratio']:.3f}", f"≤ {verdict['bound']}", met]
    stored = verdict["what"] == "stored"
    text = bytes_text if stored else seconds_text
    peer = "–" if verdict["best_peer"] is None else f"{verdict['best_peer']} {text(verdict['best_peer_value'])}"
    ratio = "–" if verdict["ratio"] is None else f"{verdict['ratio']:.3f}" if stored else f"{verdict['ratio']:.1f} ×"
    bound = f"≤ {verdict['bound']}" if stored else f"≥ {verdict['bound']:g} ×"
    return [name, WORDS[verdict["what"]], text(verdict["holdfast_value"]), peer, ratio, bound, met]


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("---" for _ in header) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def verdict_line(verdict):
    """One bound whose ratio says all, as a line of a list."""
    beside = f" against {verdict['beside']}" if verdict["beside"] else ""
    return (f"- {verdict['what']}: {verdict['ratio']:.2f}{beside} (bound {verdict['bound']:g}, "
            f"{'met' if verdict['met'] else 'not met'})")


def heading(results):
    """When, where and of what; a list of paragraphs."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results["tools"].items())
    parts = [f"Measured {results['date']} on {machine['cpu']}, {machine['cores']} cores, "
             f"{machine['ram_bytes'] / (1 << 30):.0f} GiB RAM, {machine['system']}, kernel {machine['kernel']}, "
             f"{machine['file_system']}. Medians, warm cache. {versions}."]
    if results["quick"]:
        parts.append("**Scaled-down sets: these figures try the script and say nothing of speed.**")
    for name, why in results["missing"].items():
        parts.append(f"Not compared: {name} ({why}).")
    return parts


def markdown(results):
    parts = heading(results)
    judged = [(name, one) for name, one in sorted(results["sets"].items()) if one.get("bounds")]
    rows = [verdict_row(name, verdict) for name, one in judged for verdict in one["bounds"]]
    parts.append(table(["set", "what", "Holdfast", "best peer", "ratio", "required", "met"], rows))
    for name, one in judged:
        parts.append(f"**{name}**: {one['description']}; {one['files']:,} files, {one['bytes'] / 1e6:,.0f} MB; "
                     f"rounds: {max(values['rounds'] for values in one['medians'].values())}.")
        if one["other_work_share"] > OTHER_WORK_SHARE_QUIET:
            parts.append(f"The machine was not idle: {one['other_work_share']:.0%} of its processors' time went to "
                         "other work while these commands ran.")
        rows = []
        for tool, values in one["medians"].items():
            wrong = "" if one["verified"].get(tool, {}).get("content", False) else " (restore not verified)"
            rows.append([f"{tool} {results['tools'][tool]}{wrong}", *(seconds_text(values.get(phase)) for phase in
                         ("first", "unchanged", "restore")), bytes_text(values["stored"]), memory_text(values["rss"]),
                         seconds_text(values.get("first_cpu"))])
        parts.append(table(["tool", "first", "unchanged", "restore", "stored", "peak memory", "CPU of first"], rows))
        for tool, problem in one["failed"].items():
            parts.append(f"{tool} failed: `{' '.join(problem.split())[-200:]}`")
    return "\n\n".join(parts) + "\n"

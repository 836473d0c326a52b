"""What control groups grant: their files, of both versions, in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import control_groups


def group(root: Path, own: str, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "self").write_text(own)
    return root


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        (
            "3:cpu,cpuacct:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "300000\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
            3.0,
        ),
        ("3:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, None),
        (
            "3:memory:/x\n",
            {"cpu/x/cpu.cfs_quota_us": "100000\n", "cpu/x/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("0::/a\n", {"a/cpu.max": "nonsense\n"}, None),
    ],
)
def test_the_share_of_processors_is_the_tightest_of_all_groups(
    tmp_path: Path, own: str, files: dict[str, str], expected: float | None
) -> None:
    root = group(tmp_path, own, files)
    assert control_groups.processors(root / "cgroup", root / "self") == expected


V1 = {"memory.limit_in_bytes": "5000\n", "memory.usage_in_bytes": "3000\n",
      "memory.stat": "inactive_file 1\ntotal_inactive_file 700\ntotal_active_file 300\n"}  # fmt: skip
V2 = {
    "memory.max": "9000\n",
    "memory.current": "4000\n",
    "memory.stat": "inactive_file 800\nactive_file 200\n",
}


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/a/b\n", {f"a/b/{name}": text for name, text in V2.items()}, (9000, 6000)),
        ("4:memory:/x\n0::/\n", {f"memory/x/{name}": text for name, text in V1.items()}, (5000, 3000)),
        ("4:memory:/elsewhere\n", {f"memory/{name}": text for name, text in V1.items()}, (5000, 3000)),
        (
            "0::/a/b\n",
            {"a/b/memory.max": "max\n", "a/memory.max": "100\n", "a/memory.current": "30\n"},
            (100, 70),
        ),
        ("0::/a\n", {"a/memory.max": "100\n", "a/memory.current": "130\n"}, (100, 0)),
        ("0::/a\n", {"a/memory.max": "max\n"}, None),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("4:cpu:/x\n", {"memory/x/memory.limit_in_bytes": "5000\n"}, None),
        ("0::/a\n", {"a/memory.max": "nonsense\n"}, None),
    ],
)
def test_memory_is_what_the_tightest_group_leaves(
    tmp_path: Path, own: str, files: dict[str, str], expected: tuple[int, int] | None
) -> None:
    root = group(tmp_path, own, files)
    assert control_groups.memory(root / "cgroup", root / "self") == expected
